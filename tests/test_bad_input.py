"""Whatever lies in the namespace, the cell runs as if numguard were not there; what cannot be checked is named."""

from __future__ import annotations

import pytest

from .harness import Cell, run

SETUP = """
import numpy as np, torch, tensorflow as tf, warnings

class Hostile:
    def __getattr__(self, name): raise RuntimeError(f"no {name}")
    def __eq__(self, other): raise RuntimeError("no ==")
    def __hash__(self): raise RuntimeError("no hash")
    def __len__(self): raise RuntimeError("no len")
    def __iter__(self): raise RuntimeError("no iter")
    def __bool__(self): raise RuntimeError("no bool")
    def __repr__(self): raise RuntimeError("no repr")
    @property
    def data(self): raise RuntimeError("no data")

class Sub(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError("no functions")
    @property
    def grad(self): raise RuntimeError("no grad")

class Wrapped(torch.Tensor):
    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)
    def __init__(self, inner): self.inner = inner
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None): raise RuntimeError("no dispatch")

class SubArray(np.ndarray):
    def __array_finalize__(self, obj): pass
    def __array_ufunc__(self, *a, **k): raise RuntimeError("no ufunc")
"""
MAKE = {
    "hostile object": "v = Hostile()",
    "list of hostile objects": "v = [Hostile(), 1.0]",
    "list that holds itself": "v = [1.0]; v.append(v)",
    "deeply nested list": "v = [1.0]\nfor _ in range(20000): v = [v]",
    "tensor subclass that refuses functions": "v = torch.ones(3).as_subclass(Sub)",
    "wrapper subclass": "v = Wrapped(torch.ones(3))",
    "ndarray subclass that refuses ufuncs": "v = np.ones(3).view(SubArray)",
    "sparse COO": "v = torch.eye(3).to_sparse()",
    "sparse CSR": "v = torch.eye(3).to_sparse_csr()",
    "complex": "v = torch.ones(2, dtype=torch.complex64)",
    "float8": "v = torch.ones(4).to(torch.float8_e4m3fn)",
    "bfloat16": "v = torch.ones(4).bfloat16()",
    "zero size": "v = torch.empty(0, 3); w = np.empty((0,)); u = tf.zeros([0])",
    "not contiguous": "v = torch.ones(4, 6)[::2, ::3]; w = np.ones((4, 6))[::2, ::3]",
    "read only": "v = np.ones(3); v.flags.writeable = False",
    "object array": "v = np.array([1.0, None, 'x', [2.0]], dtype=object)",
    "masked array": "v = np.ma.masked_invalid([1.0, np.nan])",
    "structured array": "v = np.zeros(2, dtype=[('a', 'f4'), ('b', 'i4')])",
    "inference tensor": "with torch.inference_mode(): v = torch.ones(3)",
    "freed storage": "v = torch.ones(3); v.untyped_storage().resize_(0)",
    "meta tensor": "v = torch.empty(3, device='meta')",
    "quantised": "v = torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)",
    "nested tensor": "v = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])",
    "conjugate view": "v = torch.ones(2, dtype=torch.complex64).conj()",
    "ragged and sparse of TensorFlow": "v = tf.ragged.constant([[1.0], [2.0, 3.0]]); w = tf.sparse.eye(2)",
    "string tensor": "v = tf.constant(['a'])",
    "symbolic Keras tensor": "v = tf.keras.Input((3,))",
    "module and generator": "import math as v; w = (i for i in range(3))",
    "memory map": "import tempfile; v = np.memmap(tempfile.mktemp(), dtype='f4', mode='w+', shape=(3,)); v[:] = 1",
    "lambda with closure": "v = (lambda t: lambda: t)(torch.ones(2))",
    "numpy scalars": "v = np.float16(1), np.longdouble(2), np.complex64(1)",
    "a name that is not a string": "globals()[3] = 4.0; v = 1",
}
HOLDS_NAN = {
    "sparse COO": "v = (torch.eye(3) * float('nan')).to_sparse()",
    "complex": "v = torch.tensor([1 + 1j, complex(float('nan'), 0)])",
    "float8": "v = torch.tensor([1.0, float('nan')]).to(torch.float8_e4m3fn)",
    "bfloat16": "v = torch.tensor([1.0, float('nan')]).bfloat16()",
    "float16 numpy": "v = np.array([1.0, np.nan], dtype=np.float16)",
    "read only": "v = np.array([1.0, np.nan]); v.flags.writeable = False",
    "object array": "v = np.array([1.0, float('nan'), 'x'], dtype=object)",
    "not contiguous": "v = torch.tensor([[1.0, 2.0], [float('nan'), 3.0]]).T[:, 1:]",
    "inference tensor": "with torch.inference_mode(): v = torch.tensor([float('nan')])",
    "nested dictionary": "v = {'a': [{'b': torch.tensor(float('nan'))}]}",
    "ragged": "v = tf.ragged.constant([[1.0], [2.0, float('nan')]])",
    "structured array": "v = np.array([(float('nan'), 1)], dtype=[('a', 'f4'), ('b', 'i4')])",
    "numpy scalar": "v = np.longdouble('nan')",
    "attribute of a plain object": "class Box: pass\nv = Box(); v.t = torch.tensor([float('nan')])",
}


@pytest.fixture(scope="module", params=["watch", "trace"])
def ran(request: pytest.FixtureRequest) -> dict[str, list[Cell]]:
    """All objects, one notebook each, in one process."""
    traced = None if request.param == "trace" else []
    made = {f"finite {k}": v for k, v in MAKE.items()} | {f"NaN {k}": v for k, v in HOLDS_NAN.items()}
    notebooks = [{"cells": [SETUP, code, "after = 1 + 1"], "traced": traced} for code in made.values()]
    return dict(zip(made, run(notebooks), strict=True))


@pytest.mark.parametrize("name", MAKE)
def test_the_cell_runs_and_nothing_is_said_against_a_finite_object(name: str, ran: dict[str, list[Cell]]) -> None:
    """No error, no alarm, and no failure of numguard's own."""
    cells = ran[f"finite {name}"]

    assert [(None, [], False)] * 3 == [
        (c.error, [a["variable"] for a in c.alarms], "could not" in c.text) for c in cells
    ], [c.text for c in cells]


@pytest.mark.parametrize("name", HOLDS_NAN)
def test_a_nan_is_found_in_every_kind_of_tensor(name: str, ran: dict[str, list[Cell]]) -> None:
    """One alarm, about `v`, counted."""
    cell = ran[f"NaN {name}"][1]

    assert (None, ["v"], [1]) == (
        cell.error,
        [a["variable"][:1] for a in cell.alarms],
        [min(1, a["counts"]["nan"]) for a in cell.alarms],
    ), cell.text


@pytest.mark.parametrize("name", ["wrapper subclass", "meta tensor", "quantised", "freed storage"])
def test_what_cannot_be_checked_is_named_as_such(name: str, ran: dict[str, list[Cell]]) -> None:
    """A trace of a cell that holds it lists it under skipped, with a reason, and does not count it as finite."""
    for report in ran[f"finite {name}"][1].reports:  # a watched cell without an alarm has none
        assert ["v"] == [s["variable"] for s in report["checked"]["skipped"]]
        assert report["checked"]["skipped"][0]["reason"]


def test_a_traced_cell_always_has_a_report() -> None:
    """What the test above relies on."""
    (cell,) = run([{"cells": ["v = 1"], "traced": None}])[0]

    assert 1 == len(cell.reports)
