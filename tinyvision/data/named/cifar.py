"""CIFAR-10 in its binary version: records of one label byte and three 32 x 32 colour planes.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; layout under
"Binary version" on https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import Dataset

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"
ARCHIVE = "cifar-10-binary.tar.gz"
SUBFOLDER = "cifar-10-batches-bin"  # the folder inside the archive

SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE * SIDE  # bytes: the label, then red, green and blue
RECORDS = 10_000  # in each of the six files


def parse_records(data: bytes, source: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Take one batch file apart.

    Parameters
    ----------
    data : bytes
        The file's content.
    source : str
        Its name, for the message.

    Returns
    -------
    images : ndarray of uint8, shape (10000, 32, 32, 3)
    labels : ndarray of int64, shape (10000,)

    Raises
    ------
    DataError
        The file has not the 30,730,000 bytes of 10,000 records, or has a label above 9.
    """
    if len(data) != RECORDS * RECORD:
        fault = "truncated" if len(data) < RECORDS * RECORD else "too long"
        raise DataError(
            f"{source} is {fault}: it has {len(data):,} bytes, but {RECORDS:,} records of "
            f"{RECORD:,} bytes make {RECORDS * RECORD:,}."
        )
    records = np.frombuffer(data, np.uint8).reshape(RECORDS, RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CLASSES):
        raise DataError(
            f"{source} is not a CIFAR-10 batch: record {int(labels.argmax())} has the label "
            f"{labels.max()}, but there are {len(CLASSES)} classes."
        )
    planes = records[:, 1:].reshape(RECORDS, CHANNELS, SIDE, SIDE)  # (N, 3072) -> (N, C, H, W)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels  # -> (N, H, W, C)


def find_cifar10(folder: str | Path) -> Path | None:
    """Find CIFAR-10 in ``folder``: the six files, their sub-folder, or the archive; else None."""
    folder = Path(folder)
    for place in (folder, folder / SUBFOLDER):
        if any((place / name).is_file() for name in (*TRAIN_FILES, TEST_FILE)):
            return place
    archive = folder / ARCHIVE
    return archive if archive.is_file() else None


def load_cifar10(folder: str | Path) -> tuple[Dataset, Dataset]:
    """Load CIFAR-10 from a folder that holds it in its binary version.

    Parameters
    ----------
    folder : str or Path
        Holds ``data_batch_1.bin`` ... ``data_batch_5.bin`` and ``test_batch.bin``, or a
        sub-folder ``cifar-10-batches-bin`` with them, or ``cifar-10-binary.tar.gz`` (read in
        place, not unpacked).

    Returns
    -------
    train, test : Dataset
        50,000 and 10,000 images, uint8 (N, 32, 32, 3).

    Raises
    ------
    DataError
        A file is missing, truncated or damaged.
    """
    place = find_cifar10(folder)
    if place is None:
        raise DataError(f"{folder} holds neither {TRAIN_FILES[0]}, {SUBFOLDER} nor {ARCHIVE}.")
    batches = {
        name: parse_records(data, f"{place}: {name}" if place.is_file() else str(place / name))
        for name, data in (_archive_files(place) if place.is_file() else _folder_files(place))
    }
    missing = [name for name in (*TRAIN_FILES, TEST_FILE) if name not in batches]
    if missing:
        raise DataError(f"{place} is incomplete: {', '.join(missing)} is missing.")
    images, labels = zip(*(batches[name] for name in TRAIN_FILES), strict=True)
    train = Dataset(np.concatenate(images), np.concatenate(labels), CLASSES, "cifar10 train")
    return train, Dataset(*batches[TEST_FILE], CLASSES, "cifar10 test")


def _folder_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in (*TRAIN_FILES, TEST_FILE):
        if (folder / name).is_file():
            try:
                yield name, (folder / name).read_bytes()
            except OSError as error:
                raise DataError(f"{folder / name} cannot be read: {error.strerror}.") from None


def _archive_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Read the batch files straight out of the archive; nothing is written to disk."""
    wanted = {*TRAIN_FILES, TEST_FILE}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                if name not in wanted or not member.isfile():
                    continue
                if member.size > RECORDS * RECORD:  # a hostile archive must not fill the memory
                    raise DataError(f"{archive}: {name} of {member.size:,} bytes is too long.")
                file = tar.extractfile(member)
                if file is not None:  # None is for links and folders, sorted out above
                    yield name, file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{archive} is damaged ({str(error).rstrip('.')}); delete it and fetch it again."
        ) from None
