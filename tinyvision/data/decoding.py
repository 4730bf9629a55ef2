"""Decode all images of a set in order, whatever they are stored as and wherever they go."""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .dataset import Skipped
from .images import check_channels
from .resize import Fit, check_fit, check_size
from .threads import Progress

Decoded = tuple[int, NDArray[np.uint8] | Skipped]  # the label; (H, W, C), or why there is none


@dataclass(frozen=True)
class Form:
    """What every image of a set is brought to.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels.
    channels : {1, 3}
        Gray or RGB.
    fit : {"crop", "stretch", "pad"}
        How other proportions are brought to ``size``; see :func:`tinyvision.data.resize.resize`.

    Raises
    ------
    DataError
        Another value.
    """

    size: tuple[int, int]
    channels: int = 3
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        check_size(self.size)
        check_channels(self.channels)
        check_fit(self.fit)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image, (H, W, C)."""
        return (*self.size, self.channels)


class Stored(Protocol):
    """Labelled images that are not decoded yet: files, or shards."""

    @property
    def name(self) -> str:
        """What the set is called in reports."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""

    @property
    def tagging(self) -> bool:
        """Whether an image has any number of labels, not exactly one."""

    def __len__(self) -> int: ...

    def decoded(self, form: Form) -> Generator[Decoded, None, None]:
        """Decode all images, in order."""

    def stamps(self) -> Iterator[str]:
        """Yield for each file what changes when its content does."""

    def labels_known(self) -> NDArray[np.int64] | None:
        """Return the labels (N,); None where only decoding tells them."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of the images of all parts of a set, counted from the first part to the last.

    Parameters
    ----------
    rows : ndarray of int64, shape (N,)
        Those that could be decoded.
    labels : ndarray of int64, shape (N,)
        Of these.
    skipped : tuple of Skipped
        The others.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    skipped: tuple[Skipped, ...]


def decode_all(
    parts: Mapping[str, Stored],
    form: Form,
    put: Callable[[NDArray[np.uint8]], object],
    progress: Progress | None = None,
) -> Outcome:
    """Decode every image of every part, and hand one after the other to ``put``.

    Parameters
    ----------
    parts : mapping of str to Stored
    form : Form
    put : callable
        Called with each image (H, W, C), in order.
    progress : callable, optional
        Called after each image with the images done and the images in all parts.

    Raises
    ------
    DataError
        A shard is missing or damaged. An image that cannot be decoded is left out and listed.
    """
    total = count_all(parts)
    rows, labels, skipped, done = list[int](), list[int](), list[Skipped](), 0
    for stored in parts.values():
        with closing(stored.decoded(form)) as images:
            for label, image in images:
                if isinstance(image, Skipped):
                    skipped.append(image)
                else:
                    put(image)
                    rows.append(done)
                    labels.append(label)
                done += 1
                if progress is not None:
                    progress(done, total)
    return Outcome(np.array(rows, np.int64), np.array(labels, np.int64), tuple(skipped))


def count_all(parts: Mapping[str, Stored]) -> int:
    """Count the images of all parts."""
    return sum(map(len, parts.values()))


def refuse_tags(parts: Mapping[str, Stored]) -> None:
    """Refuse images with tags: a Dataset has one label for each."""
    for stored in parts.values():
        if stored.tagging:
            raise DataError(
                f"{stored.name}: its images have any number of labels, and a set in memory takes "
                "one for each; feed its files or shards to Batches instead."
            )
