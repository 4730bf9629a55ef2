"""What every loader hands over: images of one size with labels, and the three parts of a set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .mapped import MappedImages, joined


# eq=False here and below: == on arrays has no single truth value, so data sets compare by identity.
@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images of one size, kept as the bytes they were decoded to.

    Bytes, not floats: a quarter of the memory, and the normalisation stays one visible step
    (:class:`~tinyvision.data.preprocess.Preprocess`) that the model file records.

    Parameters
    ----------
    images : ndarray of uint8 or MappedImages, shape (N, H, W, C)
        In memory, or in a file of which only what is asked for is read.
    labels : ndarray of int64, shape (N,)
        Positions in ``classes``.
    classes : tuple of str
        Class names, in the order of the network's outputs.
    name : str
        What the set is called in reports.

    Raises
    ------
    DataError
        Wrong type or rank, images and labels of different number, a label outside the classes, a
        class name used twice.
    """

    images: NDArray[np.uint8] | MappedImages
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        _check_array(self.name, "images", self.images, np.dtype(np.uint8), "(N, H, W, C)")
        _check_array(self.name, "labels", self.labels, np.dtype(np.int64), "(N,)")
        if 0 in self.images.shape[1:]:
            raise DataError(
                f"{self.name}: images of shape {self.images.shape} have no pixels; "
                "height, width and channels must be at least 1."
            )
        if len(self.images) != len(self.labels):
            raise DataError(
                f"{self.name}: {len(self.images)} images but {len(self.labels)} labels; "
                "every image needs exactly one label."
            )
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise DataError(f"{self.name}: the class name {twice[0]!r} is used more than once.")
        outside = (self.labels < 0) | (self.labels >= len(self.classes))
        if outside.any():
            i = int(outside.argmax())
            raise DataError(
                f"{self.name}: image {i} has the label {self.labels[i]}, but there are "
                f"{len(self.classes)} classes, so labels run from 0 to {len(self.classes) - 1}."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        H, W, C = self.image_shape
        return (
            f"Dataset({self.name!r}, {len(self):,} images of {H} x {W} x {C}, "
            f"{len(self.classes)} classes)"
        )

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, (H, W, C)."""
        H, W, C = self.images.shape[1:]
        return H, W, C

    @property
    def tagging(self) -> bool:
        """Whether an image has any number of labels: never here, but in files and shards."""
        return False

    def counts(self) -> NDArray[np.int64]:
        """Images per class, shape (K,); a class without images counts 0."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def subset(
        self, indices: NDArray[np.integer] | Sequence[int], name: str | None = None
    ) -> "Dataset":
        """Return the images at ``indices``, in that order, with all classes kept.

        Parameters
        ----------
        indices : array or sequence of int, shape (M,)
            Positions in this set; a position may occur more than once.
        name : str, optional
            Name of the result; this set's own by default.

        Raises
        ------
        DataError
            A position that is not an integer from 0 to ``len(self) - 1``.
        """
        rows = np.asarray(indices)
        if rows.size == 0:
            rows = rows.reshape(-1).astype(np.int64)  # [] arrives as float64
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise DataError(
                f"{self.name}: a subset takes a list of integer positions, "
                f"got {rows.dtype} of shape {rows.shape}."
            )
        outside = (rows < 0) | (rows >= len(self))
        if outside.any():
            raise DataError(
                f"{self.name}: position {rows[outside.argmax()]} is outside the "
                f"{len(self)} images of the set."
            )
        images = self.images
        picked = images.subset(rows) if isinstance(images, MappedImages) else images[rows]
        return Dataset(picked, self.labels[rows], self.classes, name or self.name)


@dataclass(frozen=True)
class Skipped:
    """A file that was left out while loading, and why.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        One sentence.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True, eq=False)
class Splits:
    """The three parts of a data set: learn from one, choose by the second, judge by the third.

    Parameters
    ----------
    train, val, test : Dataset
        Parts with the same classes and image shape; ``val`` and ``test`` may be empty.
    skipped : tuple of Skipped
        Files that could not be read.

    Raises
    ------
    DataError
        Parts whose classes or image shapes differ.
    """

    train: Dataset
    val: Dataset
    test: Dataset
    skipped: tuple[Skipped, ...] = ()

    def __post_init__(self) -> None:
        for part in (self.val, self.test):
            if part.classes != self.train.classes:
                raise DataError(
                    f"{part.name}: its classes {part.classes} are not those of "
                    f"{self.train.name}, {self.train.classes}."
                )
            if part.image_shape != self.train.image_shape:
                raise DataError(
                    f"{part.name}: its images are {part.image_shape}, those of "
                    f"{self.train.name} are {self.train.image_shape}."
                )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, the same in all three parts."""
        return self.train.classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one image, (H, W, C), the same in all three parts."""
        return self.train.image_shape

    def whole(self, name: str) -> Dataset:
        """Return the images of all three parts as one set; those on disk stay there."""
        parts = (self.train, self.val, self.test)
        labels = np.concatenate([part.labels for part in parts])
        return Dataset(joined([part.images for part in parts]), labels, self.classes, name)


def _check_array(
    name: str, what: str, value: object, dtype: np.dtype[np.generic], shape: str
) -> None:
    """Refuse anything but an array of this dtype and of the rank that ``shape`` spells out."""
    if not isinstance(value, (np.ndarray, MappedImages)):
        raise DataError(f"{name}: {what} must be a NumPy array, got {type(value).__name__}.")
    rank = shape.strip("(,)").count(",") + 1
    if value.dtype != dtype or value.ndim != rank:
        raise DataError(
            f"{name}: {what} must be {dtype} of shape {shape}, got {value.dtype} of shape "
            f"{value.shape}."
        )
