"""Read whole sets: decoded into memory, or from the cache of decoded images."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset, Skipped
from .decoded import decoded_once
from .decoding import Form, Outcome, Stored, count_all, decode_all, refuse_tags
from .mapped import MappedImages
from .threads import Progress


@dataclass(frozen=True, eq=False)
class Reading:
    """A set that has been read.

    Parameters
    ----------
    parts : dict of str to Dataset
    rows : dict of str to ndarray of int64
        Which of a part's stored images its data set holds.
    skipped : tuple of Skipped
        The others, of all parts.
    """

    parts: dict[str, Dataset]
    rows: dict[str, NDArray[np.int64]]
    skipped: tuple[Skipped, ...]


def read(
    parts: Mapping[str, Stored],
    form: Form,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Reading:
    """Decode all parts of a set.

    Parameters
    ----------
    parts : mapping of str to Stored
    form : Form
    cache : path, optional
        The source, for which decoded images are then kept on disk; see
        :mod:`tinyvision.data.decoded`. By default they are decoded into memory.
    progress : callable, optional
        Called after each image with the images done and the images in all parts.

    Raises
    ------
    DataError
        Images with tags; a damaged shard; a cache that cannot be written.
    """
    refuse_tags(parts)
    images: NDArray[np.uint8] | MappedImages
    if cache is None:
        images, outcome = _in_memory(parts, form, progress)
    else:
        images, outcome = decoded_once(parts, form, cache, progress)
    datasets, rows, begin = {}, {}, 0
    for part, stored in parts.items():
        at = slice(*np.searchsorted(outcome.rows, (begin, begin + len(stored))).tolist())
        pixels = images.subset(at) if isinstance(images, MappedImages) else images[at]
        datasets[part] = Dataset(pixels, outcome.labels[at], stored.classes, stored.name)
        rows[part] = outcome.rows[at] - begin
        begin += len(stored)
    return Reading(datasets, rows, outcome.skipped)


def _in_memory(
    parts: Mapping[str, Stored], form: Form, progress: Progress | None
) -> tuple[NDArray[np.uint8], Outcome]:
    images = np.empty((count_all(parts), *form.shape), np.uint8)
    number = count()

    def put(image: NDArray[np.uint8]) -> None:
        images[next(number)] = image

    outcome = decode_all(parts, form, put, progress)
    return images[: len(outcome.rows)], outcome
