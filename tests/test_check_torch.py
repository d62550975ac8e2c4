"""The torch backend answers exactly, for every dtype, layout and kind of tensor, and leaves no trace of having looked."""

from __future__ import annotations

import gc
import math
import random
import weakref

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from jupyter_numguard.backends.torch import TorchBackend, flags, values
from jupyter_numguard.model import Counts, NonFiniteState

BACKEND = TorchBackend()
NAN, INF = math.nan, math.inf
FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
FLOAT8 = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
COMPLEX = [torch.complex32, torch.complex64, torch.complex128]
INTEGERS = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
NONFINITE = {"nan": [NAN], "posinf": [INF], "neginf": [-INF], "infs": [INF, -INF], "mix": [NAN, INF, -INF]}


def probe(*tensors: torch.Tensor) -> list[bool | None]:
    """Flags of checkable tensors, read."""
    found = BACKEND.probe(tensors)
    BACKEND.read([found])
    return found.flags


def planted(dtype: torch.dtype, kinds: list[float], where: str, n: int = 4099) -> torch.Tensor:
    """A flat tensor of ones with the values at the given position."""
    t = torch.ones(n, dtype=torch.complex64 if dtype.is_complex else torch.float32)
    start = {"first": 0, "last": n - len(kinds), "random": random.Random(n).randrange(n - len(kinds))}[where]
    t[start : start + len(kinds)] = torch.tensor(kinds)
    return t.to(dtype)


