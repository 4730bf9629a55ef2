"""Levels exchanged for others: each of the 256 becomes what a table of the image has in its place.

However many of these steps there are, their tables are looked up in each other before the images
are, which so are gone through once. The definitions are those of Pillow's ImageOps, which Cubuk et
al. 2019 took for AutoAugment, but exact: see :class:`Equalize` and :class:`Autocontrast`.
"""

from dataclasses import dataclass
from math import log

import numpy as np

from tinyvision_kernels.contract.retouch import EQUALIZE, STRETCH

from .changes import Changes, Floats, Levels, Whole
from .draw import Draw
from .step import Step

LEVELS = np.arange(256)


@dataclass(frozen=True)
class Solarize(Step):
    """Invert all levels from one on, as in a print that saw light too early, in some images.

    Parameters
    ----------
    lowest : int
        That level is drawn from here to 255; 0 may invert whole images, 255 hardly anything.
    probability : float
        Of an image to be changed.
    """

    word = "solarize"
    lowest: int = 128
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need_whole("lowest", 0, 255)
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a level for each."""
        u = draw.numbers()
        thresholds = self.lowest + (u[1] * (256 - self.lowest)).astype(np.int64)
        changes.look_up(u[0] < self.probability, solarized(thresholds))


@dataclass(frozen=True)
class Posterize(Step):
    """Keep few of the 8 bits of each level, in some images.

    Parameters
    ----------
    bits : int
        The fewest, from 1 to 7: it is drawn from here to 7.
    probability : float
        Of an image to be changed.
    """

    word = "posterize"
    bits: int = 4
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need_whole("bits", 1, 7)
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a number of bits for each."""
        u = draw.numbers()
        bits = self.bits + (u[1] * (8 - self.bits)).astype(np.int64)
        changes.look_up(u[0] < self.probability, posterized(bits))


@dataclass(frozen=True)
class Equalize(Step):
    """Spread the levels of some images so that all are equally frequent, in each channel.

    Pillow divides by the pixels of one new level, rounded down. Where 255 divides the pixels that
    are not the brightest that is the same, and in large images nearly; but of 32 x 32 pixels up to
    a quarter come out white, and images of less than 255 are left alone. Here it is a fraction.

    Parameters
    ----------
    probability : float
        Of an image to be changed.
    """

    word = "equalize"
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images."""
        changes.retone((draw.numbers()[0] < self.probability) * EQUALIZE)


@dataclass(frozen=True)
class Autocontrast(Step):
    """Stretch the levels of some images from black to white, in each channel.

    Levels are rounded to the nearest, where Pillow cuts off.

    Parameters
    ----------
    probability : float
        Of an image to be changed.
    """

    word = "autocontrast"
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images."""
        changes.retone((draw.numbers()[0] < self.probability) * STRETCH)


@dataclass(frozen=True)
class Invert(Step):
    """Turn some images into their negatives.

    Parameters
    ----------
    probability : float
        Of an image to be changed.
    """

    word = "invert"
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images."""
        from_black_on = solarized(np.zeros(changes.N, np.int64))
        changes.look_up(draw.numbers()[0] < self.probability, from_black_on)


@dataclass(frozen=True)
class Gamma(Step):
    """Brighten or darken the middle, while black stays black and white stays white.

    A level l of 0 to 1 becomes l to the power of gamma.

    Parameters
    ----------
    by : float
        The most: gamma is from ``1 / (1 + by)`` to ``1 + by``.
    """

    word = "gamma"
    by: float = 0.2

    def __post_init__(self) -> None:
        self.need("by", 0, 9)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose an exponent whose logarithm is uniform."""
        gammas = np.exp(log(1 + self.by) * draw.signed()[0])
        changes.look_up(np.ones(changes.N, np.bool_), raised(gammas))


# --- tables of N images, (N, 256) -----------------------------------------------------------------


def solarized(thresholds: Whole) -> Levels:
    """Invert the levels from the thresholds (N,) on."""
    return np.where(thresholds[:, None] > LEVELS, LEVELS, 255 - LEVELS).astype(np.uint8)


def posterized(bits: Whole) -> Levels:
    """Keep so many bits (N,) of the levels."""
    return (LEVELS & (256 - (1 << (8 - bits[:, None])))).astype(np.uint8)


def raised(gammas: Floats) -> Levels:
    """Raise levels of 0 to 1 to the powers (N,)."""
    return np.rint(255 * (LEVELS / 255) ** gammas[:, None]).astype(np.uint8)
