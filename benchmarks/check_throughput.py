"""How near the exact finite check is to the memory: against the fastest plain reduction over the same bytes.

The limit is the fastest of `x.sum()`, `torch.dot(x, x)` and numpy's `bitwise_or.reduce` over the bytes as integers; of a strided
array, of `x.sum()` on that stride. The peer is `torch.isfinite(x).all()`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .pairs import Row, run, seconds_each

MB = 1 << 20


def _limit(x: Any) -> list[Callable[[], object]]:
    import numpy as np
    import torch

    words = x.view(torch.int16 if x.element_size() == 2 else torch.int32).numpy().view(np.uint64)
    ways: list[Callable[[], object]] = [x.sum, lambda: np.bitwise_or.reduce(words)]
    return [*ways, lambda: torch.dot(x, x)] if x.element_size() > 2 else ways


def _fastest(calls: list[Callable[[], object]], rounds: int) -> list[float]:
    """The shortest time of each, one after the other in each round."""
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            best[i] = min(best[i], seconds_each(call, at_least=0.01, repeats=1))
    return best


def rows(rounds: int) -> Iterator[Row]:
    """torch and numpy, by dtype and size; then strided, then small ones."""
    import torch

    from jupyter_numguard.backends.numpy import NumpyBackend
    from jupyter_numguard.backends.torch import TorchBackend

    torch.set_num_threads(1)
    ours, theirs = TorchBackend(), NumpyBackend()
    for size in (4 * MB, 400 * MB):
        for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
            is_wide = dtype in (torch.float32, torch.float64)
            bar = 0.8 if is_wide else 0.35 if size < 100 * MB else 0.7
            x = torch.ones(size // dtype.itemsize, dtype=dtype)
            name = f"{str(dtype).removeprefix('torch.')} {size // MB} MB"
            checks: list[Callable[[], object]] = [lambda x=x: ours.probe([x])]
            if dtype is not torch.bfloat16:
                array = x.numpy()
                checks.append(lambda a=array: theirs.probe([a]))
            few = rounds if size < 100 * MB else max(2, rounds // 3)
            times = _fastest([*checks, *_limit(x)], few)
            limit = min(times[len(checks) :])
            speed = f"{size / limit / 1e9:.0f} GB/s limit"
            yield Row(f"limit / check, torch {name}", limit / times[0], bar=f">= {bar}", note=speed)
            if dtype is not torch.bfloat16:
                yield Row(f"limit / check, numpy {name}", limit / times[1], bar=f">= {bar}", note=speed)
            if size < 100 * MB:
                [peer] = _fastest([lambda x=x: torch.isfinite(x).all().item()], 3)
                yield Row(f"isfinite(x).all() / check, torch {name}", peer / times[0], bar=">= 10")
    for dtype in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        whole = torch.ones(2 * MB, 2, dtype=dtype)
        for what, x in (("every other element", whole[:, 0]), ("transposed", torch.ones(2048, 1024, dtype=dtype).t())):
            check, plain = _fastest([lambda x=x: ours.probe([x]), x.sum], rounds)
            name = f"{str(dtype).removeprefix('torch.')}, {what}"
            yield Row(f"sum / check, torch {name}", plain / check, bar=">= 0.5")
            if dtype is torch.bfloat16:
                continue
            a = x.numpy()
            check, plain = _fastest([lambda a=a: theirs.probe([a]), a.sum], rounds)
            yield Row(f"sum / check, numpy {name}", plain / check, bar=">= 0.5")
    one, many = torch.ones(1000), [torch.ones(64) for _ in range(1000)]
    yield Row("one small tensor, torch", seconds_each(lambda: ours.probe([one])) * 1e6, "µs", "<= 5")
    array = one.numpy()
    yield Row("one small array, numpy", seconds_each(lambda: theirs.probe([array])) * 1e6, "µs", "<= 5")
    yield Row("each of 1,000 small tensors, torch", seconds_each(lambda: ours.probe(many)) * 1e3, "µs", "<= 2")
    arrays = [t.numpy() for t in many]
    yield Row("each of 1,000 small arrays, numpy", seconds_each(lambda: theirs.probe(arrays)) * 1e3, "µs", "<= 2")


if __name__ == "__main__":
    run(rows, rounds=9)
