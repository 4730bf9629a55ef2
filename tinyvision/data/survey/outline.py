"""Split what a survey has found as a training would, without a pixel in memory."""

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset, Splits
from ..images import ImageError
from ..resize import load_image
from ..sheet import spread
from ..split.parts import completed
from .survey import Survey


def split_outline(survey: Survey, name: str) -> Splits:
    """Split a survey's images by the seed 0, as :func:`tinyvision.data.load` does by default.

    In place of each image stand the four bytes of its position in ``survey.images``; see
    :func:`positions`.

    Raises
    ------
    DataError
        As :func:`tinyvision.data.load`: too few images to be split.
    """
    training = survey.counts["all" if "all" in survey.counts else "train"]
    classes = tuple(training)
    part_of = np.array([image.place.part for image in survey.images])
    labels = np.array([classes.index(image.place.label) for image in survey.images], np.int64)
    numbers = np.arange(len(labels), dtype=np.uint32)
    images = numbers.view(np.uint8).reshape(-1, 1, 1, 4)  # (N,) of 4 bytes to (N, 1, 1, 4)
    everything = Dataset(images, labels, classes, name)
    parts = {
        part: everything.subset(np.flatnonzero(part_of == part), name) for part in survey.counts
    }
    return completed(parts, 0.1, 0.2, seed=0)


def positions(part: Dataset) -> NDArray[np.uint32]:
    """Return which images of the survey a part of :func:`split_outline` stands for, shape (N,)."""
    return np.asarray(part.images).reshape(-1, 4).view(np.uint32)[:, 0]  # (N, 1, 1, 4) to (N,)


def some_of_each(survey: Survey, part: Dataset, per_class: int, size: tuple[int, int]) -> Dataset:
    """Load at most so many images of each class of a part, at even distances from the whole.

    What has vanished since the survey is left out.
    """
    at = positions(part)
    images, labels = [], []
    for k in range(len(part.classes)):
        rows = np.flatnonzero(part.labels == k)
        for row in spread(rows, per_class):
            try:
                with survey.open(survey.images[at[row]].place.path) as file:
                    images.append(load_image(file, size, 3, "crop"))
            except (ImageError, OSError):
                continue
            labels.append(k)
    pixels = np.stack(images) if images else np.zeros((0, *size, 3), np.uint8)
    return Dataset(pixels, np.array(labels, np.int64), part.classes, part.name)
