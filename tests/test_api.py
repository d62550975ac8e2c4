"""numguard without a notebook: `trace()`, `check()` and `last_report()` in plain Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import jupyter_numguard
from jupyter_numguard import NumguardError, last_report, trace


def test_trace_names_variable_line_operation_and_step() -> None:
    """A loop of a script: the report is there after the block, and is the last report."""
    w = torch.full((3,), 2.0)
    with trace() as report:
        for _ in range(5):
            w = w - 1
            y = torch.sqrt(w)

    assert "nonfinite" == report.verdict
    origin = report.findings[0].origin
    assert ("y", "sqrt", "y = torch.sqrt(w)", 3, __file__, None) == (
        report.findings[0].variable,
        origin.op,
        origin.code,
        origin.occurrence,
        origin.file,
        origin.execution,
    )
    assert last_report() is not None
    assert y.isnan().all()


def test_a_finite_block_has_a_finite_report() -> None:
    """Counts say what was looked at."""
    with trace() as report:
        x = np.ones(3) / 2

    assert ("finite", ()) == (report.verdict, report.findings)
    assert report.checked.tensors >= 1
    assert 1.5 == x.sum()


def test_an_exception_passes_on_and_the_report_is_complete() -> None:
    """The locals of the failing function are in it."""

    def fail() -> None:
        h = torch.zeros(2) / torch.zeros(2)
        raise ValueError(h.shape)

    pending = trace()
    with pytest.raises(ValueError, match="2"), pending as report:
        fail()

    assert ("error", "h", "fail", "div") == (
        report.execution.status,
        report.findings[0].variable,
        report.findings[0].function,
        report.findings[0].origin.op,
    )


def test_stop_raises_at_the_first_creation() -> None:
    """`stop=True` ends the block there, with a report."""
    reached = []
    pending = trace(stop=True)
    with pytest.raises(NumguardError, match="stopped"), pending as report:  # noqa: PT012  the second line is the test
        torch.log(torch.zeros(2))
        reached.append("the line after")

    assert ([], "log") == (reached, report.findings[0].origin.op)


def test_the_report_of_an_open_block_is_refused_with_a_reason() -> None:
    """It is made when the block ends."""
    with trace() as report, pytest.raises(NumguardError, match="after the block"):
        _ = report.verdict


def test_check_finds_every_non_finite_tensor_below_an_object() -> None:
    """Paths begin with the given name."""
    found = jupyter_numguard.check({"a": [torch.ones(2), torch.tensor([1.0, float("nan")])], "b": 2.0}, "batch")

    assert [('batch["a"][1]', 1, (1,))] == [(f.variable, f.counts.nan, f.first_index) for f in found]


def test_check_of_a_finite_object_is_empty() -> None:
    """Nothing to say."""
    assert () == jupyter_numguard.check(torch.ones(3))


def test_the_caller_s_state_is_as_before() -> None:
    """numpy's error state, torch's mode stack and gradient mode."""
    from torch.overrides import _get_current_function_mode_stack

    before = np.geterr(), len(_get_current_function_mode_stack()), torch.is_grad_enabled()
    with trace():
        torch.ones(2).sum()

    assert before == (np.geterr(), len(_get_current_function_mode_stack()), torch.is_grad_enabled())


def test_a_script_can_use_it_without_ipython(tmp_path: Path) -> None:
    """In a fresh interpreter, from a file, with the text report printed."""
    script = tmp_path / "train.py"
    script.write_text(
        "import numpy as np\nfrom jupyter_numguard import trace\n"
        "def step(x):\n    return np.log(x)\n"
        "with trace() as report:\n    with np.errstate(all='ignore'):\n        y = step(np.zeros(2))\n"
        "f = report.findings[0]\nprint(f.variable, f.origin.op, f.origin.line, f.origin.function)\n"
        "import sys; print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)

    assert ["y log 4 step", "False"] == done.stdout.split("\n")[:2]
