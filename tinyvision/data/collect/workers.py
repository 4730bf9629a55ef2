"""Do many jobs in a few threads that an interrupt does not have to wait for."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # jobs a thread that may wait: enough to keep it busy, few enough to hold in memory


def in_workers(
    work: Callable[[T], R], jobs: Iterable[T], workers: int, stop: Callable[[], None]
) -> Generator[R, None, None]:
    """Map a function over jobs and yield its results as they come.

    Unlike those of a ThreadPoolExecutor the threads are daemons: a name server that is silent for
    minutes holds neither an interrupt nor the end of the program.

    Parameters
    ----------
    work : callable
        Its exceptions are raised here.
    jobs : iterable
        Read in this thread, a little ahead of the work.
    workers : int
    stop : callable
        Called when it ends early; it should make ``work`` return soon.
    """
    waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[R | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        while (job := waiting.get()) is not None:
            try:
                done.put((work(job), None))
            except BaseException as error:
                done.put((None, error))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    under_way, source, ended = 0, iter(jobs), False
    finished = False
    try:
        while under_way or not ended:
            while not ended and under_way < _AHEAD * workers:
                try:
                    waiting.put(next(source))
                    under_way += 1
                except StopIteration:
                    ended = True
            if under_way:
                result, error = done.get()
                under_way -= 1
                if error is not None:
                    raise error
                yield result  # type: ignore[misc]  # R, as there is no error
        finished = True
    finally:
        if not finished:
            while not waiting.empty():  # nobody shall begin what has not been begun
                try:
                    waiting.get_nowait()
                except queue.Empty:
                    break
            stop()
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join(timeout=2)