LAYOUTS = {
    "contiguous": lambda t: t,
    "strided": lambda t: torch.stack([torch.ones_like(t), t], 1)[:, 1],
    "transposed": lambda t: t[: 2 * (len(t) // 2)].reshape(2, -1).t(),
    "offset": lambda t: torch.cat([torch.ones_like(t[:5]), t])[5:],
    "expanded": lambda t: t[:, None].expand(-1, 3),
    "parameter": lambda t: t.clone().requires_grad_(),
    "scalar": lambda t: t[~torch.isfinite(t)][0] if not torch.isfinite(t).all() else t[0],
}


@pytest.mark.parametrize("where", ["first", "last", "random"])
@pytest.mark.parametrize("kinds", NONFINITE.values(), ids=NONFINITE.keys())
@pytest.mark.parametrize("dtype", FLOATS + COMPLEX, ids=str)
def test_every_planted_value_is_found(dtype: torch.dtype, kinds: list[float], where: str) -> None:
    """A single NaN, +Inf or -Inf is found in every dtype, at every position, on the host's and on the device's way."""
    t = planted(dtype, kinds, where)

    assert [True] == probe(t)
    assert [True] == probe(t[-9:] if where == "last" else t[:9]) or where == "random"
    assert NonFiniteState(any(map(math.isnan, kinds)), any(map(math.isinf, kinds))) == values.state(t)
    _, device_flags = flags._launch_on_device([(0, flags.as_real(t))])
    assert [True] == device_flags.tolist()
    counts, first = values.count(t)
    assert sum(map(math.isnan, kinds)) == counts.nan
    assert kinds.count(INF) == counts.posinf
    assert kinds.count(-INF) == counts.neginf
    assert not bool(torch.isfinite(t.to(torch.complex64) if dtype.is_complex else t.float())[first])


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_every_layout_is_read_as_it_is(dtype: torch.dtype, layout: object) -> None:
    """Strides, offsets and repeated dimensions neither hide a value nor show one of the storage that is not theirs."""
    t = layout(planted(dtype, [NAN, INF], "last"))  # type: ignore[operator]
    finite = layout(planted(dtype, [1.0], "last"))  # type: ignore[operator]
    hidden_one = torch.stack([planted(dtype, [NAN], "first"), torch.ones(4099, dtype=dtype)], 1)[:, 1]

    assert [True, False, False] == probe(t, finite, hidden_one)
    counts, first = values.count(t)
    assert int(torch.isnan(t).sum()) == counts.nan
    assert int((t == INF).sum()) == counts.posinf
    assert t.numel() == counts.size
    assert tuple(torch.nonzero(~torch.isfinite(t))[0].tolist()) == first


@pytest.mark.parametrize("n", [1, 4096, 4097, 1 << 25], ids=str)
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_no_finite_value_is_taken_for_another(dtype: torch.dtype, n: int) -> None:
    """Huge values whose sum overflows, subnormals, -0.0 and the largest finite value are finite, however many."""
    if n > 1 << 20 and dtype is torch.float64:
        n = 1 << 24 | 1
    for value in (torch.finfo(dtype).max, torch.finfo(dtype).min, torch.finfo(dtype).smallest_normal / 4, -0.0):
        t = torch.full((n,), value, dtype=dtype)

        assert [False] == probe(t)
        _, device_flags = flags._launch_on_device([(0, t[:5000])])
        assert [False] == device_flags.tolist()
        t[-1] = -INF
        assert [True] == probe(t)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_each_of_many_small_tensors_has_its_own_answer(dtype: torch.dtype) -> None:
    """Looked at together, a bad one, a huge one, an empty one or one of another dtype does not colour its neighbours."""
    tensors = [torch.full((7, 9), 1.0, dtype=dtype, requires_grad=i % 2 == 0) for i in range(150)]
    tensors[3] = torch.full((50,), torch.finfo(dtype).max, dtype=dtype)
    tensors[4] = torch.ones(0, dtype=dtype)
    tensors[5] = torch.tensor(1.0, dtype=torch.float64)
    tensors[149] = torch.tensor(-INF, dtype=torch.float32)
    for i, value in ((0, NAN), (70, INF), (71, -INF), (148, NAN)):
        tensors[i] = tensors[i].detach().clone()
        tensors[i][-1, -1] = value

    assert [0, 70, 71, 148, 149] == [i for i, flag in enumerate(probe(*tensors)) if flag]
    assert all(flag is False for i, flag in enumerate(probe(*tensors)) if i not in (0, 70, 71, 148, 149))


@pytest.mark.parametrize("dtype", FLOAT8, ids=str)
def test_float8_agrees_with_its_conversion_for_every_code(dtype: torch.dtype) -> None:
    """All 256 codes of each 8-bit format are judged as their exact float32 value is."""
    codes = torch.arange(256, dtype=torch.uint8).view(dtype)
    expected = (~torch.isfinite(codes.float())).tolist()

    assert expected == probe(*codes.split(1))
    _, device_flags = flags._launch_on_device(list(enumerate(codes.split(1))))
    assert expected == device_flags.tolist()
    assert [False] == probe(codes[torch.tensor([not e for e in expected])].reshape(-1))
    assert sum(expected) == values.count(codes)[0].num_nonfinite


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integers_are_finite(dtype: torch.dtype) -> None:
    """They are checked, without being read."""
    t = torch.ones(5, dtype=dtype)

    assert BACKEND.why_unchecked(t) is None
    assert [False] == probe(t)
    assert (Counts(5, 0, 0, 0), ()) == values.count(t)


@pytest.mark.parametrize("dtype", FLOATS + COMPLEX + FLOAT8 + INTEGERS, ids=str)
def test_the_empty_tensor_is_finite(dtype: torch.dtype) -> None:
    """No reduction runs on it: those of torch raise."""
    t = torch.ones(3, dtype=torch.uint8).to(dtype)[:0]

    assert [False] == probe(t)
    assert (Counts(0, 0, 0, 0), ()) == values.count(t)
    assert 0 == values.summarize(t).size


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr], ids=str)
def test_sparse_tensors_are_checked_in_their_stored_values(layout: torch.layout) -> None:
    """The index of the first non-finite element is that of the dense tensor."""
    dense = torch.eye(6)
    dense[4, 3], dense[2, 5] = NAN, -INF
    block = (2, 2) if layout is torch.sparse_bsr else None
    t = dense.to_sparse(layout=layout, blocksize=block)

    assert [True] == probe(t)
    assert (Counts(36, 1, 0, 1), (2, 5)) == values.count(t)
    assert [False] == probe(torch.eye(6).to_sparse(layout=layout, blocksize=block))


