"""Images brighter, duller, of another hue: the colour p, in levels of 0 to 255, becomes A p + t.

Such maps multiply up to one, applied once and exactly; levels are clipped at the very end, where
other libraries clip after each step. Two of them are defined here so that they are such maps:
contrast grows about middle gray and not about each image's own mean, and hue turns about the gray
axis of YIQ, which keeps the luma, and not in HSV, whose corners are no map at all.
"""

from dataclasses import dataclass
from math import radians

import numpy as np

from .changes import Changes, Floats
from .draw import Draw
from .step import Step

MIDDLE = 127.5
# Luma and the two differences of colour of NTSC television (ITU-R BT.601 has the same luma).
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
RGB = np.linalg.inv(YIQ)


@dataclass(frozen=True)
class Brightness(Step):
    """Multiply all levels by a factor from ``1 - by`` to ``1 + by``."""

    word = "brightness"
    by: float = 0.2

    def __post_init__(self) -> None:
        self.need("by", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a factor."""
        brighten(changes, 1 + self.by * draw.signed()[0])


@dataclass(frozen=True)
class Contrast(Step):
    """Multiply the distance to middle gray by a factor from ``1 - by`` to ``1 + by``."""

    word = "contrast"
    by: float = 0.2

    def __post_init__(self) -> None:
        self.need("by", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a factor."""
        stretch(changes, 1 + self.by * draw.signed()[0])


@dataclass(frozen=True)
class Saturation(Step):
    """Multiply the distance to gray of the same luma by a factor from ``1 - by`` to ``1 + by``.

    Gray images stay as they are.
    """

    word = "saturation"
    by: float = 0.2

    def __post_init__(self) -> None:
        self.need("by", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a factor."""
        saturate(changes, 1 + self.by * draw.signed()[0])


@dataclass(frozen=True)
class Hue(Step):
    """Turn colours about the gray axis, by up to ``degrees`` either way; 120 make red green.

    Gray images stay as they are.
    """

    word = "hue"
    degrees: float = 10.0

    def __post_init__(self) -> None:
        self.need("degrees", 0, 180)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose an angle."""
        if changes.C != 3:
            return
        angles = radians(self.degrees) * draw.signed()[0]
        turns = np.tile(np.eye(3), (changes.N, 1, 1))
        turns[:, 1, 1] = turns[:, 2, 2] = np.cos(angles)
        turns[:, 2, 1] = np.sin(angles)
        turns[:, 1, 2] = -turns[:, 2, 1]
        changes.recolour(RGB @ turns @ YIQ)


def brighten(changes: Changes, factors: Floats) -> None:
    """Multiply all levels by the factors (N,)."""
    changes.recolour(_times(factors, changes.C))


def stretch(changes: Changes, factors: Floats) -> None:
    """Multiply the distances to middle gray by the factors (N,)."""
    changes.recolour(_times(factors, changes.C), (1 - factors)[:, None] * MIDDLE)


def saturate(changes: Changes, factors: Floats) -> None:
    """Multiply the distances to gray by the factors (N,)."""
    if changes.C == 3:
        gray = np.tile(YIQ[0], (3, 1))  # each channel becomes the luma
        changes.recolour(_times(factors, 3) + (1 - factors)[:, None, None] * gray)


def _times(factors: Floats, C: int) -> Floats:
    return factors[:, None, None] * np.eye(C)
