"""Images that stay in a file: rows of an array on disk, read when they are asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedImages:
    """Some images of an array on disk, in any order.

    NumPy's own selection ``array[rows]`` reads all of them at once. Here only their positions are
    in memory, 8 bytes an image, so a split of a set that does not fit into memory stays on disk.
    ``images[3]``, ``images[10:20]`` and ``images[[5, 1]]`` read what they name, and
    ``np.asarray(images)`` everything.

    Parameters
    ----------
    array : ndarray of uint8, shape (M, H, W, C)
        Usually a ``np.memmap``.
    rows : ndarray of int64, shape (N,), optional
        Positions in ``array``; by default all of them.
    """

    def __init__(
        self, array: NDArray[np.uint8], rows: NDArray[np.integer[Any]] | None = None
    ) -> None:
        self.array = array
        self.rows = np.arange(len(array)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int | slice | NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        return np.asarray(self.array[self.rows[at]])

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return self[:] if dtype is None else self[:].astype(dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, C)."""
        return (len(self), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Type of the values."""
        return self.array.dtype

    def subset(self, rows: slice | NDArray[np.integer[Any]]) -> "MappedImages":
        """Return the images at these positions, in that order, still on disk."""
        return MappedImages(self.array, self.rows[rows])


def joined(pieces: Sequence[NDArray[np.uint8] | MappedImages]) -> NDArray[np.uint8] | MappedImages:
    """Return pieces one after the other; pieces of one array on disk stay there."""
    mapped = [piece for piece in pieces if isinstance(piece, MappedImages)]
    if len(mapped) == len(pieces) and all(piece.array is mapped[0].array for piece in mapped):
        return MappedImages(mapped[0].array, np.concatenate([piece.rows for piece in mapped]))
    return np.concatenate([np.asarray(piece) for piece in pieces])
