"""Map decoded images into memory; decode them where they are not there."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ...errors import DataError
from ...files import flush_folder, write_atomically
from ..decoding import Form, Outcome, Stored, count_all, decode_all
from ..download import cache_dir
from ..lock import exclusive
from ..mapped import MappedImages
from ..threads import Progress
from .header import Header, above_files, fingerprint_of, stem_of

WAY_OUT = "make room, let TINYVISION_CACHE name another folder, or do without the cache"


@dataclass(frozen=True)
class Place:
    """Where the images of a source lie, decoded to a form."""

    folder: Path
    stem: str

    @property
    def images(self) -> Path:
        """The images."""
        return self.folder / f"{self.stem}.npy"

    @property
    def header(self) -> Path:
        """What is known of them."""
        return self.folder / f"{self.stem}.json"

    @property
    def lock(self) -> Path:
        """What is locked while they are decoded."""
        return self.folder / f"{self.stem}.lock"

    @property
    def temporary(self) -> Path:
        """A new name for the images while they are written."""
        return self.folder / f"{self.stem}.{secrets.token_hex(4)}.part"

    def clear(self) -> None:
        """Remove the images, their header, and what a killed process has left."""
        left = (f"{self.stem}.*.part", f".{self.stem}.json.*")  # the latter by write_atomically
        for path in (self.header, self.images, *(p for of in left for p in self.folder.glob(of))):
            path.unlink(missing_ok=True)


def decoded_folder() -> Path:
    """Return the folder of decoded images."""
    return cache_dir() / "decoded"


def decoded_once(
    parts: Mapping[str, Stored], form: Form, source: Path, progress: Progress | None = None
) -> tuple[MappedImages, Outcome]:
    """Decode all images of a source, unless that was done before.

    Parameters
    ----------
    parts : mapping of str to Stored
        All parts of the source.
    form : Form
    source : path
    progress : callable, optional
        Called after each image that is decoded with the images done and the images in all parts.

    Returns
    -------
    images : MappedImages
        Read-only; of all parts, one after the other.
    outcome : Outcome

    Raises
    ------
    DataError
        There is no room or no right to write; a shard is damaged.
    """
    place = Place(decoded_folder(), stem_of(source, form))
    fingerprint = fingerprint_of(parts, source)
    found = _open(place, parts, form, source, fingerprint)
    if found is not None:
        return found
    with _explained(place.folder):
        place.folder.mkdir(parents=True, exist_ok=True)
        with exclusive(place.lock):
            # another process may have been faster
            found = _open(place, parts, form, source, fingerprint)
            if found is not None:
                return found
            place.clear()
            outcome = _decode(place, parts, form, source, fingerprint, progress)
            if len(outcome.rows) == 0:
                return MappedImages(np.empty((0, *form.shape), np.uint8)), outcome
        found = _open(place, parts, form, source, fingerprint)
    if found is None:
        raise DataError(
            f"{place.images} was changed or removed as soon as it was written; load the data again."
        )
    return found


def _open(
    place: Place, parts: Mapping[str, Stored], form: Form, source: Path, fingerprint: str
) -> tuple[MappedImages, Outcome] | None:
    """Map the images that are there; None where they are not, or not those of the source."""
    header = Header.read(place.header)
    if header is None or header.fingerprint != fingerprint:
        return None
    try:
        with place.images.open("rb") as file:  # one file from here on, whatever is renamed
            if not header.fits(os.fstat(file.fileno())):
                return None
            npy.read_magic(file)
            shape, _, dtype = npy.read_array_header_1_0(file)
            if shape != (header.count, *form.shape) or dtype != np.uint8:
                return None
            images = np.memmap(file, np.uint8, "r", offset=file.tell(), shape=shape)
    except (OSError, ValueError):
        return None
    rows = np.delete(np.arange(count_all(parts)), [at for at, _ in header.skipped])
    above = above_files(source)  # as it is written now
    skipped = tuple(replace(file, path=str(Path(above, file.path))) for _, file in header.skipped)
    return MappedImages(images), Outcome(rows, _labels(parts, rows, header), skipped)


def _labels(
    parts: Mapping[str, Stored], rows: NDArray[np.int64], header: Header
) -> NDArray[np.int64]:
    """Return the labels as they are now, for a list's may have been corrected since."""
    if header.labels is not None:
        return np.array(header.labels, np.int64)
    known = [labels for stored in parts.values() if (labels := stored.labels_known()) is not None]
    return np.concatenate(known)[rows]


def _decode(
    place: Place,
    parts: Mapping[str, Stored],
    form: Form,
    source: Path,
    fingerprint: str,
    progress: Progress | None,
) -> Outcome:
    """Decode all images to a temporary file, and give it its name when it is complete."""
    total = count_all(parts)
    _refuse_if_full(place.folder, total * int(np.prod(form.shape)))
    temporary = place.temporary
    try:
        with temporary.open("xb") as file:
            # as many images as there may be: the header leaves room for any other number
            _write_npy_header(file, total, form)
            outcome = decode_all(parts, form, lambda image: file.write(image.tobytes()), progress)
            file.seek(0)
            _write_npy_header(file, len(outcome.rows), form)
            file.flush()
            os.fsync(file.fileno())
        stat = temporary.stat()
        if len(outcome.rows):
            temporary.replace(place.images)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    left_out = np.setdiff1d(np.arange(total), outcome.rows).tolist()
    above = above_files(source)
    named = [replace(file, path=file.path.removeprefix(above)) for file in outcome.skipped]
    known = all(stored.labels_known() is not None for stored in parts.values())
    header = Header(
        source=str(source.resolve()),
        fingerprint=fingerprint,
        count=len(outcome.rows),
        labels=None if known else tuple(outcome.labels.tolist()),
        skipped=tuple(zip(left_out, named, strict=True)),
        bytes=stat.st_size,
        mtime_ns=stat.st_mtime_ns,
    )
    if header.count:
        flush_folder(place.folder)
        write_atomically(place.header, header.to_json().encode())
    return outcome


def _write_npy_header(file: BinaryIO, count: int, form: Form) -> None:
    shape = (count, *form.shape)
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _refuse_if_full(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"Decoded, the images take {needed / 1e9:,.1f} GB, and {folder} has room for "
            f"{free / 1e9:,.1f} GB; {WAY_OUT}."
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"Decoded images cannot be kept in {folder} ({error.strerror or error}); {WAY_OUT}."
        ) from error
