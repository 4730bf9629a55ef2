"""Images beside what augmentation makes of them, to be looked at."""

import numpy as np
from numpy.typing import NDArray

from ..dataset import Dataset
from ..preprocess import Preprocess
from .augment import Augment


def augmented_examples(
    dataset: Dataset, augment: Augment, versions: int = 7, seed: int = 0
) -> Dataset:
    """Return for each class an image, and behind it what the network sees in so many epochs.

    Where images are mixed, the other one is the example of another class.

    Parameters
    ----------
    dataset : Dataset
        Of which each class gives its middle image; classes without images are left out.
    augment : Augment
    versions : int
    seed : int

    Raises
    ------
    DataError
        There are no images.
    """
    preprocess = Preprocess.measure(dataset)
    members = (np.flatnonzero(dataset.labels == k) for k in range(len(dataset.classes)))
    rows = np.array([rows[len(rows) // 2] for rows in members if len(rows)], np.int64)
    images, labels = dataset.images[rows], dataset.labels[rows]
    shown = [images]
    for epoch in range(versions):
        x, _ = augment.batch(
            images, labels, preprocess, classes=len(dataset.classes), seed=seed, epoch=epoch
        )
        shown.append(_as_bytes(x, preprocess))
    # (1 + versions, rows, H, W, C) to (rows, 1 + versions, H, W, C) to one behind the other
    behind = np.stack(shown, axis=1).reshape(-1, *dataset.image_shape)
    again = np.repeat(labels, 1 + versions)
    name = f"{dataset.name}: first as it is, then augmented"
    return Dataset(behind, again, dataset.classes, name)


def _as_bytes(x: NDArray[np.float32], preprocess: Preprocess) -> NDArray[np.uint8]:
    """Undo the normalisation."""
    levels = 255 * (x * np.array(preprocess.std) + np.array(preprocess.mean))
    pixels: NDArray[np.uint8] = np.rint(np.clip(levels, 0, 255)).astype(np.uint8)
    return pixels