def test_uncoalesced_sparse_tensors_are_not_added_up() -> None:
    """Looking must not do arithmetic: two halves of an overflow are stored, the Inf is not."""
    t = torch.sparse_coo_tensor([[0, 0]], [3e38, 3e38], (2,))

    assert [False] == probe(t)


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged], ids=str)
def test_nested_tensors_are_checked(layout: torch.layout) -> None:
    """In all their parts."""
    parts = [torch.ones(2), torch.tensor([1.0, INF, 2.0])]

    assert [True] == probe(torch.nested.nested_tensor(parts, layout=layout))
    assert [False] == probe(torch.nested.nested_tensor(parts[:1], layout=layout))


def test_conjugated_and_negated_views_are_checked() -> None:
    """Lazy bits change nothing."""
    z = torch.tensor([1 + 1j, complex(0, INF)])

    assert [True, True, False] == probe(z.conj(), z.conj().imag, z.conj().imag[:1])


def test_inference_tensors_are_checked_and_fingerprinted() -> None:
    """They have no version; `_version` raises on them."""
    with torch.inference_mode():
        t = torch.zeros(3).log()

    assert [True] == probe(t)
    assert BACKEND.fingerprint(t) == BACKEND.fingerprint(t)


# --- what cannot be checked --------------------------------------------------------------------------------------------
class RaisesOnEverything(torch.Tensor):
    """Every attribute and every function raises."""

    @classmethod
    def __torch_function__(cls, *args: object, **kwargs: object) -> object:
        """Refuse."""
        raise RuntimeError("no")

    def __getattribute__(self, name: str) -> object:
        """Refuse."""
        raise RuntimeError("no")

    shape = property(lambda self: 1 / 0)  # type: ignore[assignment]


