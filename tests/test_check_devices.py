"""On a device the check launches a few fused reductions and reads once; proved on fake CUDA tensors, without a GPU.

Under `FakeTensorMode` every operation runs for its shapes only and any hidden read of a value raises. It proves structure,
not speed and not values: those of the device's way are proved in test_check_torch.py, on the host.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from jupyter_numguard.backends.base import Probe
from jupyter_numguard.backends.torch import flags


class Seen(TorchDispatchMode):
    """Lists operations with the devices of their arguments; device-to-host copies apart."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[str] = []
        self.reads: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        """Note and go on."""
        name = str(func)
        devices = {str(t.device) for t in torch.utils._pytree.tree_leaves(args) if isinstance(t, torch.Tensor)}
        assert len(devices) <= 1, f"{name} mixes {devices}"
        if name.startswith("aten._to_copy") and str((kwargs or {}).get("device")) == "cpu":
            self.reads += devices
        elif not name.startswith(("prim.device", "aten.detach", "aten.permute", "aten.view")):  # these launch nothing
            self.ops.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """A fake CUDA machine with two devices; what was copied to the host is read as "all finite"."""

    def to_host(group: torch.Tensor) -> list[bool]:
        return [False] * group.to("cpu").numel()

    monkeypatch.setattr(flags, "_to_host", to_host)
    with FakeTensorMode(), Seen() as mode:
        yield mode


def tensors(n: int, device: str = "cuda:0", dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """`n` small tensors on a fake device."""
    return [torch.empty(4, 5, device=device, dtype=dtype) for _ in range(n)]


def test_launches_do_not_grow_with_the_number_of_tensors(seen: Seen) -> None:
    """A thousand parameters of one dtype cost as many operations as one does, and no read."""
    ops = []
    for n in (1, 1000):
        group = tensors(n)
        seen.ops.clear()
        probe = flags.launch(group)
        ops.append(list(seen.ops))
        assert [None] * n == probe.flags

    assert ops[0] == ops[1]
    assert 1 == ops[1].count("aten._foreach_norm.Scalar")
    assert len(ops[1]) <= 4
    assert [] == seen.reads


def test_each_dtype_is_its_own_group(seen: Seen) -> None:
    """Mixed dtypes would lose the fused kernel; so would one strided tensor among dense ones."""
    mixed = tensors(300) + tensors(300, dtype=torch.bfloat16) + tensors(300, dtype=torch.float64)
    mixed += [torch.empty_strided((4, 3), (6, 2), device="cuda:0") for _ in range(2)]
    mixed += [torch.empty_strided((4, 5), (1, 4), device="cuda:0") for _ in range(300)]  # transposed
    seen.ops.clear()
    probe = flags.launch(mixed)

    assert 4 == seen.ops.count("aten._foreach_norm.Scalar")
    assert len(seen.ops) <= len(mixed) / 100 + 8
    flags.collect([probe])
    assert ["cuda:0"] == seen.reads
    assert [False] * len(mixed) == probe.flags


def test_all_probes_of_a_cell_are_read_with_one_copy_per_device(seen: Seen) -> None:
    """Twenty statements, two devices: two copies, and each flag finds its place."""
    probes = [flags.launch(tensors(3) + tensors(2, "cuda:1") + [torch.empty(0, device="cuda:0")]) for _ in range(20)]
    assert [] == seen.reads
    flags.collect(probes)

    assert ["cuda:0", "cuda:1"] == sorted(seen.reads)
    assert [[False] * 6] * 20 == [p.flags for p in probes]
    assert all(p.pending == [] for p in probes)


def test_flags_find_their_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    """However dtypes, devices and probes are interleaved, the flag that is read belongs to the tensor it is of."""
    nan, one = torch.tensor([float("nan")]), torch.ones(1)
    cases = [[one, nan.half(), nan, one.double()], [nan.double(), one], [one.half()], [nan.to(torch.float8_e5m2), one]]
    probes = []
    for case in cases:
        found = Probe([None] * len(case), [])
        found.pending = [flags._launch_on_device(list(enumerate(case)))]
        probes.append(found)
    flags.collect(probes)

    assert [[bool(t.float().isnan()) for t in case] for case in cases] == [p.flags for p in probes]


def test_complex_float8_and_integers_stay_on_their_device(seen: Seen) -> None:
    """They take no read of their own either; integers and empty tensors take no operation at all."""
    odd = tensors(2, dtype=torch.complex64) + tensors(2, dtype=torch.float8_e4m3fn)
    seen.ops.clear()
    probe = flags.launch(odd)
    assert [None] * 4 == probe.flags
    assert [] == seen.reads
    flags.collect([probe])
    assert ["cuda:0"] == seen.reads

    plain = [*tensors(5, dtype=torch.int64), torch.empty(0, device="cuda")]
    seen.ops.clear()
    assert [False] * 6 == flags.launch(plain).flags
    assert [] == seen.ops


def test_nothing_is_launched_while_a_graph_is_captured(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation of ours would become part of the user's CUDA graph; the flags stay unknown."""
    monkeypatch.setattr(flags, "_is_capturing", lambda device: device.type == "cuda")
    group = tensors(3)
    seen.ops.clear()
    probe = flags.launch(group)
    flags.collect([probe])

    assert [None] * 3 == probe.flags
    assert ([], []) == (seen.ops, seen.reads)


def test_users_tensors_are_not_written(seen: Seen) -> None:
    """Versions stay where they were."""
    group = tensors(10)
    before = [t._version for t in group]
    flags.collect([flags.launch(group)])

    assert before == [t._version for t in group]
