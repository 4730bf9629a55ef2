"""The WebDataset convention: samples into a tar file, and out of it.

Source: "WebDataset Format", https://github.com/webdataset/webdataset (docs); Aizman, Maltby,
Breuel, "High Performance I/O For Large Scale Deep Learning", 2019.
"""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

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
    try:
        with path.open("rb", _BUFFER) as file:
            yield from _grouped(file, path, start)
    except FileNotFoundError:
        raise DataError(f"There is no shard {path}.") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def image_field(fields: Mapping[str, bytes]) -> str | None:
    """Return the extension of a sample's image; None if it has none."""
    return next((extension for extension in IMAGE_EXTENSIONS if extension in fields), None)


def _grouped(file: BinaryIO, path: Path, start: int) -> Iterator[tuple[str, Fields]]:
    """Collect neighbouring files of one key."""
    current, fields, number = None, Fields(), 0
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
            current, fields = key, Fields()
        if number >= start:
            fields[extension.lower()] = _content(file, path, name, size)
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