class Wrapper(torch.Tensor):
    """A tensor without storage around another, as quantisation libraries make them."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Wrapper:
        """Around `inner`."""
        out = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)
        out.inner = inner
        return out

    @classmethod
    def __torch_dispatch__(cls, *args: object, **kwargs: object) -> object:
        """Refuse."""
        raise RuntimeError("no")


def _freed() -> torch.Tensor:
    t = torch.ones(5)
    t.untyped_storage().resize_(0)
    return t


def _shrunk() -> torch.Tensor:
    t = torch.ones(5000)
    view = t[::2]
    t.untyped_storage().resize_(100)
    return view


def _fake() -> torch.Tensor:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        return torch.ones(3)


UNCHECKED = {
    "meta device: no data": lambda: torch.ones(3, device="meta"),
    "fake tensor: no data": _fake,
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "lazy parameter: no data yet": lambda: torch.nn.LazyLinear(3).weight,
    "tensor subclass Wrapper": lambda: Wrapper(torch.ones(3)),
    "its storage was freed or shrunk": _freed,
}


@pytest.mark.parametrize(("reason", "make"), UNCHECKED.items(), ids=UNCHECKED.keys())
def test_what_cannot_be_read_is_named_and_every_verb_survives_it(reason: str, make: object) -> None:
    """It is never said to be finite, and asking for its facts does not raise."""
    t = make()  # type: ignore[operator]
    # Into plain values first: pytest prints the arguments of a failed assertion, which for a freed tensor is a crash.
    why, size, sample = BACKEND.why_unchecked(t), BACKEND.nbytes(t), BACKEND.copy_sample(t, 1 << 20)
    keys = BACKEND.key(t), BACKEND.fingerprint(t)
    again = BACKEND.key(t), BACKEND.fingerprint(t)
    framework, numbers, state = BACKEND.info(t).framework, BACKEND.summarize(t), values.state(t)

    assert reason == why
    assert keys == again
    assert ("torch", None, None) == (framework, numbers.nan, sample)
    assert NonFiniteState(False, False) == state
    assert size >= 0


def test_a_storage_that_is_too_short_is_never_read() -> None:
    """A view of a storage that was shrunk would be read beyond its end."""
    why = BACKEND.why_unchecked(_shrunk())

    assert "its storage was freed or shrunk" == why


def test_a_subclass_with_memory_is_checked_without_its_methods() -> None:
    """A class that raises on every access is looked at as plain memory."""
    t = torch.tensor([1.0, NAN, INF]).as_subclass(RaisesOnEverything)

    assert BACKEND.owns(t)
    assert BACKEND.why_unchecked(t) is None
    assert [True] == probe(t)
    assert (Counts(3, 1, 1, 0), (1,)) == values.count(t)
    assert (3,) == values.info(t).shape
    assert NonFiniteState(True, True) == values.state(t)
    assert [] == list(BACKEND.children(t) or ())


# --- no trace ----------------------------------------------------------------------------------------------------------
def test_looking_is_invisible() -> None:
    """No mode of the user sees an operation, no version moves, no graph grows, nothing warns."""

    class Seen(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.append(func)
            return func(*args, **(kwargs or {}))

    class SeenFunctions(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.append(func)
            return func(*args, **(kwargs or {}))

    seen: list[object] = []
    t = torch.randn(50, 50, requires_grad=True)
    y = (t * NAN).detach().requires_grad_()
    version = y._version
    with Seen(), SeenFunctions():
        for x in (t, y, y.data.to_sparse()):
            seen.clear()
            BACKEND.why_unchecked(x)
            probe(x)
            values.state(x), values.count(x), values.summarize(x), values.key(x), values.info(x), values.alive(x)
            BACKEND.fingerprint(x), BACKEND.nbytes(x), list(BACKEND.children(x) or ())
            assert [] == seen
    assert version == y._version
    assert y.grad_fn is None


def test_a_value_inside_vmap_and_grad_is_read() -> None:
    """functorch's wrappers are opened, and the transform goes on."""
    seen = []

    def f(x: torch.Tensor) -> torch.Tensor:
        y = torch.log(x)
        seen.append((values.state(y), values.key(y), values.count(y)[0].neginf))
        return y.exp().sum()

    out = torch.func.vmap(torch.func.grad(f))(torch.tensor([[0.0, -1.0]]).repeat(3, 1))

    assert (3, 2) == tuple(out.shape)
    assert NonFiniteState(True, True) == seen[0][0]
    assert 3 == seen[0][2]


def test_nothing_is_kept_alive() -> None:
    """Not by a key, a fingerprint, a probe or the answer whether it lives; that answer turns false when it dies."""
    t = torch.zeros(100).log()
    gone = weakref.ref(t)
    lives = values.alive(t)
    held = [BACKEND.key(t), BACKEND.fingerprint(t), BACKEND.probe([t]), BACKEND.summarize(t), BACKEND.info(t)]
    assert lives()
    view = t[3:]
    del t
    assert lives()  # a view holds the memory
    del view
    gc.collect()

    assert gone() is None
    assert not lives()
    assert 5 == len(held)


def test_memory_that_moved_is_not_alive() -> None:
    """After `resize_` the old address belongs to somebody else."""
    t = torch.ones(10)
    lives = values.alive(t)
    t.untyped_storage().resize_(1 << 22)

    assert not lives()


def test_views_and_numpy_share_a_key() -> None:
    """All host memory has one kind of key: the address of its storage."""
    t = torch.ones(4, 4)

    assert values.key(t) == values.key(t[2:].t()) == values.key(torch.from_numpy(t.numpy()))
    assert ("mem", "cpu", t.untyped_storage().data_ptr()) == values.key(t.detach().requires_grad_())
    assert values.key(t) != values.key(t.clone())
    assert values.key(torch.empty(0)) != values.key(torch.ones(0))


