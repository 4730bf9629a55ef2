"""Host-side random numbers: initialisation, shuffling, splits.

Every draw is named by ``(seed, purpose, step)`` and is the same on every machine, backend and
thread count; see :mod:`tinyvision_kernels.reference.random` for the generator.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.reference.random import random_bits

_TO_UNIT = 2.0**-32  # a 32-bit word to [0, 1)


def purpose_of(name: str) -> int:
    """Map a readable purpose ("shuffle", "init conv1.w") to the generator's 32-bit number."""
    return zlib.crc32(name.encode())


def bits(shape: int | Sequence[int], seed: int, purpose: str, step: int = 0) -> NDArray[np.uint32]:
    """Uniform 32-bit words of the given shape."""
    out = np.empty(shape, np.uint32)
    random_bits(np, out, out.size, seed, purpose_of(purpose), step)
    return out


def uniform(
    shape: int | Sequence[int], seed: int, purpose: str, step: int = 0
) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), float64 with 32 random bits."""
    return bits(shape, seed, purpose, step) * _TO_UNIT


def normal(
    shape: int | Sequence[int], seed: int, purpose: str, step: int = 0
) -> NDArray[np.float64]:
    """Standard normal numbers by the Box-Muller transform (1958): two uniforms make one normal."""
    dims = (shape,) if isinstance(shape, int) else tuple(shape)
    u = uniform((2, *dims), seed, purpose, step)
    radius = np.sqrt(-2.0 * np.log(1.0 - u[0]))  # 1 - u lies in (0, 1], where the log is finite
    return np.asarray(radius * np.cos(2.0 * np.pi * u[1]))


def permutation(n: int, seed: int, purpose: str, step: int = 0) -> NDArray[np.int64]:
    """Return the numbers 0 .. n-1 in random order: sort them by random keys, ties by index."""
    high, low = bits((2, n), seed, purpose, step)  # 64 bits a key: ties are next to impossible
    keys = (high.astype(np.uint64) << np.uint64(32)) | low
    return np.argsort(keys, kind="stable").astype(np.int64)
