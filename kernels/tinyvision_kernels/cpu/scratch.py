"""Working memory of the kernels, kept between calls.

A fresh large array costs a page fault every 4 KiB when it is first written, often more time than
the kernel that fills it. So a kernel that needs working memory borrows it by name, and the next
call gets the same bytes again, whatever the last one left in them.

It comes from an *arena*: each thread has one of its own, and so has each recorded program
(:mod:`.program`), whose calls go on using what they were recorded with.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import DTypeLike

from .jit import Array

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


class Arena:
    """Buffers by name; one that has become too small is replaced by another."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}
        self.least: dict[str, int] = {}  # bytes that a buffer gets even if fewer are asked for
        self.allocated = 0  # bytes, those of replaced buffers too

    def take(self, name: str, needed: int) -> Array:
        """Return so many bytes, (needed,) uint8."""
        buffer = self.buffers.get(name)
        if buffer is None or buffer.size < needed:
            self.buffers[name] = buffer = self._allocate(max(needed, self.least.get(name, 0)))
        return buffer[:needed]

    def _allocate(self, size: int) -> Array:
        self.allocated += size
        raw = np.empty(size + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + size]


class _OfThread(threading.local):
    """The arena in use: two threads that call a kernel at once must not share one."""

    def __init__(self) -> None:
        self.arena = Arena()


_this_thread = _OfThread()


def borrow(name: str, size: int, dtype: DTypeLike) -> Array:
    """Return a flat array with arbitrary content, valid until this thread asks for ``name`` again.

    Parameters
    ----------
    name : str
        What the memory is for; different names never overlap.
    size : int
        Number of elements.
    dtype : dtype
        Their type.

    Returns
    -------
    ndarray
        Shape ``(size,)``, aligned to a cache line.
    """
    return _this_thread.arena.take(name, size * np.dtype(dtype).itemsize).view(dtype)


@contextmanager
def borrowing_from(arena: Arena) -> Iterator[None]:
    """While the block runs, this thread borrows from that arena."""
    usual, _this_thread.arena = _this_thread.arena, arena
    try:
        yield
    finally:
        _this_thread.arena = usual
