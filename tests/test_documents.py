"""The project's documents say what is there: every room is on the map, every link leads somewhere."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from jupyter_numguard.model import Category

from .harness import run_one

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "jupyter_numguard"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
# What the Python cells of a document take for granted.
GRANTED = {
    "README.md": """import torch
import jupyter_numguard
pixels, labels, rows = torch.rand(20, 8), torch.randint(0, 3, (20,)), torch.arange(20)
model = torch.nn.Linear(8, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=1e4)
loss = torch.zeros(1)""",
}


# A block that is a test is run by pytest, the others as cells.
IS_TEST = re.compile(r"^def test_", re.M)
# Inline code that is a command: what it begins with, and what must then be there.
COMMAND = re.compile(r"`((?:make|pip install|python|jupyter|pre-commit) [^`]*)`")


def fences(text: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block that is no directive of the site."""
    blocks = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S)
    return [(language, code) for language, code in blocks if not language.startswith("{")]


def prose(path: Path) -> str:
    """The text of a document, or of a notebook's Markdown cells."""
    if path.suffix == ".md":
        return path.read_text()
    return "\n\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")


def test_every_room_is_on_the_map() -> None:
    """ARCHITECTURE.md names every module and folder of the package, and none that does not exist."""
    rooms = (ROOT / "ARCHITECTURE.md").read_text().partition("## Rooms")[2].partition("Outside:")[0]
    named = {name.strip("/") for name in re.findall(r"`([\w/]+(?:\.py|/))`", rooms)}
    there = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    backends = {path.name for path in (PACKAGE / "backends").iterdir()}

    assert set() == there - named
    assert {"jupyter_numguard", "static"} == named - there - backends


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link in a document or notebook leads to a file of the project; an address outside is well formed."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", prose(document))
    outside = re.findall(r"\]\((https?:[^)]*)\)", prose(document))

    assert [] == [link for link in outside if not re.fullmatch(r"https://[\w.-]+\.[a-z]{2,}(/[\w./~%#?=&+-]*)?", link)]

    assert [] == [link for link in links if not (document.parent / link).exists()]


