"""The digest by which a change of contents is known: any byte, anywhere, in any memory layout."""

from __future__ import annotations

import numpy as np
import pytest

from jupyter_numguard.backends.digest import SAMPLED, digest, digest_at

SIZES = [1, 7, 1_000, 64 * 1024 + 3, 1_000_003]


@pytest.mark.parametrize("size", SIZES)
def test_every_byte_counts(size: int) -> None:
    """First, last and in between."""
    a = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    before = digest(a)
    for at in {0, size // 2, size - 1}:
        a[at] ^= 1
        assert before != digest(a)
        a[at] ^= 1
    assert before == digest(a)


def test_exchanged_blocks_are_a_change() -> None:
    """Rows that were shuffled hold the same words in another place."""
    a = np.arange(4 * 1021 * 64, dtype=np.float64).reshape(-1, 1021)
    assert digest(a) != digest(a[::-1].copy())


def test_the_layout_does_not_matter_to_a_change() -> None:
    """Transposed and strided arrays are read in full; the same memory has one digest by address and by array."""
    a = np.random.default_rng(0).normal(size=(300, 200))
    for view in (a, a.T, a[::2, ::3]):
        before = digest(view)
        view[-1, -1] += 1
        assert before != digest(view)
    assert digest(a) == digest_at(a.ctypes.data, a.nbytes)


def test_above_its_limit_it_is_a_sample() -> None:
    """A write to all of a large array is a change; one to a single element need not be."""
    a = np.zeros(SAMPLED // 8 + 1_000)
    before = digest(a)
    a += 1
    assert before != digest(a)
