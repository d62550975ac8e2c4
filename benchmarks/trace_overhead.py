"""What `%%numguard` costs while a cell trains: the whole of it, against plain and against what torch itself offers.

The peers do less: `detect_anomaly` finds NaN in gradients only, `DebugMode` only lists the operations. The floor is the least
that any trace of this kind does: it reads each result, each gradient and each parameter once, and knows neither lines nor names.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import programs
from .pairs import Row, interleaved, ratio, run

STEPS = 20  # in one traced cell


def _repeat(step: programs.Step, number: int) -> None:
    for _ in range(number):
        step()


def _floor(step: programs.Step, number: int) -> None:
    import torch
    from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
    from torch.overrides import TorchFunctionMode

    read, unseen = torch.Tensor.sum, torch._C.DisableTorchFunction

    def gradients(sent: tuple[torch.Tensor | None, ...], _: object) -> None:
        with unseen():
            for g in sent:
                if g is not None:
                    read(g).item()

    class Mode(TorchFunctionMode):  # type: ignore[misc]  # torch's types are not followed
        """Reads each float result."""

        def __torch_function__(self, func: object, types: object, args: object = (), kwargs: object = None) -> object:
            result = func(*args, **(kwargs or {}))  # type: ignore[operator, misc, dict-item]
            if type(result) is torch.Tensor:
                with unseen(), torch.no_grad():
                    if result.is_floating_point() and not result._is_view():
                        read(result).item()
                        if result.grad_fn is not None:
                            result.grad_fn.register_hook(gradients)
            return result

    inside = []  # a step of an optimizer, whose many calls are not looked at

    def before(*_: object) -> None:
        inside.append(unseen())
        inside[-1].__enter__()

    def after(optimizer: torch.optim.Optimizer, *_: object) -> None:
        inside.pop().__exit__(None, None, None)
        with unseen(), torch.no_grad():
            for group in optimizer.param_groups:
                for p in group["params"]:
                    read(p).item()

    handles = [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]
    try:
        with Mode():
            _repeat(step, number)
    finally:
        for handle in handles:
            handle.remove()


def torch_rows(rounds: int) -> Iterator[Row]:
    """MLP, CNN and transformer."""
    import torch
    from torch.utils._debug_mode import DebugMode

    import jupyter_numguard

    torch.set_num_threads(1)
    for name, make in programs.TORCH.items():
        step = make()

        def plain(step: programs.Step = step) -> None:
            _repeat(step, STEPS)

        def traced(step: programs.Step = step) -> None:
            with jupyter_numguard.trace():
                _repeat(step, STEPS)

        def anomaly(step: programs.Step = step) -> None:
            with torch.autograd.detect_anomaly(check_nan=True):
                _repeat(step, STEPS)

        def debug(step: programs.Step = step) -> None:
            for _ in range(STEPS):  # one after another: it keeps what it lists
                with DebugMode():
                    step()

        def floor(step: programs.Step = step) -> None:
            _floor(step, STEPS)

        variants = {"plain": plain, "trace": traced, "anomaly": anomaly, "debug": debug, "floor": floor}
        times = interleaved(variants, rounds)
        found = {n: ratio(times, n, "plain") for n in variants}
        peers = f"detect_anomaly {found['anomaly']:.2f}, DebugMode {found['debug']:.2f}"
        each = min(times["plain"]) / STEPS * 1e3
        yield Row(
            f"trace / plain, torch {name}",
            found["trace"],
            bar="<= 1.25",
            note=f"{peers}; floor {found['floor']:.2f}; {each:.1f} ms a step",
        )
        yield Row(f"trace / detect_anomaly, torch {name}", ratio(times, "trace", "anomaly"), bar="<= 1")


def numpy_rows(rounds: int) -> Iterator[Row]:
    """A loop of small operations."""
    import jupyter_numguard

    step = programs.numpy_mlp()

    def traced() -> None:
        with jupyter_numguard.trace():
            _repeat(step, 300)

    times = interleaved({"plain": lambda: _repeat(step, 300), "trace": traced}, rounds)
    yield Row("trace / plain, numpy MLP", ratio(times, "trace", "plain"), bar="<= 1.05")


def rows(rounds: int) -> Iterator[Row]:
    """All."""
    yield from torch_rows(rounds)
    yield from numpy_rows(rounds)


if __name__ == "__main__":
    run(rows)
