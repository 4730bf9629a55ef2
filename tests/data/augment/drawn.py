"""Batches augmented for a test: on the reference kernels, with settings that leave bytes alone."""

import numpy as np

from tinyvision import backend
from tinyvision.data import Augment, Preprocess
from tinyvision.data.augment import Changes, Draw, Step

MANY = 4000
SIGMA = 4 / np.sqrt(MANY)  # four standard errors of a share, and more
REFERENCE = backend.get("reference").kernels


def plain(H: int, W: int, C: int = 3) -> Preprocess:
    """Leaves a byte's value as it is; the mean is black."""
    return Preprocess((H, W), C, std=(1 / 255,))


def photos(N: int = 6, H: int = 8, W: int = 9, C: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (N, H, W, C), np.uint8)


def augmented(words: str | Augment, images: np.ndarray, **given) -> np.ndarray:
    augment = Augment.parse(words) if isinstance(words, str) else words
    labels = np.zeros(len(images), np.int64)
    prepare = given.pop("prepare", plain(*images.shape[1:]))
    x, _ = augment.batch(
        images, labels, prepare, classes=2, kernels=given.pop("kernels", REFERENCE), **given
    )
    return x


def drawn(step: Step, N: int, H: int = 32, W: int = 24, C: int = 3, epoch: int = 0) -> Changes:
    """What a step draws for many images."""
    places = np.arange(N)
    return Augment((step,)).changes((N, H, W, C), Draw(REFERENCE, 7, epoch, places, places))


class Fixed(Step):
    """A step that draws nothing: it does to all images what it is told."""

    def __init__(self, do) -> None:
        object.__setattr__(self, "do", do)

    def draw(self, changes: Changes, draw: Draw) -> None:
        self.do(changes)
