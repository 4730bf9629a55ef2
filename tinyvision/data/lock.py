"""One process at a time: a lock on a file, released even when its holder is killed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def _acquire(file: IO[bytes]) -> None:
        while True:
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                return
            except OSError:  # it gives up after ten seconds
                continue

else:
    import fcntl

    def _acquire(file: IO[bytes]) -> None:
        with suppress(OSError):  # a file system without locks: go on as before there were any
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait until no other process or thread holds ``path``, then hold it.

    Parameters
    ----------
    path : Path
        A file made for this purpose; it is created where it is missing.

    Raises
    ------
    OSError
        The file cannot be created.
    """
    with path.open("ab") as file:
        _acquire(file)
        yield  # closing the file releases the lock
