"""Images moved, turned, enlarged and slanted.

A map of 3 x 3 numbers leads from a place in what is seen, (row, column, 1) from the middle and in
pixels, to the place in the image that is shown there. So its matrix is the inverse of what happens
to the image, and steps multiply up to one map, applied once.
"""

from dataclasses import dataclass
from math import log, radians

import numpy as np

from .changes import Changes, Floats
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class Crop(Step):
    """Move images by whole pixels, which is to pad them and crop them to their size again.

    Parameters
    ----------
    pixels : int
        The most, in each direction. For CIFAR-10, 4 is usual (He et al. 2016).
    """

    word = "crop"
    pixels: int = 4

    def __post_init__(self) -> None:
        self.need_whole("pixels", 0)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose one of the 2 pixels + 1 moves down, and to the right."""
        u = draw.numbers()
        moves = (u[:2] * (2 * self.pixels + 1)).astype(np.int64) - self.pixels
        changes.down += moves[0]
        changes.right += moves[1]


@dataclass(frozen=True)
class Shift(Step):
    """Move images by any distance, between pixels too.

    Parameters
    ----------
    share : float
        The most, as a share of height and width.
    """

    word = "shift"
    share: float = 0.1

    def __post_init__(self) -> None:
        self.need("share", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a distance down, and one to the right."""
        u = self.share * draw.signed()
        changes.move(shifted(u[0] * changes.H, u[1] * changes.W))


@dataclass(frozen=True)
class Rotate(Step):
    """Turn images about their middle.

    Parameters
    ----------
    degrees : float
        The most, either way.
    """

    word = "rotate"
    degrees: float = 10.0

    def __post_init__(self) -> None:
        self.need("degrees", 0, 180)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose an angle."""
        changes.move(rotated(radians(self.degrees) * draw.signed()[0]))


@dataclass(frozen=True)
class Scale(Step):
    """Enlarge or shrink images.

    Parameters
    ----------
    by : float
        The most: with 0.25 they become up to 1.25 times as large, or 1.25 times smaller.
    """

    word = "scale"
    by: float = 0.1

    def __post_init__(self) -> None:
        self.need("by", 0, 9)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a factor whose logarithm is uniform: twice as large is as likely as half."""
        changes.move(scaled(np.exp(log(1 + self.by) * draw.signed()[0])))


@dataclass(frozen=True)
class Shear(Step):
    """Slant images, upright lines sideways and level lines up or down.

    Parameters
    ----------
    degrees : float
        The most by which either kind of line turns.
    """

    word = "shear"
    degrees: float = 10.0

    def __post_init__(self) -> None:
        self.need("degrees", 0, 60)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose an angle for each kind."""
        u = np.tan(radians(self.degrees) * draw.signed())
        changes.move(sheared(u[0], 0 * u[0]) @ sheared(0 * u[1], u[1]))


# --- maps, (N,) numbers to (N, 3, 3) --------------------------------------------------------------


def shifted(down: Floats, right: Floats) -> Floats:
    """Return the map that shows images moved so many pixels down and to the right."""
    maps = _nothing(down)
    maps[:, 0, 2], maps[:, 1, 2] = -down, -right
    return maps


def rotated(angles: Floats) -> Floats:
    """Return the map that shows images turned by so many radians, against the clock."""
    maps = _nothing(angles)
    maps[:, 0, 0] = maps[:, 1, 1] = np.cos(angles)
    maps[:, 0, 1] = np.sin(angles)
    maps[:, 1, 0] = -maps[:, 0, 1]
    return maps


def scaled(factors: Floats) -> Floats:
    """Return the map that shows images so many times as large."""
    maps = _nothing(factors)
    maps[:, 0, 0] = maps[:, 1, 1] = 1 / factors
    return maps


def sheared(sideways: Floats, upwards: Floats) -> Floats:
    """Return the map that moves each pixel by so many times its height, or its width."""
    maps = _nothing(sideways)
    maps[:, 1, 0], maps[:, 0, 1] = sideways, upwards
    return maps


def _nothing(like: Floats) -> Floats:
    return np.tile(np.eye(3), (len(like), 1, 1))
