"""Random numbers for the images of a batch.

A number is named by seed, purpose, epoch and the image's place in the epoch: nothing else. So an
image is changed alike in a batch of 1 and of 1,000, by whichever worker, and after a resume. It is
the place, not the image: one that comes twice in an epoch, as images of rare classes do in a
balanced one, is changed in two ways.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...random import purpose_of

_TO_UNIT = 2.0**-32


@dataclass(frozen=True, eq=False)
class Draw:
    """What names the random numbers of a batch.

    Parameters
    ----------
    kernels
        Of a backend whose arrays are NumPy's.
    seed, epoch : int
    places : ndarray of int64, shape (N,)
        Where in the epoch the images stand.
    images : ndarray of int64, shape (N,)
        Which images they are, for what goes by turns from epoch to epoch.
    """

    kernels: Any
    seed: int
    epoch: int
    places: NDArray[np.int64]
    images: NDArray[np.int64]
    purpose: str = ""

    def numbers(self, what: str = "") -> NDArray[np.float64]:
        """Return four uniform numbers in [0, 1) for each image, shape (4, N)."""
        return self._uniform(self.places, f"{self.purpose}{what}", self.epoch)

    def signed(self, what: str = "") -> NDArray[np.float64]:
        """Return four uniform numbers in [-1, 1) for each image, shape (4, N)."""
        return 2 * self.numbers(what) - 1

    def lasting(self) -> NDArray[np.float64]:
        """Return four uniform numbers for each image that are the same in all epochs."""
        return self._uniform(self.images, self.purpose, 0)

    def _uniform(self, places: NDArray[np.int64], purpose: str, step: int) -> NDArray[np.float64]:
        bits = self.kernels.random_bits_at(places, self.seed, purpose_of(purpose), step)
        numbers: NDArray[np.float64] = bits.T * _TO_UNIT  # (N, 4) -> (4, N)
        return numbers
