"""Have kernels note how one thread calls them, and do nothing.

Python looks for ``__call__`` in the class of what is called. So for as long as kernels are to be
noted, all of them get another class; other threads find the usual ``__call__`` behind it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.registry import CPUDispatcher

from .compile_once import Kernel, applies
from .jit import KERNELS, Plain, config

Note = Callable[[Any, tuple[Any, ...]], None]  # is given a kernel and its arguments

_Usual: Any = Plain if config.DISABLE_JIT else Kernel if applies() else CPUDispatcher


class Noted(_Usual):  # type: ignore[misc]
    """A kernel that notes down how one thread calls it, and does nothing; others it serves."""

    thread = 0  # the one whose calls are noted
    notes: list[Note] = []  # noqa: RUF012  # the last one counts; a function would become a method

    def __call__(self, *arguments: Any) -> Any:
        """Hand the call to the note, or compute if it comes from another thread."""
        if threading.get_ident() != self.thread:
            return super().__call__(*arguments)
        self.notes[-1](self, arguments)
        return None


_stage = threading.RLock()  # for one thread at a time: each leaves the kernels as it found them


@contextmanager
def noting(note: Note) -> Iterator[None]:
    """While the block runs, what this thread calls is handed to ``note``; nothing is computed.

    Other threads compute as usual, but wait with blocks of their own.
    """
    with _stage:
        usual = [(kernel, kernel.__class__) for kernel in KERNELS.values()]
        Noted.thread = threading.get_ident()
        Noted.notes.append(note)
        for kernel, _ in usual:
            kernel.__class__ = Noted
        try:
            yield
        finally:
            for kernel, its_class in usual:
                kernel.__class__ = its_class
            Noted.notes.pop()
