"""Some changes of one strength, taken at random: two numbers in place of twenty to be tuned."""

from dataclasses import dataclass
from math import radians

import numpy as np

from tinyvision_kernels.contract.retouch import EQUALIZE, KEEP, LOOK_UP, STRETCH

from .affine import rotated, scaled, sheared, shifted
from .changes import Changes
from .colour import brighten, saturate, stretch
from .draw import Draw
from .levels import posterized, solarized
from .step import Step

# What may be taken, and how far it goes at strength 1. Two know no strength.
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
    "sharpness": 0.9,
    "solarize": 256.0,  # levels that are inverted, from the brightest down
    "posterize": 4.0,  # bits that are lost
    "equalize": 0.0,
    "autocontrast": 0.0,
}
TONES = {
    "solarize": LOOK_UP,
    "posterize": LOOK_UP,
    "equalize": EQUALIZE,
    "autocontrast": STRETCH,
}


@dataclass(frozen=True)
class RandAugment(Step):
    """Apply ``count`` changes, each taken at random and as strong as the others, either way.

    The changes are all of the paper's, and scaling. Levels are equalised or stretched whatever the
    strength. What has been taken is done in the order of all steps, not in that of its choice.
    Source: Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search
    space", 2020.

    Parameters
    ----------
    strength : float
        From 0 to 1, where images are turned by 30 degrees, moved by 45 %, left 4 bits and so on;
        the paper's magnitude M is ``M / 10`` here.
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
            changes.sharpen(by["sharpness"])
            bits = 8 - np.rint(np.abs(by["posterize"])).astype(np.int64)
            thresholds = 256 - np.rint(np.abs(by["solarize"])).astype(np.int64)
            tables = np.where(bits[:, None] < 8, posterized(bits), solarized(thresholds))
            changes.retone(np.array([TONES.get(name, KEEP) for name in KINDS])[kinds], tables)
