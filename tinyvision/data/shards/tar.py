"""The WebDataset convention: samples into a tar file, and out of it.

Source: "WebDataset Format", https://github.com/webdataset/webdataset (docs); Aizman, Maltby,
Breuel, "High Performance I/O For Large Scale Deep Learning", 2019.
"""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...errors import DataError

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
        with path.open("rb", _BUFFER) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for number, (key, members) in enumerate(_grouped(tar)):
                if number >= start:
                    yield key, {ext: _content(path, tar, member) for ext, member in members.items()}
    except FileNotFoundError:
        raise DataError(f"There is no shard {path}.") from None
    except (tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{path} is a damaged shard ({str(error).rstrip('.')}); pack or fetch it again."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def image_field(fields: Mapping[str, bytes]) -> str | None:
    """Return the extension of a sample's image; None if it has none."""
    return next((extension for extension in IMAGE_EXTENSIONS if extension in fields), None)


def _grouped(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Collect neighbouring files of one key."""
    current, members = None, dict[str, tarfile.TarInfo]()
    while (member := tar.next()) is not None:
        # tarfile remembers every member, for lookups that nobody makes here: a kilobyte each
        tar.members.clear()  # type: ignore[attr-defined]
        folder, _, name = member.name.rpartition("/")
        stem, dot, extension = name.partition(".")
        if not member.isreg() or not stem or not dot or name.startswith("__"):
            continue  # folders, hidden files, notes about the whole shard
        key = f"{folder}/{stem}" if folder else stem
        if key != current:
            if current is not None:
                yield current, members
            current, members = key, {}
        members[extension.lower()] = member
    if current is not None:
        yield current, members


def _content(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    content = b"" if file is None else file.read()
    if len(content) != member.size:
        raise DataError(
            f"{path} is cut short: {member.name} should have {member.size:,} bytes, but "
            f"{len(content):,} follow; pack or fetch it again."
        )
    return content
