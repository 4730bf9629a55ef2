"""Random numbers: initialisation, shuffling, splits, and the stream that dropout draws from.

Every draw is named by ``(seed, purpose, step)`` and is the same on every machine, backend and
thread count; see :mod:`tinyvision_kernels.reference.random` for the generator.

What has no step of its own takes the next one of the process-wide stream: a seed and a count of the
draws so far. These two numbers are its whole state, so a run that is resumed with them draws on as
if it had never stopped.
"""

import operator
import threading
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
    return np.multiply(bits(shape, seed, purpose, step), _TO_UNIT, dtype=np.float64)


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


# --- the stream -----------------------------------------------------------------------------------

_lock = threading.Lock()
_seed, _count = 0, 0


def seed(value: int) -> None:
    """Start the stream afresh: two runs from one seed draw the same.

    Parameters
    ----------
    value : int
        In 0 .. 2^64 - 1, the generator's key.
    """
    restore((value, 0))


def state() -> tuple[int, int]:
    """Return ``(seed, count of draws so far)``, all there is to keep."""
    with _lock:
        return _seed, _count


def restore(saved: tuple[int, int]) -> None:
    """Go on where :func:`state` was asked for."""
    global _seed, _count
    value, count = (operator.index(number) for number in saved)
    if not 0 <= value < 2**64 or count < 0:
        raise ValueError(f"a seed must lie in 0 .. 2**64 - 1 and a count not below 0, got {saved}")
    with _lock:
        _seed, _count = value, count


def next_step() -> tuple[int, int]:
    """Take the next step of the stream: ``(seed, step)`` to name one draw with."""
    global _count
    with _lock:
        _count += 1
        return _seed, _count - 1
