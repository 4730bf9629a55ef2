"""Work done ahead by threads, whose results come in order.

Threads, not processes: Pillow decodes and resizes without holding Python's lock, and a thread's
batch need not be copied from one process to another. On 2 cores, 256 x 192 photos to 64 x 64: 5,070
images/s by two threads, 3,524 by two processes, 3,093 by none (``benchmarks/data_stream.py``).
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, nullcontext
from typing import Any, Generic, TypeVar

J = TypeVar("J")
R = TypeVar("R")


def prefetch(
    jobs: Iterator[J], work: Callable[[J], R], workers: int, ahead: int
) -> Generator[R, None, None]:
    """Map ``work`` over ``jobs`` in threads; yield the results in the order of the jobs.

    Jobs are taken one by one, by whichever thread is free, never by two at a time. So ``jobs`` may
    be a generator that reads a file. Which thread does a job makes no difference to its result:
    any number of workers gives the same.

    Parameters
    ----------
    jobs : iterator
        Closed in the end, if it is a generator.
    work : callable
        Called by several threads at a time.
    workers : int
        Threads; 0 does each job when its result is asked for.
    ahead : int
        The most jobs that are in work or done and not asked for yet, at least 1: what bounds the
        memory.

    Yields
    ------
    R
        What a job or ``jobs`` raised is raised in its place, and ends the generator. Whichever way
        it ends (an exception, Ctrl-C, ``close()``, or because nobody refers to it any more), the
        threads have ended when it has.
    """
    with closing(jobs) if isinstance(jobs, Generator) else nullcontext():
        if workers == 0:
            yield from map(work, jobs)
            return
        line = _Line(jobs, work, max(ahead, 1))
        # The threads know the line but not this generator, or it could never be forgotten. Daemons,
        # since a program that ends in the middle of an epoch shall not wait for them.
        threads = [
            threading.Thread(target=line.serve, name=f"tinyvision loader {i}", daemon=True)
            for i in range(workers)
        ]
        try:
            for thread in threads:
                thread.start()
            while (outcome := line.take()) is not None:
                yield outcome.value()
        finally:
            line.stop()
            for thread in threads:
                if thread.ident is not None:  # not started, when there was no memory for it
                    thread.join()


class _Outcome(Generic[R]):
    """What a job came to: a result or an exception."""

    def __init__(self, result: R | None, error: BaseException | None) -> None:
        self.result, self.error = result, error

    def value(self) -> R:
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


class _Line(Generic[J, R]):
    """What the threads share: where jobs come from, and their outcomes by number."""

    def __init__(self, jobs: Iterator[J], work: Callable[[J], R], ahead: int) -> None:
        self.jobs, self.work, self.ahead = jobs, work, ahead
        self.changed = threading.Condition()  # guards all below
        self.source = threading.Lock()  # held while a job is taken
        self.outcomes: dict[int, _Outcome[R]] = {}
        self.taken = self.given = 0
        self.ended = False  # there are no more jobs, or nobody wants them

    def serve(self) -> None:
        """Do jobs until there are no more."""
        while (numbered := self._next_job()) is not None:
            number, job = numbered
            outcome: _Outcome[R] = _attempt(self.work, job)
            del job  # or its memory would be held while waiting for the next
            with self.changed:
                self.outcomes[number] = outcome
                self.changed.notify_all()

    def _next_job(self) -> tuple[int, J] | None:
        with self.source:
            with self.changed:
                self.changed.wait_for(lambda: self.ended or self.taken - self.given < self.ahead)
                if self.ended:
                    return None
            try:
                job = next(self.jobs)
            except BaseException as error:  # StopIteration too: no more jobs
                with self.changed:
                    if not isinstance(error, StopIteration):
                        self.outcomes[self.taken] = _Outcome(None, error)
                        self.taken += 1
                    self.ended = True
                    self.changed.notify_all()
                return None
            with self.changed:
                self.taken += 1
                return self.taken - 1, job

    def take(self) -> _Outcome[R] | None:
        """Wait for the next outcome in order; None after the last."""
        with self.changed:
            self.changed.wait_for(
                lambda: self.given in self.outcomes or (self.ended and self.given == self.taken)
            )
            outcome = self.outcomes.pop(self.given, None)
            if outcome is not None:
                self.given += 1
                self.changed.notify_all()
            return outcome

    def stop(self) -> None:
        """Let the threads end after the jobs they are at."""
        with self.changed:
            self.ended = True
            self.outcomes.clear()
            self.changed.notify_all()


def _attempt(work: Callable[[Any], R], job: Any) -> _Outcome[R]:
    try:
        return _Outcome(work(job), None)
    except BaseException as error:  # raised where the result is asked for
        return _Outcome(None, error)
