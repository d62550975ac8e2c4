"""A short digest of memory that differs when the values do (up to collisions, and above `SAMPLED` bytes by sample).

Up to 64 MiB every byte goes through XXH3 (xxhash), at the speed of memory: about 10 ms per 100 MB. Above that 8192 words
are looked at.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Hashable
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

SAMPLED = 64 * 1024 * 1024
_WORDS = 8192
at_address: Any = (ctypes.c_char * sys.maxsize).from_address
"""Memory from an address on, as a buffer without an end; a type per size would cost as much as a look."""


def digest(a: np.ndarray[Any, Any]) -> Hashable:
    """Digest of an ndarray without object elements; a copy is made of what is not contiguous."""
    if not a.flags.c_contiguous:
        a = a.T if a.flags.f_contiguous else np.ascontiguousarray(a) if a.nbytes <= SAMPLED else _sample(a)
    flat = a.reshape(-1).view(np.uint8)
    if flat.nbytes > SAMPLED:
        words = flat[: flat.nbytes // 8 * 8].reshape(-1, 8)
        flat = words[:: max(1, len(words) // _WORDS)].copy()
    return xxh3_64_intdigest(flat.data)


def digest_at(address: int, size: int) -> Hashable:
    """Digest of the `size` bytes at an address, which the caller keeps alive."""
    found = memory(address, size)
    return xxh3_64_intdigest(found.data) if size <= SAMPLED else digest(found)


def memory(address: int, size: int, dtype: type[np.generic] | np.dtype[Any] = np.uint8) -> np.ndarray[Any, Any]:
    """`size` numbers at an address, which the caller keeps alive; bytes unless another dtype is given.

    Not `Tensor.numpy()`: that makes the storage one that cannot be resized any more, for good.
    """
    if not size:
        return np.empty(0, dtype)
    return np.frombuffer(at_address(address), dtype, size)


def _sample(a: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array(a.flat[:: max(1, a.size // _WORDS)])
