"""Write docs/rules/*.md, one page per rule and an index, from the docstrings of the rules.

python scripts/rule_pages.py            write them, remove pages of rules that are gone
python scripts/rule_pages.py --check    fail if a page is not up to date (CI)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jupyter_numguard.rule import Rule, load_rules

ROOT = Path(__file__).resolve().parents[1]
INDEX = Path("docs/rules/README.md")
_MADE = "<!-- Made by scripts/rule_pages.py from the rule's docstring; change that, then `make generate`. -->"


def page_of(rule: Rule) -> str:
    """The page of one rule, as `%numguard explain` shows it."""
    return f"{_MADE}\n{rule.page}"


def index_of(rules: tuple[Rule, ...]) -> str:
    """The table of all rules."""
    rows = [
        f"| [{r.code}]({r.name}.md) | {r.name} | {r.category.name} {r.category.value} | {r.summary} |" for r in rules
    ]
    head = f"{_MADE}\n# Rules\n\n| code | name | category | recognises |\n|---|---|---|---|"
    return "\n".join([head, *rows]) + "\n"


def build() -> dict[Path, str]:
    """Path below the project's root -> text, for all pages."""
    rules = load_rules()
    return {**{Path(rule.docs): page_of(rule) for rule in rules}, INDEX: index_of(rules)}


def main() -> int:
    """Write the pages, or with `--check` say which are not up to date."""
    parser = argparse.ArgumentParser(description="Write the rules' pages from their docstrings.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is not up to date")
    check = parser.parse_args().check
    wanted = build()
    folder = ROOT / INDEX.parent
    there = {path.relative_to(ROOT): path.read_text() for path in folder.glob("*.md")}
    stale = sorted(str(p) for p in wanted.keys() | there.keys() if wanted.get(p) != there.get(p))
    if check:
        if stale:
            print(f"not up to date: {', '.join(stale)}; run `make generate`", file=sys.stderr)
        return 1 if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for path in there.keys() - wanted.keys():
        (ROOT / path).unlink()
    for path, text in wanted.items():
        (ROOT / path).write_text(text)
    print(f"{len(wanted)} pages in {INDEX.parent}, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
