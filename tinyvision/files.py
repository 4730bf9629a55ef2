"""Writing files so that a reader finds the old file or the new one, never half of one."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to disk, and rename it.

    If anything fails (no space, no right to write, a kill), the file at ``path`` is as it was.

    Raises
    ------
    OSError
        With a sentence that names the path, the reason, and that nothing was lost.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        _flush(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        kept = " (the file that was there is intact)" if path.exists() else ""
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"cannot write {path}: {reason}{kept}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Ask the disk to hold what has been written to a file, or the names in a folder."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