# --- numbers -----------------------------------------------------------------------------------------------------------
def test_a_summary_has_the_numbers_of_the_finite_values() -> None:
    """Extremes, zeros and exponents leave the non-finite values out."""
    s = values.summarize(torch.tensor([0.0, -8.0, 3.0, NAN, INF, -INF, 1e-45]), "x")

    assert ("x", 7, -8.0, 3.0, 8.0, 1, 1, 1, 1) == (
        s.variable, s.size, s.min, s.max, s.absmax, s.zeros, s.nan, s.posinf, s.neginf
    )  # fmt: skip
    assert s.exponents is not None
    assert -149 == s.exponents.first
    assert 3 - -149 + 1 == len(s.exponents.counts)
    assert (1, 1, 1) == (s.exponents.counts[0], s.exponents.counts[-1], s.exponents.counts[1 + 149])


@pytest.mark.parametrize("dtype", FLOATS + FLOAT8 + COMPLEX + INTEGERS, ids=str)
def test_every_dtype_has_a_summary(dtype: torch.dtype) -> None:
    """Of every value once."""
    s = values.summarize(torch.ones(3, 4).to(dtype))

    assert (12, 1.0, 0, 0) == (s.size, s.absmax, s.nan, s.zeros)
    assert s.exponents is not None
    assert (0, (12,)) == (s.exponents.first, s.exponents.counts)


def test_a_repeated_dimension_counts_without_being_read() -> None:
    """A thousand million elements of four bytes take no time."""
    t = torch.tensor([[1.0], [NAN]]).expand(2, 1 << 29)

    assert [True] == probe(t)
    assert (Counts(1 << 30, 1 << 29, 0, 0), (1, 0)) == values.count(t)
    assert 8 == BACKEND.nbytes(t)


def test_pieces_cover_a_tensor_in_order() -> None:
    """Whatever its shape, each element is in one piece, and no piece is larger than asked."""
    t = torch.arange(2 * 1 * 7 * 5).reshape(2, 1, 7, 5)
    covered = []
    for start, piece in values.pieces(t, 6):
        assert piece.numel() <= 6
        assert int(t[start]) == int(piece.reshape(-1)[0])
        covered += piece.reshape(-1).tolist()

    assert list(range(t.numel())) == covered


def test_a_sample_is_a_private_copy() -> None:
    """On the host, of the same dtype, ready for a graph of its own; or nothing if it is too large."""
    t = torch.randn(10, 10, requires_grad=True)
    copy = BACKEND.copy_sample(t, 400)

    assert copy is not None
    assert torch.equal(t, copy)
    assert copy.requires_grad and copy.is_leaf  # noqa: PT018
    assert values.key(t) != values.key(copy)
    assert BACKEND.copy_sample(t, 399) is None
    assert BACKEND.copy_sample(torch.ones(1).expand(200), 400) is None


def test_a_sample_of_an_inference_tensor_can_take_a_gradient() -> None:
    """A rewrite is differentiated on it."""
    with torch.inference_mode():
        copy = BACKEND.copy_sample(torch.ones(3), 400)

    assert copy is not None
    copy.requires_grad_().sum().backward()
    assert [1.0, 1.0, 1.0] == copy.grad.tolist()


@pytest.mark.parametrize(
    "transform", [torch.func.grad, lambda f: torch.func.vmap(torch.func.grad(f))], ids=["grad", "vmap"]
)
def test_a_sample_taken_inside_a_transform_outlives_it(transform: object) -> None:
    """It is a tensor like any other: functorch's wrappers die with the transform."""
    samples = []

    def f(x: torch.Tensor) -> torch.Tensor:
        samples.append(BACKEND.copy_sample(x, 400))
        return (x * x).sum()

    x = torch.ones(3, 2)
    gradient = transform(f)(x)  # type: ignore[operator]

    assert torch.equal(2 * x, gradient)
    assert not torch._C._functorch.is_functorch_wrapped_tensor(samples[0])
    assert torch.equal(x, samples[0])


def test_hooks_are_no_bookkeeping() -> None:
    """They may write to anything; a module's empty tables of hooks are left out."""
    module = torch.nn.Linear(1, 1)
    before = set(BACKEND.bookkeeping(module))
    module.register_forward_hook(lambda *_: None)

    assert "_forward_hooks" in before
    assert "_forward_hooks" not in BACKEND.bookkeeping(module)
