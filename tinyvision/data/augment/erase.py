"""Images partly hidden, for the network to look at the rest: holes of the mean colour."""

from dataclasses import dataclass
from math import log

import numpy as np

from .changes import Changes
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class Cutout(Step):
    """Cut a square out of each image.

    Its middle may be any pixel, so that near the edges less is cut out. Source: DeVries and Taylor,
    "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.

    Parameters
    ----------
    pixels : int
        Length of its sides. For CIFAR-10 the authors took 16.
    """

    word = "cutout"
    pixels: int = 8

    def __post_init__(self) -> None:
        self.need_whole("pixels", 0)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a pixel."""
        u = draw.numbers()
        top = (u[0] * changes.H).astype(np.int64) - self.pixels // 2
        left = (u[1] * changes.W).astype(np.int64) - self.pixels // 2
        changes.holes.append(np.stack([top, top + self.pixels, left, left + self.pixels], 1))


@dataclass(frozen=True)
class Erase(Step):
    """Cut a rectangle out of some images, of random size and shape, all of it inside.

    Source: Zhong et al., "Random Erasing Data Augmentation", 2020.

    Parameters
    ----------
    probability : float
        Of an image to be cut.
    smallest, largest : float
        Of the rectangle, as a share of the image's area. Its sides are up to 1 to 3.3.
    """

    word = "erase"
    probability: float = 0.25
    smallest: float = 0.02
    largest: float = 0.33

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)
        self.need("smallest", 0, 1)
        self.need("largest", self.smallest, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a size, a shape and a place for each."""
        H, W = changes.H, changes.W
        u, place = draw.numbers(), draw.numbers(" place")
        area = (self.smallest + (self.largest - self.smallest) * u[1]) * H * W
        root = np.exp(log(3.3) * (u[2] - 0.5))  # of the height by the width
        height = np.clip(np.rint(np.sqrt(area) * root), 1, H)
        width = np.clip(np.rint(np.sqrt(area) / root), 1, W)
        chosen = u[0] < self.probability
        top = np.floor(place[0] * (H + 1 - height))
        left = np.floor(place[1] * (W + 1 - width))
        box = np.stack([top, top + chosen * height, left, left + width], 1)
        changes.holes.append(box.astype(np.int64))
