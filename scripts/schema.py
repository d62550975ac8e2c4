"""Write `jupyter_numguard/report.schema.json` from the dataclasses of `model.py`.

    python scripts/schema.py            write it
    python scripts/schema.py --check    fail if it is not up to date (CI)

pydantic is needed here only: numguard itself reads the file.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from jupyter_numguard.model import SCHEMA_VERSION, Report
from jupyter_numguard.report import MIME, NON_FINITE_SPELLINGS

TARGET = Path(__file__).resolve().parents[1] / "jupyter_numguard" / "report.schema.json"


def build() -> dict[str, Any]:
    """The schema of what `report.to_json` writes: every field is there, fields of a later version may be added."""
    raw = TypeAdapter(Report).json_schema(mode="serialization")
    raw["properties"]["schema_version"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"numguard report ({MIME})",
        **{key: _tidy(value) for key, value in sorted(raw.items()) if key != "title"},
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
    """Write or check; 1 when the file is out of date."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare")
    wanted = json.dumps(build(), indent=1, ensure_ascii=False) + "\n"
    if not parser.parse_args().check:
        TARGET.write_text(wanted, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{TARGET.name} is not what model.py says; run: python scripts/schema.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
