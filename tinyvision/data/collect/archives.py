"""Read the images of a zip or tar archive without unpacking it.

An archive never gets to write where it likes: its names are only read to tell classes, every image
is stored under a name made here, and links, devices and names that lead outside are refused one by
one. What unpacks to far more than it has, a decompression bomb, ends the reading.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, cast

from ...errors import DataError
from ..answers import RefusedError
from ..layout import is_ignored, is_ignored_folder
from .local import Found, label_of, member_url, places
from .outcome import DAMAGED, BombError
from .wanted import Wanted

FREE = 256_000_000  # bytes that may be unpacked whatever the archive's size
RATIO = 200  # times the archive's size: images are compressed already, even bitmaps shrink less


_OPENERS: dict[bytes, Callable[..., Any]] = {  # by how a file begins
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


def is_archive(path: Path) -> bool:
    """Tell by its content whether a file is a zip or a tar archive."""
    try:
        if zipfile.is_zipfile(path):
            return True
        with _unpacked_tar(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
            return tar.next() is not None
    except (OSError, DataError, *DAMAGED):
        return False


def members(path: Path, licence: str | None) -> Iterator[Found]:
    """Yield the files of an archive; each can be opened until the next one is asked for.

    Raises
    ------
    DataError
        The archive is damaged from here on, or a bomb (BombError).
    """
    read = _zip_members if zipfile.is_zipfile(path) else _tar_members
    try:
        yield from read(path, licence)
    except BombError:
        raise
    except (OSError, *DAMAGED) as error:  # of gzip and bz2, damage is an OSError
        raise DataError(f"{path} is damaged or cut short: {error}.") from None


def _zip_members(path: Path, licence: str | None) -> Iterator[Found]:
    meter = _Meter(path)
    with zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        found = _judged(path, [(e.filename, _zip_problem(e)) for e in entries], licence)
        for entry, item in zip(entries, found, strict=True):
            if item is not None:
                yield replace(item, open=partial(_opened_member, archive, entry, meter))


def _opened_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, meter: "_Meter") -> BinaryIO:
    return meter.read(archive.open(entry))


def _zip_problem(entry: zipfile.ZipInfo) -> str | None:
    mode = entry.external_attr >> 16  # of files made on Unix
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    return None


def _tar_members(path: Path, licence: str | None) -> Iterator[Found]:
    # Twice from the front: first the names, which tell the classes, then the content.
    names: list[tuple[str, str | None]] = []
    with (
        suppress(OSError, *DAMAGED),  # which ends the second reading at the same place
        _unpacked_tar(path) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for entry in tar:
            if not entry.isdir():
                names.append((entry.name, _tar_problem(entry)))
    found = iter(_judged(path, names, licence))
    with _unpacked_tar(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            if not entry.isdir() and (item := next(found, None)) is not None:
                yield replace(item, open=partial(_opened, tar, entry))


def _opened(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> BinaryIO:
    return cast(BinaryIO, tar.extractfile(entry))  # None is for what is no file


def _tar_problem(entry: tarfile.TarInfo) -> str | None:
    if not entry.isreg() or entry.issparse():
        return "is a link, a device or has holes, and is no plain file"
    return None


def _judged(
    archive: Path, names: list[tuple[str, str | None]], licence: str | None
) -> list[Found | None]:
    """Give the members their places; None for what is passed over by its name."""
    paths = [PurePosixPath(name.replace("\\", "/")) for name, _ in names]
    ignored = [
        is_ignored(path.name)
        or any(is_ignored_folder(part) for part in path.parent.parts if part != "..")
        for path in paths
    ]
    outside = [_leads_outside(path) for path in paths]
    place = places([p for p, i, o in zip(paths, ignored, outside, strict=True) if not i and not o])
    judged: list[Found | None] = []
    times: Counter[str] = Counter()
    for (name, problem), ignore, out in zip(names, ignored, outside, strict=True):
        if ignore:
            judged.append(None)
            continue
        folder, trouble = ("", "has a name that leads outside the archive") if out else next(place)
        times[name] += 1  # an archive may hold several files of one name: each has its address
        url = member_url(archive, name if times[name] == 1 else f"{name} ({times[name]})")
        wanted = Wanted(url, label_of(folder), licence, folder)
        why = problem or trouble
        judged.append(Found(wanted, problem=RefusedError(why) if why else None))
    return judged


def _leads_outside(path: PurePosixPath) -> bool:
    return not path.parts or path.is_absolute() or ".." in path.parts or ":" in path.parts[0]


class _Meter:
    """Counts what is unpacked of an archive, over all its members."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.most = max(FREE, RATIO * path.stat().st_size)
        self.done = 0

    def count(self, size: int) -> None:
        self.done += size
        if self.done > self.most:
            raise BombError(
                f"{self.path} unpacks to more than {self.most:,} bytes, as a decompression bomb "
                "does; the rest of it is left."
            )

    def read(self, stream: IO[bytes]) -> BinaryIO:
        """Return the stream with its reading counted."""
        return cast(BinaryIO, _Metered(stream, self))


class _Metered:
    """The part of a file that tarfile and we use: read and close."""

    def __init__(self, stream: IO[bytes], meter: _Meter) -> None:
        self._stream, self._meter = stream, meter

    def read(self, size: int = -1) -> bytes:
        piece = self._stream.read(size)
        self._meter.count(len(piece))
        return piece

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> "_Metered":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def _unpacked_tar(path: Path) -> Iterator[BinaryIO]:
    """Open a tar archive, whatever it is compressed with, and count what comes out."""
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        opener = next((o for magic, o in _OPENERS.items() if head.startswith(magic)), None)
        if opener is None:
            yield file
        else:
            with _Meter(path).read(opener(file)) as stream:
                yield stream
