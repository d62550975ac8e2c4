"""When numguard itself fails, the user's cell does not notice: same outputs, plus one short notice per kind of failure."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .kernels import LOAD, Kernel, Seen, kernel
from .recording import use

pytestmark = pytest.mark.kernel

CELLS = (
    "import numpy as np\nx = np.arange(3.0)\nprint('a')\nx.sum()",
    "def f(v):\n    return v / 0\nf(1)",
    "y = float('nan')\nz = np.array([1.0, y])\n_ * 2",
    "import asyncio\nawait asyncio.sleep(0)\n'async'",
    "with np.errstate(all='ignore'):\n    w = np.log(x)\nw.size",
    "%%time\n{magic}\n'timed'",
)
METHODS = ("start_cell", "start_trace", "before_statement", "after_statement", "end_cell")
ERRORS = ("ValueError('broken')", "SystemExit(3)")
NOTICE = re.compile(r"numguard: [^\n]*\n")


def stages() -> list[tuple[str, str]]:
    """(module, name) of everything of ours that the session and the running cell call."""
    found = []
    for caller in ("session", "execution"):
        module = importlib.import_module(f"jupyter_numguard.{caller}")
        for name, value in sorted(vars(module).items()):
            if inspect.ismodule(value) and value.__name__.startswith("jupyter_numguard."):
                found += [(value.__name__, n) for n, v in sorted(vars(value).items()) if _is_ours(v, value.__name__)]
            elif _is_ours(value) and value.__module__ != module.__name__:
                found.append((module.__name__, name))
    return list(dict.fromkeys(found))


def _is_ours(value: Any, home: str | None = None) -> bool:
    """A function or class of the package that does work (plain data and errors do none)."""
    module = getattr(value, "__module__", None) or ""
    if (
        not module.startswith("jupyter_numguard.")
        or module.endswith((".model", ".errors"))
        or (home and module != home)
    ):
        return False
    return inspect.isfunction(value) or (inspect.isclass(value) and not hasattr(value, "__dataclass_fields__"))


@pytest.fixture(scope="module")
def expected() -> dict[str, list[Seen]]:
    """What the cells show without numguard, plain and with a comment where the magic line would stand."""
    answers = {}
    for mode in ("watched", "traced"):
        with kernel() as plain:
            answers[mode] = [plain.run(_written(c, mode, "#")) for c in CELLS]
    return answers


@pytest.fixture(scope="module")
def failing() -> Iterator[Kernel]:
    """A kernel for sessions that fail."""
    with kernel("import builtins") as running:
        yield running


def _written(cell: str, mode: str, line: str) -> str:
    if "{magic}" in cell:
        return cell.replace("{magic}", line if mode == "traced" else "#")
    return f"{line}\n{cell}" if mode == "traced" else cell


def _look(running: Kernel, mode: str) -> list[Seen]:
    running.run("get_ipython().reset(new_session=True)", silent=True)  # counts from 1 again
    return [running.run(_written(c, mode, "%%numguard --quiet")) for c in CELLS]


def _without_notices(seen: Seen) -> Any:
    outputs = []
    for kind, content in seen.outputs:
        if kind == "streams":
            content = {k: NOTICE.sub("", v) for k, v in content.items()}
            content = {k: v for k, v in content.items() if v}
            if not content:
                continue
        outputs.append([kind, content])
    return outputs, seen.reply


@pytest.mark.parametrize("mode", ["watched", "traced"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("method", METHODS)
def test_failing_session(failing: Kernel, expected: dict[str, list[Seen]], method: str, error: str, mode: str) -> None:
    """Whatever method of the session fails, however: one notice in all, after the cell's output, and nothing else differs."""
    failing.run(use(f"Failing(shell, {method!r}, {error})"), silent=True)
    actual = _look(failing, mode)

    assert [s.seen for s in expected[mode]] == [_without_notices(s) for s in actual]
    told = method != "start_trace" or mode == "traced"
    assert [int(told)] == [sum(len(NOTICE.findall(s.raw)) for s in actual)]
    assert all("unaffected" in n and "recording" not in n for s in actual for n in NOTICE.findall(s.raw))


@pytest.mark.parametrize(("module", "name"), stages())
def test_failing_stage(failing: Kernel, expected: dict[str, list[Seen]], module: str, name: str) -> None:
    """Whatever stage fails: the traced cells show what they show without numguard, and at most notices."""
    failing.run(
        f"%reload_ext jupyter_numguard\nimport importlib\nm = importlib.import_module({module!r})\n"
        f"def fail(*a, **k): raise ZeroDivisionError('stage')\nbuiltins.__whole__ = (m, {name!r}, m.{name})\n"
        f"m.{name} = fail\ndel m, fail, importlib",
        silent=True,
    )
    actual = _look(failing, "traced")
    failing.run("import builtins; setattr(*builtins.__whole__)", silent=True)

    assert [s.seen for s in expected["traced"]] == [_without_notices(s) for s in actual]
    assert max(len(NOTICE.findall(s.raw)) for s in actual) <= 3


def test_failing_notice() -> None:
    """Where even the notice cannot be printed, the cell still runs."""
    with kernel(use("Failing(shell, 'end_cell', ValueError('broken'))")) as running:
        running.run(
            "import sys\nclass Broken:\n    def write(self, text): raise OSError\n"
            "    def flush(self): pass\nkept, sys.stderr = sys.stderr, Broken()"
        )
        seen = running.run("1 + 1")
        running.run("sys.stderr = kept")

        assert ("2", "ok") == (seen.result, seen.reply["status"])


@pytest.mark.parametrize("line", ["%numguard status", "%numguard reset", "%numguard report", "%numguard mute x"])
def test_failing_command(line: str, failing: Kernel) -> None:
    """A command of `%numguard` whose work fails says so and is no error of the user's."""
    failing.run(use(f"Failing(shell, {line.split()[1]!r}, ValueError('broken'))"), silent=True)
    seen = failing.run(f"{line}\n'next'")

    assert ("'next'", 1) == (seen.result, len(NOTICE.findall(seen.stream("stderr"))))


def test_load_of_the_real_session_is_not_what_fails() -> None:
    """The tests above compare against cells of a kernel in which nothing fails: there is no notice then."""
    with kernel(LOAD) as running:
        assert [] == [n for s in _look(running, "traced") for n in NOTICE.findall(s.raw)]
