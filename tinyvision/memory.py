"""Memory for large results, used again instead of being returned to the system.

A training step makes the same arrays again and again. Given back to the operating system and asked
for anew, each page of them costs a fault when it is first written, and zeros that nobody reads: for
a large convolution nearly as much time as computing it. So :func:`empty` lends a block of memory,
and when the array and all its views are gone, the next array of that size gets the block.
"""

from collections import deque
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALLEST = 1 << 17  # bytes; the C library keeps the memory of smaller arrays by itself
MOST_IDLE = 1 << 30  # bytes that may wait to be used again
SIZES = 8  # of blocks, between two powers of two: an eighth of a block at most lies waste
ALIGNMENT = 64  # bytes: a cache line, and the widest vector register

_Block = NDArray[np.uint8]

# Blocks that wait, by size. An array may die at any moment, in any thread, even while this module
# runs, so that every step here is a single one that nothing can interrupt.
_idle: dict[int, deque[_Block]] = {}


class _Lease:
    """Owns a block as long as an array stands on it: NumPy keeps it alive as the base of views."""

    __slots__ = ("__array_interface__", "_block")

    def __init__(self, block: _Block) -> None:
        self._block = block
        self.__array_interface__ = block.__array_interface__

    def __del__(self, idle: dict[int, deque[_Block]] = _idle, most: int = MOST_IDLE) -> None:
        # Defaults, because a module's names may be gone when the last arrays die at exit.
        block = self._block
        if block.nbytes * (len(idle.get(block.nbytes, ())) + 1) > most:
            return  # even the room of all others would not do
        kept = list(idle.items())
        room = most - sum(size * len(blocks) for size, blocks in kept) - block.nbytes
        for size, blocks in kept:
            # Blocks of other sizes make room: they may be left from work that is over, and would
            # otherwise keep out for good what the present work uses again and again.
            while room < 0 and blocks and size != block.nbytes:
                with suppress(IndexError):  # another thread has just taken the last one
                    room += blocks.popleft().nbytes
        if room >= 0:
            # the one that was used last is used first: it may still be in the cache
            idle.setdefault(block.nbytes, deque()).append(block)


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array with arbitrary content, like ``numpy.empty``, if it is large from a lease.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    dtype : dtype
        Its type.

    Returns
    -------
    ndarray
        C-contiguous. From ``SMALLEST`` bytes on it is aligned to a cache line, and its memory is
        lent again once the array and its views are gone.
    """
    kind = np.dtype(dtype)
    nbytes = prod(shape) * kind.itemsize
    if nbytes < SMALLEST:
        return np.empty(shape, kind)
    size = block_size(nbytes)
    try:
        block = _idle[size].pop()
    except LookupError:  # no such size yet, or none left
        block = _new_block(size)
    return np.ndarray(shape, kind, np.asarray(_Lease(block)))


def release() -> int:
    """Give all idle memory back to the system; return how many bytes it was."""
    released = 0
    for size, blocks in list(_idle.items()):
        released += size * len(blocks)
        blocks.clear()
    return released


def block_size(nbytes: int) -> int:
    """Round up to one of ``SIZES`` sizes between powers of two, so that similar arrays share."""
    step = max((1 << (nbytes.bit_length() - 1)) // SIZES, ALIGNMENT)
    return -(-nbytes // step) * step


def _new_block(size: int) -> _Block:
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size]
