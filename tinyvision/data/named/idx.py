"""The idx format of MNIST and Fashion-MNIST: a header that names type and shape, then the bytes.

Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
"""

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import Dataset

# The third byte of the file names the element type; numbers are stored big-endian.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_RANK = 32  # what every NumPy since 1.0 can hold; real files have 1 to 4 dimensions
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 1 << 20

PARTS = {"train": "train", "test": "t10k"}  # our name of a part, and the files' name for it


def read_idx(path: str | Path) -> NDArray[Any]:
    """Read one idx file, gzipped or plain (told apart by content, not by name).

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    ndarray
        Shape and element type as the header says, in this machine's byte order, writable.

    Raises
    ------
    DataError
        The file is missing or unreadable, is no idx file, is truncated, or is longer than its
        header says.
    """
    path = Path(path)
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if not packed:
                return _parse(raw, path)
            with gzip.open(raw) as unpacked:
                return _parse(unpacked, path)  # type: ignore[arg-type]
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} is a damaged gzip file ({str(error).rstrip('.')}); fetch it again."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None


def _parse(file: BinaryIO, path: Path) -> NDArray[Any]:
    """Read header and elements from an open, unpacked file; ``path`` is for the messages."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in DTYPES:
        raise DataError(
            f"{path} is not an idx file: it starts with {magic.hex(' ') or 'nothing'}, "
            "but idx files start with 00 00, a type code (08 to 0e) and the number of dimensions."
        )
    dtype, rank = np.dtype(DTYPES[magic[2]]), magic[3]
    if not 1 <= rank <= MAX_RANK:
        raise DataError(f"{path}: an idx file of {rank} dimensions; expected 1 to {MAX_RANK}.")
    header = file.read(4 * rank)
    if len(header) < 4 * rank:
        raise DataError(
            f"{path} is truncated: its header should have {4 + 4 * rank} bytes, "
            f"but the file ends after {4 + len(header)}."
        )
    shape = tuple(int(size) for size in np.frombuffer(header, ">u4"))
    expected = prod(shape) * dtype.itemsize
    data = _read_at_most(file, expected + 1)  # one byte more shows a file that is too long
    if len(data) != expected:
        fault = "truncated" if len(data) < expected else "too long"
        found = f"{len(data):,}" if len(data) < expected else "more"
        raise DataError(
            f"{path} is {fault}: its header says {' x '.join(map(str, shape))} elements of "
            f"{dtype.itemsize} byte(s), {expected:,} bytes in all, but {found} follow."
        )
    values = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False)
    try:
        return values.reshape(shape)
    except ValueError:  # 0 x 4294967295 x ...: nothing, but more of it than an array can count
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{path}: an array of {sizes} is too large.") from None


def _read_at_most(file: BinaryIO, limit: int) -> bytearray:
    """Read up to ``limit`` bytes in pieces: a header that lies must not reserve its memory."""
    data = bytearray()  # writable, so that the array over it is
    while len(data) < limit:
        piece = file.read(min(CHUNK, limit - len(data)))
        if not piece:
            break
        data += piece
    return data


def load_idx_set(
    folder: str | Path, name: str, classes: tuple[str, ...]
) -> tuple[Dataset, Dataset]:
    """Load the four files of an MNIST-like set.

    Parameters
    ----------
    folder : str or Path
        Holds ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same for ``t10k``,
        each as it is or with ``.gz``.
    name : str
        The set's name.
    classes : tuple of str
        What the labels 0, 1, ... mean.

    Returns
    -------
    train, test : Dataset
        Images uint8 (N, H, W, 1).

    Raises
    ------
    DataError
        A file is missing, is no idx file of bytes, or images and labels do not fit each other.
    """
    train, test = (_load_part(Path(folder), name, part, classes) for part in PARTS)
    return train, test


def find_idx_file(folder: Path, stem: str) -> Path | None:
    """Find ``stem`` in ``folder`` under one of the names in use; None when it is not there.

    Archives in circulation write ``train-images-idx3-ubyte`` or ``train-images.idx3-ubyte``.
    """
    for spelling in (stem, stem.replace("-idx", ".idx")):
        for suffix in (".gz", ""):
            path = folder / (spelling + suffix)
            if path.is_file():
                return path
    return None


def _load_part(folder: Path, name: str, part: str, classes: tuple[str, ...]) -> Dataset:
    images_path = _require(folder, f"{PARTS[part]}-images-idx3-ubyte")
    labels_path = _require(folder, f"{PARTS[part]}-labels-idx1-ubyte")
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise DataError(
            f"{images_path} should hold bytes of shape (N, H, W), "
            f"but holds {images.dtype} of shape {images.shape}."
        )
    if labels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(
            f"{labels_path} should hold bytes of shape (N,), "
            f"but holds {labels.dtype} of shape {labels.shape}."
        )
    if len(images) != len(labels):
        raise DataError(
            f"{labels_path} has {len(labels)} labels, but {images_path.name} has "
            f"{len(images)} images; one of them belongs to another set or part."
        )
    # (N, H, W) -> (N, H, W, 1)
    return Dataset(images[..., None], labels.astype(np.int64), classes, f"{name} {part}")


def _require(folder: Path, stem: str) -> Path:
    path = find_idx_file(folder, stem)
    if path is None:
        raise DataError(f"{folder} holds no {stem} (nor {stem}.gz).")
    return path
