"""Some changes of one strength, taken at random: two numbers in place of twenty to be tuned."""

from dataclasses import dataclass
from math import radians

import numpy as np

from .affine import rotated, scaled, sheared, shifted
from .changes import Changes
from .colour import brighten, saturate, stretch
from .draw import Draw
from .step import Step

# What may be taken, and how far it goes at strength 1.
KINDS = {
    "nothing": 0.0,
    "rotate": radians(30),
    "shear sideways": 0.3,
    "shear upwards": 0.3,
    "shift down": 0.45,
    "shift right": 0.45,
    "scale": np.log(1.5),
    "brightness": 0.9,
    "contrast": 0.9,
    "saturation": 0.9,
}


@dataclass(frozen=True)
class RandAugment(Step):
    """Apply ``count`` changes, each taken at random and as strong as the others, either way.

    Of the paper's changes those that are maps of place or colour, and scaling: posterising,
    solarising, equalising and sharpening are not among them. Source: Cubuk et al., "RandAugment:
    Practical automated data augmentation with a reduced search space", 2020.

    Parameters
    ----------
    strength : float
        From 0 to 1, where images are turned by 30 degrees, moved by 45 % and so on; the paper's
        magnitude M is ``M / 10`` here.
    count : int
        Changes an image.
    """

    word = "randaugment"
    strength: float = 0.3
    count: int = 2

    def __post_init__(self) -> None:
        self.need("strength", 0, 1)
        self.need_whole("count", 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose kinds and directions."""
        H, W = changes.H, changes.W
        for k in range(self.count):
            u = draw.numbers(f" {k}")
            kinds = (u[0] * len(KINDS)).astype(np.int64)
            strength = np.where(u[1] < 0.5, -self.strength, self.strength)
            by = {
                name: np.where(kinds == number, strength * most, 0.0)
                for number, (name, most) in enumerate(KINDS.items())
            }
            changes.move(
                rotated(by["rotate"])
                @ sheared(by["shear sideways"], by["shear upwards"])
                @ shifted(H * by["shift down"], W * by["shift right"])
                @ scaled(np.exp(by["scale"]))
            )
            brighten(changes, 1 + by["brightness"])
            stretch(changes, 1 + by["contrast"])
            saturate(changes, 1 + by["saturation"])
