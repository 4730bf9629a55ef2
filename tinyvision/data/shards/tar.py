"""The WebDataset convention: samples into a tar file, and out of it.

Source: "WebDataset Format", https://github.com/webdataset/webdataset (docs); Aizman, Maltby,
Breuel, "High Performance I/O For Large Scale Deep Learning", 2019.
"""

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from ...errors import DataError
from .members import read_members

IMAGE_EXTENSIONS = (
    "jpg",
    "jpeg",
    "png",
    "webp",
    "gif",
    "bmp",
    "tif",
    "tiff",
    "ppm",
    "pgm",
    "avif",
    "ico",
    "jp2",
    "qoi",
)

_BUFFER = 1 << 20  # bytes read ahead

Fields = dict[str, bytes]  # extension to content

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a file lies in a shard: its first byte, and how many there are."""

    start: int
    size: int


def add_sample(tar: tarfile.TarFile, key: str, fields: Mapping[str, bytes]) -> None:
    """Append a sample's files to an open tar.

    Times, owners and rights are left out, so that equal samples make equal bytes.
    """
    for extension, content in fields.items():
        member = tarfile.TarInfo(f"{key}.{extension}")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))


def read_samples(path: Path, start: int = 0) -> Iterator[tuple[str, Fields]]:
    """Yield key and files of the samples of a shard, from number ``start`` on.

    What is passed over is not read, but for its headers.

    Raises
    ------
    DataError
        The shard is missing, damaged or cut short.
    """
    yield from _walk(path, start, _content)


def locate_samples(path: Path) -> Iterator[tuple[str, tuple[Fields, dict[str, Span]]]]:
    """Yield key, files and images of the samples of a shard; images are only located, not read.

    Raises
    ------
    DataError
        The shard is missing or damaged.
    """

    def take(file: BinaryIO, path: Path, name: str, size: int) -> bytes | Span:
        if name.rpartition(".")[2].lower() in IMAGE_EXTENSIONS:
            return Span(file.tell(), size)
        return _content(file, path, name, size)

    for key, found in _walk(path, 0, take):
        fields = {name: value for name, value in found.items() if isinstance(value, bytes)}
        images = {name: value for name, value in found.items() if isinstance(value, Span)}
        yield key, (fields, images)


def _walk(
    path: Path, start: int, take: Callable[[BinaryIO, Path, str, int], T]
) -> Iterator[tuple[str, dict[str, T]]]:
    try:
        with path.open("rb", _BUFFER) as file:
            yield from _grouped(file, path, start, take)
    except FileNotFoundError:
        raise DataError(f"There is no shard {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def image_field(fields: Mapping[str, object]) -> str | None:
    """Return the extension of a sample's image; None if it has none."""
    return next((extension for extension in IMAGE_EXTENSIONS if extension in fields), None)


def _grouped(
    file: BinaryIO, path: Path, start: int, take: Callable[[BinaryIO, Path, str, int], T]
) -> Iterator[tuple[str, dict[str, T]]]:
    """Collect neighbouring files of one key, of each what ``take`` makes of it."""
    current: str | None = None
    fields: dict[str, T] = {}
    number = 0
    for name, size in read_members(file, path):
        folder, _, base = name.rpartition("/")
        stem, dot, extension = base.partition(".")
        if not stem or not dot or base.startswith("__"):
            continue  # hidden files, notes about the whole shard
        key = f"{folder}/{stem}" if folder else stem
        if key != current:
            if current is not None:
                if number >= start:
                    yield current, fields
                number += 1
            current, fields = key, {}
        if number >= start:
            fields[extension.lower()] = take(file, path, name, size)
    if current is not None and number >= start:
        yield current, fields


def _content(file: BinaryIO, path: Path, name: str, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise DataError(
            f"{path} is cut short: {name} should have {size:,} bytes, but {len(content):,} follow; "
            "pack or fetch it again."
        )
    return content
