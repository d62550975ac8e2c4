"""Run every claim in a process of its own and print one table: `make bench`, or `python -m benchmarks [NAME ...]`.

`--readme` also writes the tables between the markers of docs/cost.md, with the drawing of how cost grows, and the rows that a
reader asks for first into README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import pathlib
import platform
import re
import shutil
import subprocess
import sys
from importlib import metadata

from . import growth
from .pairs import Row, table

HERE = pathlib.Path(__file__).parent
README, COST = HERE.parent / "README.md", HERE.parent / "docs" / "cost.md"
# The rows of the README: what a cell costs, watched and traced.
FIRST = ("a trivial cell", "watch / plain", "trace / plain")
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
    parts, first = [], []
    names = chosen.names or claims()
    for name in names:
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
        if chosen.rounds:
            command += ["--rounds", str(chosen.rounds)]
        print(f"... {name}", file=sys.stderr)
        ran = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
        if ran.returncode:
            print(f"{name} failed:\n{ran.stderr[-2000:]}", file=sys.stderr)
        rows = [Row(**json.loads(line)) for line in ran.stdout.splitlines() if line.startswith("{")]
        first += [row for row in rows if row.claim.startswith(FIRST)]
        parts.append(f"**{name.replace('_', ' ')}**\n\n{table(rows)}")
        print(parts[-1] + "\n", flush=True)
    if chosen.readme:
        _write(COST, "\n\n".join([_where(), *parts]))
        if "growth" in names:
            shutil.copyfile(growth.OUT, COST.parent / "images" / growth.OUT.name)
        _write(README, f"{brief(first)}\n\n{_where()}")


def brief(rows: list[Row]) -> str:
    """What was measured and what is promised, without the rest, as Markdown."""
    lines = [f"| {row.claim} | {row.value:.3g} {row.unit} | {row.bar} | {row.note.partition(';')[0]} |" for row in rows]
    return "\n".join(["| CPU time | measured | promised | beside it |", "|---|--:|--:|---|", *lines])


def _write(page: pathlib.Path, found: str) -> None:
    """Put it between the markers of a page.

    Raises:
        SystemExit: the page has none.
    """
    text = page.read_text(encoding="utf-8")
    new, number = re.subn(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{found}\n{END}", text, count=1, flags=re.DOTALL)
    if not number:
        raise SystemExit(f"{page.name} has no {BEGIN} … {END}")
    page.write_text(new, encoding="utf-8")


def _where() -> str:
    versions = []
    for name in ("torch", "tensorflow", "tensorflow-cpu", "numpy"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    day = datetime.date.today().isoformat()
    found = ", ".join([f"Python {platform.python_version()}", *versions])
    return f"The parts of `make bench`, one after the other, {day}: {found}, one CPU thread."


if __name__ == "__main__":
    main()
