"""A random part of the picture, as large as if it were the whole."""

from dataclasses import dataclass
from math import log

import numpy as np

from ..views import Views
from .changes import Changes
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class ResizedCrop(Step):
    """Take a random part of the picture and bring it to the size of the network's input.

    Of files and shards it is taken from the picture as it is stored, in all its detail; of images
    in memory, from what they were reduced to. Whatever ``fit`` says, the rest is not seen.

    Source: Szegedy et al., "Going Deeper with Convolutions", 2015, section 6.

    Parameters
    ----------
    smallest : float
        Share of the picture's area that a part has at least; at most it has all.
    ratio : float
        How many times too wide or too high a part may be, and so is squeezed: proportions are
        1/ratio to ratio of the right ones. A part that would be larger than the picture is cut.
    """

    word = "resized-crop"
    smallest: float = 0.35
    ratio: float = 4 / 3

    def __post_init__(self) -> None:
        self.need("smallest", 0.01, 1)
        self.need("ratio", 1, 10)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Leave the images alone: they are parts already, taken where :meth:`views` says."""

    def views(self, draw: Draw) -> Views:
        """Return the part of each picture that is seen, (N, 4)."""
        share, proportions, down, right = draw.numbers()
        share = self.smallest + (1 - self.smallest) * share
        proportions = np.exp(log(self.ratio) * (2 * proportions - 1))
        return np.stack([share, proportions, down, right], axis=1)
