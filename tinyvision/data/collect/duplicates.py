"""Find images that are there already: the same file, or the same picture."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..resize import resize
from .manifest import Record

# Bits of 64: pictures that differ in so few, or fewer, look the same. Of 100 photos of hands it
# finds every one again that was scaled to half or saved at quality 30; of 132,355 pairs of
# different ones, all before the same wall, it takes three for the same.
NEAR = 4
_SIDE = 32  # pixels of the reduced picture
_KEPT = 8  # frequencies in each direction
_FLAT = 2.0  # gray levels of standard deviation: what varies less shows nothing to compare


def look(gray: NDArray[np.uint8]) -> int | None:
    """Return a perceptual hash of 64 bits, which scaling and recompression hardly change.

    The picture is reduced to 32 x 32 pixels; of its discrete cosine transform the 8 x 8 lowest
    frequencies are kept, and each bit tells whether one lies above their median
    (pHash: C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010).

    Parameters
    ----------
    gray : ndarray of uint8, shape (H, W, 1)

    Returns
    -------
    int or None
        None for pictures of one plain colour, which all look the same.
    """
    small = resize(gray, (_SIDE, _SIDE), "stretch")[:, :, 0].astype(np.float64)
    if small.std() < _FLAT:
        return None
    k, i = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    cosines = np.cos(np.pi * (2 * i + 1) * k / (2 * _SIDE))  # (8, 32)
    low = (cosines @ small @ cosines.T).ravel()  # (8, 32) @ (32, 32) @ (32, 8), (8, 8) to (64,)
    bits = np.packbits(low > np.median(low))
    return int.from_bytes(bits.tobytes(), "big")


class Known:
    """The images that a collection has, by content and by look.

    Parameters
    ----------
    records : iterable of Record
        Of the manifest.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._by_content: dict[str, Record] = {}
        self._records: list[Record] = []  # those with a look
        self._looks = np.zeros(1024, np.uint64)
        for record in records:
            self.add(record)

    def add(self, record: Record) -> None:
        """Remember a stored image."""
        if record.status != "stored":
            return
        for digest in (record.sha256, record.received_sha256):
            if digest:
                self._by_content.setdefault(digest, record)
        if record.look:
            count = len(self._records)
            if count == len(self._looks):
                self._looks = np.concatenate([self._looks, np.zeros_like(self._looks)])
            self._looks[count] = int(record.look, 16)
            self._records.append(record)

    def same(self, *digests: str) -> Record | None:
        """Return the stored image that has one of these SHA-256."""
        return next((self._by_content[d] for d in digests if d in self._by_content), None)

    def similar(self, look: int | None) -> Record | None:
        """Return the stored image that looks most like this, if any is near enough."""
        if look is None or not self._records:
            return None
        differing = np.bitwise_count(self._looks[: len(self._records)] ^ np.uint64(look))
        nearest = int(differing.argmin())
        return self._records[nearest] if differing[nearest] <= NEAR else None
