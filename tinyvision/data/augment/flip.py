"""Sides exchanged. Not for digits and letters, whose mirror images are others or none."""

from dataclasses import dataclass

from .changes import Changes
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class Flip(Step):
    """Mirror images at random.

    Parameters
    ----------
    probability : float
        For each image in each epoch.
    """

    word = "flip"
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Toss a coin for each image."""
        changes.flipped ^= draw.numbers()[0] < self.probability


@dataclass(frozen=True)
class FlipVertical(Step):
    """Turn images upside down by a mirror at random, top and bottom exchanged.

    For pictures without an up and a down, from satellites and microscopes. With :class:`Flip`,
    both may happen to an image, which is half a turn.

    Parameters
    ----------
    probability : float
        For each image in each epoch.
    """

    word = "flip-vertical"
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Toss a coin for each image."""
        changes.upended ^= draw.numbers()[0] < self.probability


@dataclass(frozen=True)
class AlternatingFlip(Step):
    """Mirror each image in every other epoch; which ones begin is random.

    So two epochs in a row show both sides of every image, where coins would show one side twice in
    half the cases. Source: Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024.
    """

    word = "alternating-flip"

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Exchange the sides that the last epoch showed."""
        begins = draw.lasting()[0] < 0.5
        changes.flipped ^= begins ^ (draw.epoch % 2 == 1)