def test_glossary_has_the_nine_categories() -> None:
    """The glossary's table of categories is that of the code."""
    rows = re.findall(r"^\| (C\d) \| ([^|]+) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M)

    assert [(category.name, category.value) for category in Category] == rows


def is_there(command: str) -> bool:
    """Whether what a command names exists: a target of make, an extra, a file, a module, a subcommand."""
    if make := re.match(r"make ([\w-]+)", command):
        return make[1] in TARGETS
    if install := re.match(r'pip install "?\.(?:\[([\w,]+)\])?"?$', command):
        return set((install[1] or "").split(",")) <= EXTRAS | {""}
    if module := re.match(r"(?:\S*/)?python -m ([\w.]+)( .*)?$", command):
        return importlib.util.find_spec(module[1]) is not None and all(map(_is_named, (module[2] or "").split()))
    if script := re.match(r"(?:\S*/)?python (\S+\.py)", command):
        return (ROOT / script[1]).is_file()
    return command in ("jupyter labextension list", "pre-commit install", "pip install jupyter_numguard")


def _is_named(word: str) -> bool:
    """A placeholder, an option of the benchmarks, a file, or a marker of a pytest run."""
    known = re.fullmatch(r"[A-Z_]+|\[?--?\w+|\d+\]?|\"not|browser\"", word)
    return known is not None or (ROOT / word).exists()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_are_there(document: Path) -> None:
    """Every command, in a block that is no Python or inside a sentence, names a target, extra, file or module that there is."""
    text = document.read_text()
    lines = [line for language, code in fences(text) if language in ("", "sh") for line in code.splitlines()]
    typed = [line for line in lines if line.strip() and not re.search(r"──|[│└├]", line)]  # the rest is a drawing
    inline = COMMAND.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))

    assert [] == [command for command in [*typed, *inline] if not is_there(command)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_code_block_is_run_by_a_test(document: Path) -> None:
    """Python stands in documents whose blocks are run here, and on the pages of rules, which tests/test_rules.py runs."""
    name = str(document.relative_to(ROOT))
    rule_page = document.parent.name == "rules" and document.name != "README.md"
    known = {"", "sh", "python"} if name in GRANTED else {"", "sh"}
    if rule_page:
        known = {f"python {framework}" for framework in ("torch", "tensorflow", "numpy")}
        assert "Made by scripts/rule_pages.py" in document.read_text()

    assert set() == {language for language, _ in fences(document.read_text())} - known


def test_the_pages_of_the_rules_are_their_docstrings() -> None:
    """docs/rules/ is what scripts/rule_pages.py makes: the examples on the pages are those that run."""
    done = subprocess.run(
        [sys.executable, "scripts/rule_pages.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("document", GRANTED)
def test_cells_in_documents_run(document: str) -> None:
    """The Python blocks of a document run as cells, one after the other, and what they are about happens."""
    blocks = [code for language, code in fences((ROOT / document).read_text()) if language == "python"]
    ran = run_one([GRANTED[document], *(code for code in blocks if not IS_TEST.search(code))])

    assert [None] * len(ran) == [cell.error for cell in ran]
    assert ["loss"] == [f["variable"] for cell in ran for f in cell.alarms if f["variable"] == "loss"][:1]


@pytest.mark.parametrize("document", GRANTED)
def test_tests_in_documents_pass_and_can_fail(document: str, tmp_path: Path) -> None:
    """The blocks that are tests pass under pytest; with a non-finite value in the block they fail and print the report."""
    (block,) = [code for language, code in fences((ROOT / document).read_text()) if IS_TEST.search(code)]
    (tmp_path / "test_good.py").write_text(block)
    (tmp_path / "test_bad.py").write_text(block.replace("loss.backward()", "(loss / 0).backward()"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    assert "1 failed, 1 passed" in done.stdout
    assert "(loss / 0).backward()" in done.stdout
    assert "FAILED test_bad.py" in done.stdout
    assert re.search(r"AssertionError: .*holds", done.stdout), done.stdout


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS], ids=lambda path: str(path.relative_to(ROOT)))
def test_magics_in_documents_are_there(document: Path) -> None:
    """Every `%numguard …` that a text names is a command, every option of `%%numguard` an option, every rule a rule."""
    told = prose(document)
    rules = {path.stem for path in (PACKAGE / "rules").glob("[a-z]*.py")}
    codes = {re.match(r'"""(NG\d+)', (PACKAGE / "rules" / f"{rule}.py").read_text())[1] for rule in rules}  # type: ignore[index]
    commands = set(re.findall(r"`%numguard ([a-z]+)", told))
    known = set("on off status report lineage explain mute unmute reset".split())

    assert set() == commands - known
    assert set() == set(re.findall(r"`%%numguard --([a-z]+)", told)) - {"stop", "quiet"}
    assert set() == set(re.findall(r"explain (NG\d{3})", told)) - codes


def test_spelling() -> None:
    """No word of the texts is a known misspelling; the notebooks' text included."""
    text = "\n".join(prose(path) for path in [*DOCUMENTS, *NOTEBOOKS])
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", "-"], input=text, capture_output=True, text=True, cwd=ROOT
    )

    assert "" == done.stdout


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """What `make docs` does, in a folder of its own: every page is there, the notebooks with their reports."""
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "doctrees"), "-c", "docs"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, ".", str(tmp_path / "site")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    pages = {path.stem for path in (tmp_path / "site").rglob("*.html")}
    report = (tmp_path / "site" / "notebooks" / "quickstart.html").read_text()

    assert (0, "") == (done.returncode, done.stderr)
    assert set() == {path.stem for path in [*DOCUMENTS, *NOTEBOOKS]} - pages
    assert "origin" in report
    assert "numguard" in report


def test_the_page_about_the_format_names_every_field() -> None:
    """docs/report-format.md is made from the schema: `make generate` was run."""
    done = subprocess.run(
        [sys.executable, "scripts/report_page.py", "--check"], capture_output=True, text=True, cwd=ROOT
    )
    schema = json.loads((PACKAGE / "report.schema.json").read_text())
    page = (ROOT / "docs" / "report-format.md").read_text()

    assert (0, "") == (done.returncode, done.stderr)
    assert set() == {f"## {name}" for name in schema["$defs"]} - set(page.splitlines())
