"""Work on many images in a few threads, with results in order and progress shown."""

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Progress = Callable[[int, int], object]  # called with (files done, files in all)

_AHEAD = 16  # items for each thread that wait to be worked on, or to be read

T = TypeVar("T")
R = TypeVar("R")


def in_threads(
    work: Callable[[T], R], items: Sequence[T], progress: Progress | None = None
) -> Generator[R, None, None]:
    """Map a function over items in a few threads and yield its results in order.

    Threads suffice: Pillow decodes and resizes without holding Python's lock. They are a few items
    ahead of the reader and no more, whatever the number of items. An interrupt drops what has not
    been started.
    """
    workers = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        ahead: deque[Future[R]] = deque()
        coming = iter(items)
        for done in range(1, len(items) + 1):
            for item in islice(coming, _AHEAD * workers - len(ahead)):
                ahead.append(pool.submit(work, item))
            yield ahead.popleft().result()
            if progress is not None:
                progress(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)
