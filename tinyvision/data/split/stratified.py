"""The stratified split: every class in proportion.

A plain random split of few images may leave a class out of the validation part altogether. Here
every class is dealt out on its own, with its own random order, so that adding images to one class
leaves the split of all others as it was.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...random import permutation
from .shares import apportion, checked_shares


def stratified_split(
    labels: NDArray[np.int64], fractions: Sequence[float], seed: int
) -> list[NDArray[np.int64]]:
    """Deal positions out to parts so that every part has every class in proportion.

    Parameters
    ----------
    labels : ndarray of int64, shape (N,)
    fractions : sequence of float
        Share of each part, from 0 to 1; their sum is 1. A part of share 0 stays empty.
    seed : int
        Same seed, same split.

    Returns
    -------
    list of ndarray of int64
        For each part its positions in ``labels``, ascending.

    Raises
    ------
    DataError
        Fractions that are no shares of a whole, or a class of one image, which cannot be in two
        parts at once.

    Notes
    -----
    A class of n images gives part p its share n * fractions[p], rounded by the method of the
    largest remainder (Hamilton, 1792). Then a part left without the class takes an image from the
    part with the most of it; a class with fewer images than there are parts goes to the largest
    parts, one image each.
    """
    shares = checked_shares(fractions)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) == 1 and np.count_nonzero(shares) > 1:
            raise DataError(
                f"Class {label} has one image, which cannot be in {np.count_nonzero(shares)} parts "
                "at once; add images or leave the class out."
            )
        order = members[permutation(len(members), seed, "split", int(label))]
        ends = np.cumsum(apportion(len(members), shares))
        for part, piece in zip(parts, np.split(order, ends[:-1]), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate([np.empty(0, np.int64), *part])) for part in parts]
