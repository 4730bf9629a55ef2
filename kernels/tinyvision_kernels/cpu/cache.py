"""Compiled kernels on disk: one entry for each kernel and each combination of argument types.

Numba's own ``cache=True`` watches only the file of the decorated function: after an edit to a
helper in another file it goes on running the old code (Numba issue 1833). Here one hash over all
sources of this folder, the *stamp*, stands for "the code", so that any edit to any kernel is seen::

    ~/.cache/tinyvision/numba/           or numba/ in $TINYVISION_CACHE
        cpu-4f0c2a91d3e8/                an installation: two of them keep their own code
            installation.txt             where its sources lie
            9a31c07be2f45d68/            a stamp
                _convolve-0b1f....nbi    a kernel, and what it was compiled for
                _convolve-0b1f....1.nbc  its machine code

Each entry has files of its own, so that processes that compile at the same time cannot mix theirs
up. What was compiled from older sources is removed, but for the last few stamps: who goes back and
forth between two versions compiles neither again.
"""

import contextlib
import functools
import hashlib
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile, _Cache
from numba.core.compiler import CompileResult

SOURCES = Path(__file__).parent
KEPT = 2  # stamps besides the one in use
_LABEL = "installation.txt"  # only what lies in a folder with this file is ever removed


def cache_directory() -> Path:
    """Return the folder of machine code, ``numba`` in $TINYVISION_CACHE or ~/.cache/tinyvision."""
    root = os.environ.get("TINYVISION_CACHE")
    try:
        return (Path(root) if root else Path.home() / ".cache" / "tinyvision") / "numba"
    except RuntimeError as error:  # in a container, say, under a number that belongs to nobody
        raise FileNotFoundError(
            "this user has no home directory to keep compiled kernels in: set TINYVISION_CACHE"
        ) from error


@functools.cache
def source_stamp() -> str:
    """Hash every Python file of this folder: the identity of the code that the cache holds."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        content = path.read_bytes()
        # name and length come first, so that text moved from one file to the next is a change
        digest.update(f"{path.relative_to(SOURCES).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


# Now, while the kernels are imported: what is edited later is not what this process compiles.
source_stamp()


def installation_directory() -> Path:
    """Return the folder of what was compiled from the sources that lie where these do."""
    place = hashlib.sha256(str(SOURCES).encode()).hexdigest()[:12]
    return cache_directory() / f"{SOURCES.name}-{place}"


def stamp_directory() -> Path:
    """Return the folder of what was compiled from these very sources."""
    return installation_directory() / source_stamp()[:16]


class KernelCache(_Cache):
    """Where Numba's dispatcher of one function finds and leaves its machine code.

    It never stands in the way: a damaged entry counts as missing, and a disk that is full or
    read-only costs a compilation in each process, not an error.

    Parameters
    ----------
    function : callable
        The kernel.
    missing : callable
        Called with the kernel's name before each compilation that the cache cannot save.
    """

    def __init__(self, function: Callable[..., Any], missing: Callable[[str], None]) -> None:
        self._function, self._missing = function, missing

    @property
    def cache_path(self) -> str:
        """Return the folder."""
        return str(stamp_directory())

    def enable(self) -> None:
        """Do nothing: it is always enabled."""

    def disable(self) -> None:
        """Do nothing: it is always enabled."""

    def flush(self) -> None:
        """Forget nothing: ``recompile()`` writes entries anew."""

    def has(self, sig: Any, target_context: Any) -> bool:
        """Whether there seems to be an entry; nothing is loaded."""
        with contextlib.suppress(OSError):
            return Path(self._entry(sig, target_context.codegen())._index_path).exists()
        return False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the function compiled for these argument types, None if there is none."""
        target_context.refresh()  # as Numba's own caches do
        codegen = target_context.codegen()
        entry = found = None
        try:
            entry = self._entry(sig, codegen)
            data = entry.load(self._key(sig, codegen))
            found = None if data is None else CompileResult._rebuild(target_context, *data)
        except Exception:  # whatever unpickling half a file may raise
            with contextlib.suppress(OSError):
                if entry is not None:
                    entry.flush()
        if found is None:
            self._missing(self._function.__name__)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for these argument types."""
        if data.library.has_dynamic_globals:
            warnings.warn(
                f"kernel {self._function.__name__} cannot be kept on disk, as it contains an "
                "address or a large array",
                stacklevel=1,
            )
            return
        with contextlib.suppress(Exception):  # also half a file that there is no room to replace
            _prepare_directory()
            entry = self._entry(sig, data.codegen)
            entry.save(self._key(sig, data.codegen), data._reduce())

    def _entry(self, sig: Any, codegen: Any) -> IndexDataCacheFile:
        key = repr((self._key(sig, codegen), sys.implementation.cache_tag))
        digest = hashlib.sha256(key.encode()).hexdigest()[:20]
        name = f"{self._function.__name__}-{digest}"
        return IndexDataCacheFile(str(stamp_directory()), name, source_stamp())

    def _key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        # Numba would pickle what the function closes over, and a pickled helper carries a number
        # that is new in each process: such a kernel would never load. Names say as much, because
        # the bodies behind them are part of the source stamp.
        return sig, codegen.magic_tuple(), identity(self._function)


def identity(value: Any) -> str:
    """Describe a function by its name and by what it closes over, the same in every process."""
    # what a dispatcher or an intrinsic wraps, or the value itself
    function = getattr(value, "py_func", getattr(value, "_defn", value))
    if not hasattr(function, "__code__"):
        return repr(value)
    cells = ", ".join(identity(cell.cell_contents) for cell in function.__closure__ or ())
    return f"{function.__module__}.{function.__qualname__}({cells})"


def short_name(kernel: str) -> str:
    """Return the file and name in an identity: of a loop over chunks, of what it does with each."""
    innermost: str = re.findall(r"([\w.<>]+)\(\)", kernel)[-1]
    return innermost.removeprefix(f"{__package__}.")


# ----------------------------------------------------------------------------
# What is there, and what may go
# ----------------------------------------------------------------------------


def _prepare_directory() -> None:
    """Make the folder that entries are written to; where it is a new one, old ones may go."""
    folder = stamp_directory()
    if folder.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (installation_directory() / _LABEL).write_text(f"{SOURCES}\n")
    remove_stale()


def _installations() -> Iterator[Path]:
    """Yield the folders in the cache that are ours beyond doubt."""
    for label in cache_directory().glob(f"*/{_LABEL}"):
        yield label.parent


def _stamps(installation: Path) -> list[Path]:
    """List what was compiled from each state of its sources, the latest first."""
    folders = [path for path in installation.iterdir() if path.is_dir()]
    return sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)


def remove_stale() -> None:
    """Remove what was compiled from old sources, and for installations that are no more."""
    with contextlib.suppress(OSError):  # another process may be at it, too
        for installation in _installations():
            if not Path((installation / _LABEL).read_text().strip()).is_dir():
                shutil.rmtree(installation, ignore_errors=True)
        old = [path for path in _stamps(installation_directory()) if path != stamp_directory()]
        for folder in old[KEPT:]:
            shutil.rmtree(folder, ignore_errors=True)


def clear() -> None:
    """Remove all machine code, of every installation that shares this cache."""
    for installation in list(_installations()):
        shutil.rmtree(installation)


def size() -> tuple[int, int]:
    """Return how many kernels the cache holds, and their bytes; all installations together."""
    files = [path for folder in _installations() for path in folder.rglob("*") if path.is_file()]
    return sum(path.suffix == ".nbi" for path in files), sum(path.stat().st_size for path in files)
