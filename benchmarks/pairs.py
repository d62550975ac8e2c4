"""How every claim is measured: variants in turn, round by round, in one process; the ratio is the median over the rounds.

A file of this folder that makes a claim has a function `rows(rounds)` that yields `Row`s, and ends with `run(rows)`:

    python -m benchmarks.trace_overhead [--rounds 7]     one claim
    make bench                                           all of them, one table

Process time is counted, not wall time: other programs on the machine then disturb little.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before a framework is imported; one thread is steadier than two
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number.

    Attributes:
        claim: What is compared: "trace / plain, MLP".
        value: The number; `unit` is "x" for a ratio.
        bar: What was asked for: "<= 1.25", ">= 0.8"; "" where the number is only told.
        note: Beside it: absolute times, what a peer needs.
    """

    claim: str
    value: float
    unit: str = "x"
    bar: str = ""
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the bar holds; None without one."""
        if not self.bar:
            return None
        sign, limit = self.bar.split()
        return self.value <= float(limit) if sign == "<=" else self.value >= float(limit)


def interleaved(
    variants: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.process_time
) -> dict[str, list[float]]:
    """Seconds of each variant per round. Every round runs all, in an order that turns; the first is thrown away."""
    names = list(variants)
    times: dict[str, list[float]] = {name: [] for name in names}
    for i in range(rounds + 1):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            gc.collect()
            start = clock()
            variants[name]()
            spent = clock() - start
            if i:
                times[name].append(spent)
    return times


def ratio(times: Mapping[str, list[float]], name: str, base: str) -> float:
    """Median over the rounds of `name` / `base`."""
    return statistics.median(a / b for a, b in zip(times[name], times[base], strict=True))


def seconds_each(call: Callable[[], object], at_least: float = 0.02, repeats: int = 5) -> float:
    """The shortest time of one call, in seconds: loops of at least `at_least` seconds, `repeats` of them."""
    call()
    number, spent = 1, 0.0
    while True:
        start = time.process_time()
        for _ in range(number):
            call()
        spent = time.process_time() - start
        if spent >= at_least:
            break
        number = max(number + 1, min(number * 10, int(number * at_least / max(spent, 1e-9)) + 1))
    best = spent / number
    for _ in range(repeats - 1):
        start = time.process_time()
        for _ in range(number):
            call()
        best = min(best, (time.process_time() - start) / number)
    return best


def table(rows: Iterable[Row]) -> str:
    """As Markdown."""
    lines = ["| claim | measured | bar | met | beside it |", "|---|--:|--:|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**no**", None: ""}[row.is_met]
        lines.append(f"| {row.claim} | {row.value:.3g} {row.unit} | {row.bar} | {met} | {row.note} |")
    return "\n".join(lines)


def run(rows: Callable[[int], Iterable[Row]], rounds: int = 7) -> None:
    """The command line of one claim."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--json", action="store_true", help="one row a line, for `make bench`")
    chosen = options.parse_args()
    found = []
    for row in rows(chosen.rounds):
        found.append(row)
        if chosen.json:
            print(json.dumps(asdict(row)), flush=True)
    if not chosen.json:
        print(table(found))
