"""Working memory of the kernels, kept between calls.

A fresh large array costs a page fault every 4 KiB when it is first written, often more time than
the kernel that fills it. So a kernel that needs working memory borrows it by name, and the next
call gets the same bytes again, whatever the last one left in them.
"""

import threading

import numpy as np
from numpy.typing import DTypeLike

from .jit import Array

ALIGNMENT = 64  # bytes: a cache line, and the widest vector register


class _Arena(threading.local):
    """Buffers of one thread: two threads that call a kernel at once must not share them."""

    def __init__(self) -> None:
        self.buffers: dict[str, Array] = {}


_arena = _Arena()


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
    needed = size * np.dtype(dtype).itemsize
    buffer = _arena.buffers.get(name)
    if buffer is None or buffer.size < needed:
        raw = np.empty(needed + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        _arena.buffers[name] = buffer = raw[start : start + needed]
    return buffer[:needed].view(dtype)
