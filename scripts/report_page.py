"""Write docs/report-format.md from the report's schema and the docstrings of `model.py`.

python scripts/report_page.py            write it
python scripts/report_page.py --check    fail if it is not up to date (CI)
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

from jupyter_numguard import model
from jupyter_numguard.report import MIME

ROOT = Path(__file__).resolve().parents[1]
PAGE = Path("docs/report-format.md")
_HEAD = f"""<!-- Made by scripts/report_page.py from the schema; change that, then `make generate`. -->
# The report

One JSON object is what numguard has to say about one execution; text, HTML, the widget and the side panel are views of it. It is
stored in the notebook as `{MIME}`, and `jupyter_numguard.last_report()` gives the same as Python objects with the same names.
Fields may be added, never renamed. JSON has no NaN: non-finite numbers are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`.
Lines are 1-based as the user sees them, columns 0-based in characters.

The schema for programs: `jupyter_numguard/report.schema.json`.
"""


def build() -> str:
    """The page."""
    schema = json.loads((ROOT / "jupyter_numguard" / "report.schema.json").read_text())
    kinds = {"Report": schema, **schema["$defs"]}
    order = sorted(kinds, key=lambda name: (name != "Report", name != "Finding", name != "Origin", name))
    return _HEAD + "".join(_section(name, kinds[name]) for name in order)


def _section(name: str, kind: dict[str, Any]) -> str:
    told = _told(getattr(model, name))
    rows = [f"| `{field}` | {_type(value)} | {told.get(field, '')} |" for field, value in kind["properties"].items()]
    head = f"\n## {name}\n\n{kind['description']}\n\n| field | type | meaning |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n"


def _told(kind: type) -> dict[str, str]:
    """Field -> meaning, from the `Attributes:` of the docstring."""
    text = inspect.getdoc(kind) or ""
    part = text.partition("Attributes:\n")[2]
    found = re.findall(r"^    ([\w, ]+): ((?:.|\n(?=     ))+)", part, re.M)
    return {name.strip(): " ".join(words.split()) for names, words in found for name in names.split(",")}


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in value:
        parts = [_type(v) for v in value["anyOf"]]
        return " or ".join(dict.fromkeys(p for p in parts if p != '`"NaN"`, `"Infinity"`, `"-Infinity"`'))
    if "enum" in value or "const" in value:
        return ", ".join(f"`{json.dumps(v)}`" for v in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}" if "items" in value else "list"
    return str(value.get("type", "any"))


def main() -> int:
    """Write the page, or with `--check` say that it is not up to date."""
    parser = argparse.ArgumentParser(description="Write the page about the report's format.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not up to date")
    wanted, path = build(), ROOT / PAGE
    if parser.parse_args().check:
        if not path.exists() or path.read_text() != wanted:
            print(f"not up to date: {PAGE}; run `make generate`", file=sys.stderr)
            return 1
        return 0
    path.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
