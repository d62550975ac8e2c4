"""Run every claim in a process of its own and print one table: `make bench`, or `python -m benchmarks [NAME ...]`.

`--readme` also writes the table between the markers of README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import platform
import re
import subprocess
import sys
from importlib import metadata

from .pairs import Row, table

HERE = pathlib.Path(__file__).parent
README = HERE.parent / "README.md"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def claims() -> list[str]:
    """The files here that make a claim."""
    return sorted(p.stem for p in HERE.glob("*.py") if "\n    run(rows" in p.read_text(encoding="utf-8"))


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*", help=f"some of: {', '.join(claims())}; default all")
    options.add_argument("--rounds", type=int)
    options.add_argument("--readme", action="store_true")
    chosen = options.parse_args()
    parts = []
    for name in chosen.names or claims():
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
        if chosen.rounds:
            command += ["--rounds", str(chosen.rounds)]
        print(f"... {name}", file=sys.stderr)
        ran = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
        if ran.returncode:
            print(f"{name} failed:\n{ran.stderr[-2000:]}", file=sys.stderr)
        rows = [Row(**json.loads(line)) for line in ran.stdout.splitlines() if line.startswith("{")]
        parts.append(f"**{name.replace('_', ' ')}**\n\n{table(rows)}")
        print(parts[-1] + "\n", flush=True)
    if chosen.readme:
        text = README.read_text(encoding="utf-8")
        found = "\n\n".join([_where(), *parts])
        new, number = re.subn(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{found}\n{END}", text, count=1, flags=re.DOTALL)
        if not number:
            raise SystemExit(f"README.md has no {BEGIN} … {END}")
        README.write_text(new, encoding="utf-8")


def _where() -> str:
    versions = []
    for name in ("torch", "tensorflow", "tensorflow-cpu", "numpy"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    day = datetime.date.today().isoformat()
    return f"One run of `make bench`, {day}: Python {platform.python_version()}, {', '.join(versions)}, one CPU thread."


if __name__ == "__main__":
    main()
