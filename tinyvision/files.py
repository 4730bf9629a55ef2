"""Reading many small files; writing so that a reader finds the old file or the new, never half."""

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path


def read_file(path: str) -> bytes:
    """Return a file's content, by as few calls of the system as will do.

    Each of them gives Python's lock away; where several threads read, it is then another's, and to
    get it back takes longer than reading a small file does.

    Raises
    ------
    OSError
        It cannot be opened or read.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        pieces, left = [], os.fstat(file).st_size
        while left > 0 and (piece := os.read(file, left)):
            pieces.append(piece)
            left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    finally:
        os.close(file)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file beside ``path``, flush it to disk, and rename it to ``path``.

    If anything fails (no space, no right to write, a kill), the file at ``path`` is as it was.

    Parameters
    ----------
    path : path
        Its folder is made where it is missing; a symbolic link is followed.
    content : bytes

    Raises
    ------
    OSError
        With a sentence that names the path and the reason, and says whether an old file is intact.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not (target.is_file() or target.is_dir()):
            # renaming would put a file in the place of /dev/null, for everybody on the machine
            raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
        try:
            _write(temporary, content)
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        flush_folder(target.parent)
    except OSError as error:
        raise _explained(error, path) from error


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # the new name must not reach the disk before the content


def flush_folder(folder: Path) -> None:
    """Ask the disk to hold the names in a folder, which renaming alone leaves in memory."""
    if os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explained(error: OSError, path: Path) -> OSError:
    """Return an error of the same kind whose text is a sentence about ``path``."""
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError):  # what mkdir says when a file stands in the way
        reason = f"{path.parent} is a file, not a folder"
    kept = ""
    with suppress(OSError):
        kept = " (the file that was there is intact)" if path.is_file() else ""
    explained = type(error)(f"cannot write {path}: {reason}{kept}")
    explained.errno = error.errno
    return explained
