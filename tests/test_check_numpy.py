"""What the numpy and pandas backends say of values: exact flags, counts, identity, and nothing of it seen by the user."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_numguard.backends.numpy import NumpyBackend, dense
from jupyter_numguard.backends.pandas import PandasBackend

BACKEND = NumpyBackend()
ml_dtypes = pytest.importorskip("ml_dtypes")


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """A warning that a check makes fails the test: checks are silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def flag(value: Any) -> bool:
    """The backend's flag of one tensor."""
    (only,) = BACKEND.probe([value]).flags
    assert isinstance(only, bool)
    return only


FLOATS = [
    *("float16", "float32", "float64", "longdouble", "complex64", "complex128", ">f2", ">f4", ">f8"),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e5m2),
]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [1, 7, 40_000])
def test_every_float_dtype_is_checked_exactly(dtype: Any, value: float, size: int) -> None:
    """One NaN, +Inf or -Inf anywhere is found in every floating dtype; the largest finite values are not."""
    a = np.ones(size, dtype=dtype)
    if a.dtype.kind == "f" and a.dtype.isnative and a.dtype.itemsize > 1:
        a[:] = np.finfo(a.dtype).max  # the square of it overflows in the screen
        a[::2] = np.finfo(a.dtype).min
    assert flag(a) is False
    a[size // 2] = value
    assert flag(a) is True
    assert flag(a[::-1]) is True
    counts, first = BACKEND.count(a)
    assert (counts.size, counts.nan, counts.posinf, counts.neginf) == (
        size, int(value != value), int(value == np.inf), int(value == -np.inf),
    )  # fmt: skip
    assert first == (size // 2,)


@pytest.mark.parametrize("size", [1, 300, 40_000])
def test_the_screen_neither_warns_nor_calls_a_handler(size: int) -> None:
    """Squares that overflow in it are told to nobody, whatever the user set; the state is the user's own afterwards."""
    heard: list[object] = []
    arrays = [np.full(size, x) for x in (1e300, 5e-324, -0.0, 1.0)]
    with np.errstate(all="call", call=lambda *a: heard.append(a)):
        before = np.geterr(), np.geterrcall()
        several = BACKEND.probe([*arrays, np.full(size, -np.inf, "f4"), np.zeros(0)]).flags
        alone = [flag(a) for a in arrays]
        after = np.geterr(), np.geterrcall()
    with np.errstate(all="raise"):
        assert [False] * 4 == [flag(a) for a in arrays]

    assert [False, False, False, False, True, False] == several
    assert [False] * 4 == alone
    assert [] == heard
    assert before == after


def test_a_one_byte_float_without_inf_is_checked() -> None:
    """float8_e4m3fn has NaN only; its largest finite value, whose exponent bits are all set, is finite."""
    a = np.array([448.0, -448.0, 1.0], dtype=ml_dtypes.float8_e4m3fn)
    assert flag(a) is False
    a[2] = np.nan
    assert flag(a) is True


@pytest.mark.parametrize(
    "finite",
    [
        np.arange(3), np.array([True]), np.array(["nan", "inf"]), np.array(["NaT"], dtype="datetime64[s]"),
        np.zeros((0, 3)), np.array([], dtype=object), np.array([None, "nan", 3], dtype=object), np.float32(1), np.int8(2),
        np.array([1, 2], dtype=ml_dtypes.int4),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_or_is_not_nonfinite_is_finite(finite: Any) -> None:
    """Integers, text, NaT, empty arrays and objects that are no numbers are no alarm."""
    assert flag(finite) is False
    assert BACKEND.why_unchecked(finite) is None
    assert BACKEND.count(finite)[0].num_nonfinite == 0


def test_nested_forms_are_looked_into() -> None:
    """Structured fields, elements of object arrays and 0-d arrays are checked; the index leads to the element."""
    records = np.zeros(3, dtype=[("name", "U3"), ("x", "f4"), ("w", "f8", (2,))])
    assert flag(records) is False
    records["w"][1, 0] = np.inf
    assert flag(records) is True
    objects = np.array([1.0, "a", np.zeros(2)], dtype=object)
    assert flag(objects) is False
    objects[2] = np.array([0.0, np.nan])
    assert BACKEND.count(objects)[1] == (2,)
    assert flag(np.array(np.nan)) is True
    assert BACKEND.count(np.float32("inf"))[1] == ()


def test_masked_elements_do_not_count_and_this_is_said() -> None:
    """Only unmasked elements are checked, and the dtype says that some are masked."""
    a = np.ma.MaskedArray([1.0, np.nan, 3.0], mask=[False, True, False])
    assert flag(a) is False
    assert "masked" in BACKEND.info(a).dtype
    a.mask[1] = False
    assert flag(a) is True
    assert BACKEND.summarize(np.ma.MaskedArray([1.0, np.nan, -3.0], mask=[False, True, False])).absmax == 3.0


class Loud(np.ndarray):
    """A subclass whose every protocol raises."""

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        """Must not be called by a check."""
        raise AssertionError("the subclass's code was run")

    __array_function__ = __array_ufunc__
    __getitem__ = __array_ufunc__

    @property
    def base(self) -> Any:
        """Must not be read by a check."""
        raise AssertionError("the subclass's code was run")


def test_no_code_of_a_subclass_is_run() -> None:
    """Check, count, summary, key and fingerprint of a hostile subclass read its memory only."""
    a = np.ndarray.view(np.array([1.0, np.nan]), Loud)
    assert BACKEND.owns(a)
    assert flag(a) is True
    assert BACKEND.count(a)[1] == (1,)
    assert BACKEND.summarize(a).nan == 1
    assert BACKEND.key(a) == BACKEND.key(np.ndarray.view(a, np.ndarray))
    assert BACKEND.fingerprint(a) is not None


def test_read_only_strided_and_mapped_memory_is_checked(tmp_path: Any) -> None:
    """Non-contiguous, Fortran-ordered, read-only and memory-mapped arrays are checked and not written."""
    a = np.zeros((300, 300))
    a[299, 1] = np.nan
    a.flags.writeable = False
    for view in (a, a.T, a[:, 1:2], np.asfortranarray(a)):
        assert flag(view) is True
    assert flag(a[:, 2:]) is False
    mapped = np.memmap(tmp_path / "m", dtype="f4", mode="w+", shape=(5,))
    mapped[3] = np.inf
    assert flag(mapped) is True


def test_views_share_a_key_and_copies_do_not() -> None:
    """The key is the owner's address: equal for views, for torch.from_numpy of an owner, different for a copy."""
    a = np.zeros(10)
    assert BACKEND.key(a) == BACKEND.key(a[3:]) == BACKEND.key(a[::-1].reshape(2, 5))
    assert BACKEND.key(a) != BACKEND.key(a.copy())
    assert BACKEND.key(a) == ("mem", "cpu", a.ctypes.data)


def test_a_fingerprint_moves_with_the_values() -> None:
    """An in-place change of a small array changes its fingerprint; reading does not."""
    a = np.zeros(8)
    before = BACKEND.fingerprint(a)
    a.sum()
    assert BACKEND.fingerprint(a) == before
    a[5] = 1
    assert BACKEND.fingerprint(a) != before


def test_a_summary_measures_the_finite_part() -> None:
    """Extremes, zeros and exponents are of the finite values; the others are counted."""
    s = BACKEND.summarize(np.array([0.0, 3.0, -8.0, np.nan, np.inf, -np.inf, 0.5], dtype=np.float32), "x")
    assert ("x", "float32", (7,), -8.0, 3.0, 8.0, 1, 1, 1, 1) == (
        s.variable, s.dtype, s.shape, s.min, s.max, s.absmax, s.zeros, s.nan, s.posinf, s.neginf,
    )  # fmt: skip
    assert s.exponents is not None
    assert (s.exponents.first, s.exponents.counts) == (-1, (1, 0, 1, 0, 1))
    z = BACKEND.summarize(np.array([3 + 4j, complex("nan")]))
    assert (z.absmax, z.min, z.nan) == (5.0, None, 1)


def test_the_error_state_and_the_filters_are_untouched() -> None:
    """A check leaves numpy's error state, its call object and the warning filters as they were."""

    def mine(kind: str, flag: int) -> None:
        raise AssertionError("our check signalled to the user")

    filters = list(warnings.filters)
    with np.errstate(all="call", call=mine):
        big = np.full(100_000, 1e200)
        assert flag(big) is False
        BACKEND.summarize(np.array([np.nan, 1e300, 0.0]))
        assert (np.geterr()["over"], np.geterrcall()) == ("call", mine)
    assert filters == list(warnings.filters)


def test_only_numpy_values_are_owned() -> None:
    """Python's numbers, text and time scalars belong to others; a float64 scalar is numpy's."""
    assert BACKEND.owns(np.float64(1))
    assert BACKEND.owns(np.zeros(1))
    assert BACKEND.owns(ml_dtypes.bfloat16(1))
    assert not any(map(BACKEND.owns, (1.0, 1, "a", None, np.str_("a"), np.datetime64("NaT"), [np.zeros(1)])))


def test_large_arrays_are_looked_at_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and first index are right across the borders of pieces."""
    monkeypatch.setattr(dense, "_CHUNK", 5)
    a = np.zeros((4, 3))
    a[2, 1] = a[3, 2] = np.nan
    counts, first = BACKEND.count(a.T.copy().T)
    assert (counts.nan, first) == (2, (2, 1))


# --- pandas -----------------------------------------------------------------------------------------------------------------
def test_float_columns_are_shown_as_the_user_types_them() -> None:
    """Float, complex and object columns, the float index, extension and sparse columns; no integer or text column."""
    frame = pd.DataFrame(
        {
            "a": [0.0, np.nan], "n": [1, 2], "s": ["x", "y"], 3: [1.0, 2.0], "o": pd.Series([np.inf, "z"], dtype=object),
            "F": pd.array([1.0, None], dtype="Float64"), "sp": pd.arrays.SparseArray([0.0, np.inf]),
        },
        index=[0.5, np.inf],
    )  # fmt: skip
    found = {suffix: flag(values) for suffix, values in PandasBackend().children(frame) or ()}
    assert found == {'["a"]': True, "[3]": False, '["o"]': True, '["F"]': False, '["sp"]': True, ".index": True}


def test_a_missing_value_is_no_number_but_a_nan_beside_it_is() -> None:
    """pd.NA under the mask counts as finite, whatever lies under it; a NaN that is not masked does not."""
    missing, mask = pd.Series(pd.array([0.0, None], dtype="Float64")), np.array([False, True])
    present = pd.Series(pd.arrays.FloatingArray(np.array([np.nan, 0.0]), mask))
    flags = [flag(values) for column in (missing, present) for _, values in PandasBackend().children(column) or ()]
    assert flags == [False, True]


def test_columns_of_one_block_are_variables_of_their_own_and_not_copied() -> None:
    """Two columns have two stable keys, and the arrays shown are the frame's memory."""
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": [2.0, 3.0]})
    (_, a), (_, b) = PandasBackend().children(frame) or ()
    assert BACKEND.key(a) != BACKEND.key(b)
    assert BACKEND.key(a) == BACKEND.key(next(iter(PandasBackend().children(frame) or ()))[1])
    assert np.shares_memory(a, frame["a"].to_numpy())


def test_repeated_labels_are_named_by_position() -> None:
    """Where two columns have one label, the label names neither."""
    frame = pd.DataFrame([[1.0, np.nan]], columns=["x", "x"])
    assert [".iloc[:, 0]", ".iloc[:, 1]"] == [suffix for suffix, _ in PandasBackend().children(frame) or ()]
