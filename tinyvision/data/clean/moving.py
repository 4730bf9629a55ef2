"""Move one file, within a disk or to another, so that a kill at any moment loses nothing."""

import errno
import hashlib
import os
import shutil
from pathlib import Path

from ...errors import DataError
from ...files import flush_folder


def move(source: Path, target: Path) -> None:
    """Move a file to where nothing is yet.

    On one disk that is a renaming, which is done or not done. To another disk a copy is made under
    a hidden name, brought to the disk, compared and renamed; only then the original goes. Killed
    before that, both are there, which :func:`is_moved` recognises.

    Raises
    ------
    OSError
        The source is as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "there is a file of that name", str(target))
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _carry(source, target)
    flush_folder(target.parent)


def is_moved(source: Path, target: Path) -> bool:
    """Tell whether the target is a whole copy on another disk: all but the original's removal."""
    try:
        here, there = source.stat(), target.stat()
        return (
            here.st_dev != there.st_dev
            and here.st_size == there.st_size
            and digest(source) == digest(target)
        )
    except OSError:
        return False


def unfinished(target: Path) -> Path:
    """Return what a copy to a target is called until it is whole.

    The same in every run, so the next one writes over what a killed one has left; and hidden, so
    nobody takes it for an image.
    """
    return target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _carry(source: Path, target: Path) -> None:
    copy = unfinished(target)  # on the target's disk, so that renaming reaches it
    try:
        shutil.copy2(source, copy)
        with copy.open("rb+") as file:
            os.fsync(file.fileno())
        if digest(copy) != digest(source):
            raise DataError(f"{source} was changed while it was copied to {target}.")
        copy.rename(target)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    flush_folder(target.parent)
    source.unlink()  # its verified copy is on the other disk
