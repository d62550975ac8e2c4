"""What the check asks of a GPU, counted without one: launches, host reads and memory, on torch's fake tensors.

Fake CUDA tensors run no kernel, but every operation on them is seen, and each read by the host raises or is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .pairs import Row, run

N = 1000


def rows(rounds: int) -> Iterator[Row]:
    """1,000 tensors of two dtypes on one device."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    from jupyter_numguard.backends.torch import flags

    seen: list[tuple[str, int]] = []

    class Count(TorchDispatchMode):
        """Lists operations and the elements that they make."""

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            made = out if isinstance(out, (list, tuple)) else [out]
            seen.append((str(func), sum(t.numel() for t in made if isinstance(t, torch.Tensor))))
            return out

    with FakeTensorMode():
        tensors = [torch.ones(4, 5, device="cuda", dtype=(torch.float32, torch.float16)[i % 2]) for i in range(N)]
        with Count():
            probe = flags.launch(tensors)
            launched, elements = len(seen), sum(n for _, n in seen)
            early = [name for name, _ in seen if "_to_copy" in name or "_local_scalar" in name]
            reads: list[object] = []
            to_host, flags._to_host = flags._to_host, lambda t: [reads.append(t) or False] * t.numel()  # type: ignore[func-returns-value]
            try:
                flags.collect([probe])
            finally:
                flags._to_host = to_host
    # A fused reduction over a list is one launch per 110 tensors in the smallest builds of torch (facts of multi_tensor_apply).
    fused = sum(-(-N // 2 // 110) for name, _ in seen if "_foreach_norm" in name)
    others = launched - sum("_foreach_norm" in name or "device" in name for name, _ in seen)
    yield Row(f"launches for {N} tensors of 2 dtypes", fused + others, "", f"<= {N // 100 + 20}")
    yield Row("reads by the host before the cell ends", len(early), "", "<= 0")
    yield Row("reads by the host, per device", len({id(r) for r in reads}), "", "<= 1")
    yield Row("elements of temporaries, per tensor", elements / N, "", "<= 8")


if __name__ == "__main__":
    run(rows)
