"""k-fold cross-validation: every image is held out once.

Source: Stone, "Cross-Validatory Choice and Assessment of Statistical Predictions", 1974.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError
from ...random import permutation
from .grouped import grouped_split

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def k_fold(
    n: int,
    k: int,
    seed: int,
    *,
    labels: ArrayLike | None = None,
    groups: Sequence[Hashable] | NDArray[np.generic] | None = None,
) -> list[Fold]:
    """Divide n images into k folds; each is held out in turn while the others are learnt from.

    Parameters
    ----------
    n, k : int
        Images, and folds: 2 or more.
    seed : int
        Same seed, same folds.
    labels : array of int, shape (n,), optional
        Classes to keep in proportion: of each class, two folds differ by one image at most.
    groups : sequence of n values, optional
        What belongs together and stays in one fold; labels are then kept in proportion as far as
        the groups allow.

    Returns
    -------
    list of k (train, held)
        Positions, ascending. Without groups two folds differ in size by one image at most.

    Raises
    ------
    DataError
        Fewer than two folds; fewer images or groups than folds; a class of one image, which would
        be missing where it is to be learnt; labels or groups that are not n.
    """
    if k < 2:
        raise DataError(f"Cross-validation takes at least 2 folds, got {k}.")
    if n < k:
        raise DataError(f"{n} images cannot fill {k} folds; take fewer folds.")
    if groups is not None:
        if len(groups) != n:
            raise DataError(f"{n} images, but {len(groups)} groups; there must be one for each.")
        held = grouped_split(groups, (1.0 / k,) * k, seed, labels=labels)
    else:
        held = _dealt_round(np.zeros(n, np.int64) if labels is None else labels, n, k, seed)
    everything = np.arange(n)
    return [(np.setdiff1d(everything, fold, assume_unique=True), fold) for fold in held]


def _dealt_round(labels: ArrayLike, n: int, k: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal shuffled images, class after class, round the folds like cards."""
    array = np.asarray(labels)
    if array.shape != (n,):
        raise DataError(f"{n} images, but labels of shape {array.shape}; there must be {n} labels.")
    values, counts = np.unique(array, return_counts=True)
    if counts.min() == 1:
        raise DataError(
            f"Class {values[counts.argmin()]} has one image, which cannot be learnt from and held "
            "out at once; add images or leave the class out."
        )
    shuffled = permutation(n, seed, "folds")
    cards = shuffled[np.argsort(array[shuffled], kind="stable")]  # class after class
    return [np.sort(cards[fold::k]) for fold in range(k)]
