"""A program: calls of compiled kernels, recorded once and replayed by one native call.

A small kernel computes in less time than Python takes to find it, look at its arguments and launch
it. For work that is the same every time, such as a training step on arrays that stay where they
are, all of that can be done once: launchers run while the compiled functions that they call are
noted down instead of run, each with the addresses and numbers that it is given. ::

    program = Program()
    with program.recording():
        TABLE["dense_relu"](h, x, w1, b1)
        TABLE["dense"](y, h, w2, b2)
    program.run()  # h and y, from what x, w1, b1, w2 and b2 hold now

So what a launcher does in Python depends on shapes and settings alone. Were it to compute from the
contents of arrays, a replay would not see what they hold by then.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numba
import numpy as np

from . import native
from .ahead import rehearsing
from .cache import identity, short_name
from .jit import config, entry_lock
from .noting import noting
from .scratch import Arena, borrowing_from


class _Call(NamedTuple):
    kernel: Any
    arguments: tuple[Any, ...]  # held, so that arrays stay where the record says they are
    record: native.Record | None  # none where kernels have no addresses


class Program:
    """Calls of kernels in the order in which they were recorded.

    It keeps all arrays alive that it was recorded with, and has working memory of its own, which
    its calls share. Two threads must not run the same program at the same time.

    Where kernels have no addresses (``NUMBA_DISABLE_JIT=1``, Numba's own work queue, or a version
    of Numba that :mod:`.compile_once` does not know) it calls them from Python: slower, to the
    same results.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._threads: list[int] = []
        self._usual = 1  # threads outside of launchers
        self._arena = Arena()
        self._walk: Callable[[int, int], int] | None = None  # made for the next run

    def __len__(self) -> int:
        """Count the calls."""
        return len(self._calls)

    @property
    def names(self) -> list[str]:
        """The file and name of the compiled function that each call enters."""
        return [short_name(identity(call.kernel)) for call in self._calls]

    @property
    def scratch_bytes(self) -> int:
        """Bytes of working memory."""
        return self._arena.allocated

    def mark(self) -> int:
        """Return the number of calls so far: where those of the next launcher will begin."""
        return len(self._calls)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Let the block call what will be recorded, only to learn how much working memory it needs.

        Of each name the largest is kept for the recording, where a buffer that turns out too small
        for a later call has to be left to those before it.
        """
        arena = Arena()
        with borrowing_from(arena), _instead(lambda kernel, arguments: None):
            yield
        for name, buffer in arena.buffers.items():
            self._arena.least[name] = max(buffer.size, self._arena.least.get(name, 0))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While the block runs, kernels called by this thread are noted, and compute nothing.

        A call for which the launcher has set a number of threads keeps it. Other threads compute
        as usual. If the block raises an error, nothing of it is kept. In a
        rehearsal (:mod:`.ahead`), what is called is noted there and the program stays empty.

        Raises
        ------
        TypeError
            At a call that cannot be recorded.
        """
        before, self._usual = len(self._calls), _thread_count()
        try:
            with borrowing_from(self._arena), _instead(self._note):
                yield
        except BaseException:
            del self._calls[before:], self._threads[before:]
            raise
        self._walk = None

    def _note(self, kernel: Any, arguments: tuple[Any, ...]) -> None:
        record = native.record(kernel, arguments) if native.possible() else None
        self._calls.append(_Call(kernel, arguments, record))
        threads = _thread_count()
        self._threads.append(0 if threads == self._usual else threads)

    def threads(self, start: int, stop: int, count: int) -> None:
        """Let the calls from ``start`` to ``stop`` run on so many threads; 0 stands for all.

        Results do not depend on it. For little work one is best: others would have to be woken.

        Raises
        ------
        ValueError
            There are no such calls, or Numba has not as many threads.
        """
        self._check(start, stop)
        if not 0 <= count <= config.NUMBA_NUM_THREADS:
            raise ValueError(
                f"a program can run on 1 to {config.NUMBA_NUM_THREADS} threads, or 0 for "
                f"all, not on {count}"
            )
        self._threads[start:stop] = [count] * (stop - start)
        self._walk = None

    def run(self, start: int = 0, stop: int | None = None) -> None:
        """Make the calls from ``start`` to ``stop``, by default all; Python's lock is released.

        In a rehearsal this does nothing, as kernels do.

        Raises
        ------
        ValueError
            There are no such calls.
        RuntimeError
            A kernel has raised an error; those behind it have not run.
        """
        if stop is None:
            stop = len(self._calls)
        self._check(start, stop)
        if rehearsing():
            return
        if not native.possible():
            self._run_in_python(start, stop)
            return
        if self._walk is None:
            self._walk = self._bind()
        failed = self._walk(start, stop)
        if failed != stop:
            raise RuntimeError(f"kernel {self.names[failed]}, call {failed}, has raised an error")

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= len(self._calls):
            raise ValueError(
                f"calls {start} to {stop} are not in a program of {len(self._calls)} calls"
            )

    def _bind(self) -> Callable[[int, int], int]:
        """Lay out the records, one behind the other, and the table that leads to them."""
        records = [call.record for call in self._calls if call.record is not None]
        addresses = native.trampolines(record.types for record in records)
        numbers = [number for record in records for number in record.numbers]
        self._records = np.array(numbers, np.uint64)
        lengths = [len(record.numbers) for record in records]
        starts = self._records.ctypes.data + 8 * np.cumsum([0, *lengths[:-1]])
        self._table = np.array(
            [[addresses[record.types] for record in records], starts, self._threads], np.int64
        ).T.copy()  # (calls, ROW)
        return partial(native.walker(), self._table.ctypes.data)

    def _run_in_python(self, start: int, stop: int) -> None:
        for call in self._calls[start:stop]:
            with entry_lock:
                call.kernel(*call.arguments)


def _thread_count() -> int:
    return 1 if config.DISABLE_JIT else numba.get_num_threads()


def _instead(note: Any) -> contextlib.AbstractContextManager[None]:
    """Hand this thread's calls to ``note``, unless they are being rehearsed."""
    return contextlib.nullcontext() if rehearsing() else noting(note)
