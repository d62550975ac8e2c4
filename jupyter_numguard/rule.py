'''The catalogue of root causes: what a rule file holds, and how the folder is read.

A rule is one module in `rules/`. Its docstring is the documentation page and the tests:

    """NGnnn rule-name: One sentence.

    ## What happened / ## Why it is non-finite / ## Example / ## Use instead / ## Limits / ## References
    """
    CATEGORY = Category.C1
    PRECEDES = {"NG101"}      # optional: rules that also match, and say less

    def detect(path: LineagePath) -> Evidence | None: ...
    def advise(path: LineagePath) -> str: ...    # optional; default is the prose of "Use instead"
    def attempts(path) -> tuple[tuple[str, str], ...]: ...    # optional: (setting, expression) to try on the operands
    SETTINGS = ("rate", "clip")    # optional: kinds of `settings.py` with which the cell is trained once more

Fences say the framework: "```python torch". The line of an example that numguard must name ends with `# origin: NGnnn`.
Nothing is registered: `load_rules` walks the folder; modules that begin with "_" are shared recognisers, not rules.
'''

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from . import rules as _folder
from .model import Category, Evidence, LineagePath

SECTIONS = ("What happened", "Why it is non-finite", "Example", "Use instead", "Limits", "References")
_FENCE = re.compile(r"^```python[ ]*(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r"^(NG(\d)\d\d) ([a-z0-9-]+): (.+?)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A program of a rule's page: one that fails (`section` "Example") or its cure ("Use instead")."""

    framework: str
    section: str
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the catalogue; see the module's docstring.

    Attributes:
        code: "NG201"; its first digit is the category.
        sections: Heading -> Markdown text, in the order of `SECTIONS`.
        precedes: Codes of rules that rank after this one where both match.
        settings: Kinds of settings to train with once more; only of the first diagnosis that has any.
    """

    code: str
    name: str
    summary: str
    category: Category
    sections: dict[str, str]
    precedes: frozenset[str]
    detect: Callable[[LineagePath], Evidence | None]
    advise: Callable[[LineagePath], str] | None
    attempts: Callable[[LineagePath], tuple[tuple[str, str], ...]] | None = None
    settings: tuple[str, ...] = ()

    @property
    def docs(self) -> str:
        """Where the page is, below the project's root."""
        return f"docs/rules/{self.name}.md"

    @property
    def page(self) -> str:
        """The rule's page in Markdown: its head and its sections, in their order."""
        head = f"# {self.code} {self.name}\n\n{self.summary}\n\nCategory {self.category.name}: {self.category.value}."
        return "\n\n".join([head, *(f"## {title}\n\n{text}" for title, text in self.sections.items())]) + "\n"

    @property
    def examples(self) -> tuple[Example, ...]:
        """The programs of the page, failing ones first."""
        return tuple(
            Example(framework, section, source)
            for section in ("Example", "Use instead")
            for framework, source in _FENCE.findall(self.sections[section])
        )

    def advice(self, path: LineagePath) -> str:
        """What to do, in words; falls back on the page where the rule's own advice fails."""
        if self.advise is not None:
            try:
                return self.advise(path)
            except Exception:  # the page's words are always right
                pass
        return " ".join(_FENCE.sub("", self.sections["Use instead"]).split())


@cache
def load_rules() -> tuple[Rule, ...]:
    """The whole catalogue, by code."""
    names = (m.name for m in pkgutil.iter_modules(_folder.__path__) if not m.name.startswith("_"))
    found = (read_rule(importlib.import_module(f"{_folder.__name__}.{name}")) for name in names)
    return tuple(sorted(found, key=lambda rule: rule.code))


def read_rule(module: ModuleType) -> Rule:
    """The rule that a module defines.

    Raises:
        ValueError: The page is not in the form that the module's docstring says.
    """
    head, *rest = re.split(r"^## (.+)$", (module.__doc__ or "").strip(), flags=re.MULTILINE)
    found = _HEAD.match(" ".join(head.split()))
    sections = {title.strip(): text.strip() for title, text in zip(rest[::2], rest[1::2], strict=True)}
    if found is None:
        raise ValueError(f"{module.__name__}: the first line must be 'NGnnn rule-name: One sentence.'")
    if tuple(sections) != tuple(title for title in SECTIONS if title in sections) or set(SECTIONS) - set(sections):
        raise ValueError(
            f"{module.__name__}: the sections must be {', '.join(SECTIONS)}; they are {', '.join(sections)}"
        )
    if module.CATEGORY.name != f"C{found[2]}":
        raise ValueError(f"{module.__name__}: {found[1]} belongs to category C{found[2]}, not {module.CATEGORY.name}")
    return Rule(
        found[1], found[3], found[4], module.CATEGORY, sections, frozenset(getattr(module, "PRECEDES", ())),
        module.detect, getattr(module, "advise", None), getattr(module, "attempts", None), getattr(module, "SETTINGS", ()),
    )  # fmt: skip
