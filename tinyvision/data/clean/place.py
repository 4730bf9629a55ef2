"""Where rejected images go: beside the data set, where nothing takes them for a class."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import DataError
from ..layout import REJECTED
from ..lock import exclusive

LOCK = ".lock"  # in the folder of the rejects


def rejected_folder(root: Path | str, to: Path | str | None = None) -> Path:
    """Return where the rejects of a data set go: by default ``photos.rejected`` beside ``photos``.

    Parameters
    ----------
    root : path
        The data set.
    to : path, optional
        Another folder.

    Raises
    ------
    DataError
        It lies within the data set, where it would be read as a class, or the reverse.
    """
    real = Path(root).resolve()
    folder = real.with_name(real.name + REJECTED) if to is None else Path(to)
    where = folder.resolve()
    if where == real or real in where.parents:
        raise DataError(
            f"Rejected images cannot go to {folder}: it lies in the data set {root}, where they "
            "would be read as images of a class; choose a folder beside it."
        )
    if where in real.parents:
        raise DataError(
            f"Rejected images cannot go to {folder}: the data set {root} lies in it; choose a "
            "folder of their own."
        )
    if folder.exists() and not folder.is_dir():
        raise DataError(f"Rejected images cannot go to {folder}: it is a file, not a folder.")
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder of the rejects, so that no other process moves images there or back."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / LOCK):
            if (folder / LOCK).exists():  # else who held it before has cleared the folder away
                yield
                return


def clear_away(folder: Path, journal: str) -> None:
    """Remove the folder of the rejects once nothing is aside; what others keep in it stays."""
    (folder / journal).unlink()
    with suppress(OSError):  # Windows removes no file that is open, rmdir nothing that is not empty
        (folder / LOCK).unlink()
        folder.rmdir()
