"""In which order an epoch takes the images of a set.

An order is asked for an epoch and returns a function from a stretch of positions to the images
there. It is a pure function of its seed and the epoch, so a run can go on anywhere.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...random import bits, permutation
from .shuffle import Shuffle

Rows = Callable[[int, int], NDArray[np.int64]]  # positions start .. stop-1 to images

# Up to here a shuffled epoch is sorted random keys (8 MB), every order equally likely; beyond, it
# is a bijection in no memory.
SORTED = 1 << 20


class Order(Protocol):
    """What decides an epoch's order."""

    def __len__(self) -> int:
        """Images in an epoch."""

    def epoch(self, e: int) -> Rows:
        """Return the order of epoch ``e``."""


class InOrder:
    """The images as they stand."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def epoch(self, e: int) -> Rows:
        """Return the order of epoch ``e``: the same in all."""
        return lambda start, stop: np.arange(start, min(stop, self.n))


class Shuffled:
    """Every image once, in a new random order each epoch."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.seed = n, seed

    def __len__(self) -> int:
        return self.n

    def epoch(self, e: int) -> Rows:
        """Return the order of epoch ``e``."""
        if self.n <= SORTED:
            order = permutation(self.n, self.seed, "shuffle", e)
            return lambda start, stop: order[start:stop]
        shuffle = Shuffle(self.n, self.seed, "shuffle", e)
        return lambda start, stop: shuffle(np.arange(start, min(stop, self.n)))


class Balanced:
    """Every class equally often, for sets in which some have many more images than others.

    The epoch goes in rounds; each has every class once, in random order. In round t a class of n
    images gives number t mod n of its own shuffled order, shuffled anew after each pass: images of
    a rare class come again when all of them have come, those of a common class are not all seen.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
        Classes without images are left out.
    seed : int

    Raises
    ------
    DataError
        Tags: an image of several classes cannot make each of them equally frequent.
    """

    def __init__(self, labels: NDArray[np.integer] | NDArray[np.bool_], seed: int) -> None:
        if labels.ndim != 1:
            raise DataError("Classes cannot be balanced where an image has any number of labels.")
        self.seed, self.n = seed, len(labels)
        by_class = np.argsort(labels, kind="stable")
        ends = np.cumsum(np.unique(labels, return_counts=True)[1])
        self.members = np.split(by_class, ends[:-1])

    def __len__(self) -> int:
        return self.n

    def epoch(self, e: int) -> Rows:
        """Return the order of epoch ``e``."""
        K = len(self.members)
        rounds = -(-self.n // K)
        # (rounds, K): each row the classes in the order of random keys
        classes = np.argsort(
            bits((rounds, K), self.seed, "balanced rounds", e), axis=1, kind="stable"
        )
        order = np.empty((rounds, K), np.int64)
        for c, members in enumerate(self.members):
            order[classes == c] = self._visits(members, c, rounds, e)
        flat = order.reshape(-1)[: self.n]  # (rounds, K) -> (rounds * K,)
        return lambda start, stop: flat[start:stop]

    def _visits(self, members: NDArray[np.int64], c: int, rounds: int, e: int) -> NDArray[np.int64]:
        """Return which images of class ``c`` the rounds take."""
        n = len(members)
        passes = -(-rounds // n)
        keys = bits((passes, n), self.seed, f"balanced class {c}", e)
        return members[np.argsort(keys, axis=1, kind="stable")].reshape(-1)[:rounds]
