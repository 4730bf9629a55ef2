"""Doubtful labels: the images about which a trained model is most sure that they are wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..folder import Progress, in_threads
from ..images import ImageError
from ..resize import Fit, load_image
from .finding import Finding
from .seen import Seen

_BATCH = 64
MOST = 10  # of a class


@dataclass(frozen=True)
class Judge:
    """A trained model, as far as doubting labels takes it.

    :func:`tinyvision.inference.judge` makes it of a model file.

    Parameters
    ----------
    classes : tuple of str
        In the order of the probabilities.
    size : tuple of int
        Height and width in pixels of its images.
    channels : {1, 3}
    fit : {"crop", "stretch", "pad"}
    probabilities : callable
        Takes images, uint8 of shape (N, H, W, C); returns probabilities of shape (N, K).
    """

    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int
    fit: Fit
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.floating]]


def find_doubtful(
    images: Sequence[Seen], judge: Judge, most: int = MOST, progress: Progress | None = None
) -> list[Finding]:
    """Find in each class the images with the highest loss that the model takes for another.

    The loss of an image is -log p, with p the probability that the model gives to its label. A
    model doubts little of what it has learnt by heart, so one trained on other images sees more.

    Parameters
    ----------
    images : sequence of Seen
        Of classes that the judge knows.
    judge : Judge
    most : int
        Findings of each class.
    progress : callable, optional
        Called after each image with the images done and the images in all.
    """
    doubts: dict[str, list[tuple[float, Finding]]] = {}
    for batch, pixels in _batches(images, judge, progress):
        labels = np.array([judge.classes.index(image.place.label) for image in batch])
        p = np.asarray(judge.probabilities(pixels), np.float64)  # (N, K)
        own, says = p[np.arange(len(batch)), labels], p.argmax(axis=1)
        for image, mine, guess, sure in zip(batch, own, says, p.max(axis=1), strict=True):
            label = image.place.label
            if judge.classes[guess] == label:
                continue
            loss = float(-np.log(max(mine, np.finfo(np.float32).tiny)))
            reason = (
                f"it is labelled {label!r}; the model says {judge.classes[guess]!r} "
                f"{sure:.2f}, {label!r} {mine:.2f}"
            )
            finding = Finding("doubtful label", "warn", image.place, reason, sha256=image.sha256)
            of_class = doubts.setdefault(label, [])
            of_class.append((loss, finding))
            of_class.sort(key=lambda pair: -pair[0])  # stable: of equals the first
            del of_class[most:]
    order = dict.fromkeys(image.place.label for image in images)
    return [finding for label in order for _, finding in doubts.get(label, [])]


def _batches(
    images: Sequence[Seen], judge: Judge, progress: Progress | None
) -> Iterator[tuple[list[Seen], NDArray[np.uint8]]]:
    """Yield images with their pixels (N, H, W, C); what has vanished meanwhile is passed over."""

    def read(image: Seen) -> NDArray[np.uint8] | None:
        try:
            return load_image(image.place.path, judge.size, judge.channels, judge.fit)
        except ImageError:
            return None

    batch: list[Seen] = []
    pixels: list[NDArray[np.uint8]] = []
    for image, picture in zip(images, in_threads(read, images, progress), strict=True):
        if picture is not None:
            batch.append(image)
            pixels.append(picture)
        if len(batch) == _BATCH:
            yield batch, np.stack(pixels)
            batch, pixels = [], []
    if batch:
        yield batch, np.stack(pixels)
