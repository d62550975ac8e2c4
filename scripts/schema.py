"""Write the schemas in `jupyter_numguard/` from the dataclasses: of a report, and of the messages of the live channel.

    python scripts/schema.py            write them
    python scripts/schema.py --check    fail if one is not up to date (CI)

pydantic is needed here only: numguard itself reads the report's, and the front end's types are made from both.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jupyter_numguard.live import TARGET, ExecutionMessage, Snapshot
from jupyter_numguard.model import SCHEMA_VERSION, Report
from jupyter_numguard.report import MIME, NON_FINITE_SPELLINGS

FOLDER = Path(__file__).resolve().parents[1] / "jupyter_numguard"


def build() -> dict[str, dict[str, Any]]:
    """File name -> schema of what `report.to_json` writes: every field is there, fields of a later version may be added."""
    report = _tidy(TypeAdapter(Report).json_schema(mode="serialization"))
    report["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    live = _tidy(TypeAdapter(Snapshot | ExecutionMessage).json_schema(mode="serialization"))
    return {
        "report.schema.json": _named(f"numguard report ({MIME})", report),
        "live.schema.json": _named(f"message of the comm target {TARGET!r}", live),
    }


def _named(title: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **dict(sorted(schema.items())),
    }


def _tidy(node: Any) -> Any:
    """Drop what pydantic repeats from the field names, let numbers be non-finite, require what is always written."""
    if isinstance(node, list):
        return [_tidy(v) for v in node]
    if not isinstance(node, dict):
        return node
    if node.get("type") == "number":
        return {"anyOf": [{"type": "number"}, {"enum": list(NON_FINITE_SPELLINGS)}]}
    out = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: _tidy(child) for name, child in value.items()}
        elif key == "description":
            out[key] = value.split("\n\n")[0].replace("\n", " ")
        elif key not in ("title", "default"):
            out[key] = _tidy(value)
    if "properties" in out:
        out["required"] = list(out["properties"])
    return out


def main() -> int:
    """Write or check; 1 when a file is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    wanted = {FOLDER / name: json.dumps(s, indent=1, ensure_ascii=False) + "\n" for name, s in build().items()}
    if not parser.parse_args().check:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [p.name for p, text in wanted.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    if stale:
        print(f"not what the dataclasses say: {', '.join(stale)}; run: python scripts/schema.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
