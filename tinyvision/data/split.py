"""Split a data set into parts, every class in proportion (a stratified split).

A plain random split of few images may leave a class out of the validation part altogether. Here
every class is dealt out on its own, with its own random order, so that adding images to one class
leaves the split of all others as it was.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..random import permutation
from .dataset import Dataset, Splits


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
    shares = _checked(fractions)
    parts: list[list[NDArray[np.int64]]] = [[] for _ in shares]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) == 1 and np.count_nonzero(shares) > 1:
            raise DataError(
                f"Class {label} has one image, which cannot be in {np.count_nonzero(shares)} parts "
                "at once; add images or leave the class out."
            )
        order = members[permutation(len(members), seed, "split", int(label))]
        ends = np.cumsum(_apportion(len(members), shares))
        for part, piece in zip(parts, np.split(order, ends[:-1]), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate([np.empty(0, np.int64), *part])) for part in parts]


def split(dataset: Dataset, val: float = 0.1, test: float = 0.2, seed: int = 0) -> Splits:
    """Split a data set into training, validation and test parts, every class in proportion.

    Parameters
    ----------
    dataset : Dataset
    val, test : float
        Shares of the whole, 0 or more and together less than 1; the rest is for training.
    seed : int
        Same seed, same split.

    Raises
    ------
    DataError
        Shares that leave nothing for training; a class of one image, by its name.
    """
    train = round(1.0 - val - test, 9)  # 1 - 0.9 - 0.1 is -2.8e-17
    if not (val >= 0 and test >= 0 and train > 0):
        raise DataError(
            f"A validation share of {val} and a test share of {test} are not possible: both must "
            "be 0 or more and leave something for training."
        )
    _refuse_lone_images(dataset, val + test)
    pieces = stratified_split(dataset.labels, (train, val, test), seed)
    return Splits(
        train=dataset.subset(pieces[0], f"{dataset.name} train"),
        val=dataset.subset(pieces[1], f"{dataset.name} validation"),
        test=dataset.subset(pieces[2], f"{dataset.name} test"),
    )


def hold_out(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Hold a share of a data set back, for example for validation, every class in proportion.

    Parameters
    ----------
    dataset : Dataset
    fraction : float
        Share to hold back, 0 or more and less than 1.
    seed : int
        Same seed, same split.

    Returns
    -------
    rest, held : Dataset

    Raises
    ------
    DataError
        A share outside that range; a class of one image, by its name.
    """
    if not 0 <= fraction < 1:
        raise DataError(
            f"A share of {fraction} cannot be held out: it must be 0 or more and less than 1."
        )
    _refuse_lone_images(dataset, fraction)
    rest, held = stratified_split(dataset.labels, (1.0 - fraction, fraction), seed)
    return dataset.subset(rest), dataset.subset(held, f"{dataset.name} (held out)")


def _checked(fractions: Sequence[float]) -> NDArray[np.float64]:
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not (shares >= 0).all() or not abs(shares.sum() - 1.0) < 1e-9:
        raise DataError(
            f"The shares of a split must be 0 or more and sum to 1, got {tuple(fractions)}."
        )
    return shares


def _refuse_lone_images(dataset: Dataset, share: float) -> None:
    lone = np.flatnonzero(dataset.counts() == 1)
    if share > 0 and len(lone):
        raise DataError(
            f"{dataset.name}: class {dataset.classes[lone[0]]!r} has one image, and to learn from "
            "it and to test with it takes at least two; add images or remove the class."
        )


def _apportion(n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round n * shares to whole numbers that sum to n, none of them 0 if that is possible."""
    filled = np.flatnonzero(shares)
    if n < len(filled):
        counts = np.zeros(len(shares), np.int64)
        counts[np.argsort(-shares, kind="stable")[:n]] = 1
        return counts
    exact = np.round(n * shares, 9)  # 10 * 0.7 is 6.999...
    counts = np.floor(exact).astype(np.int64)
    by_remainder = np.argsort(counts - exact, kind="stable")
    counts[by_remainder[: n - counts.sum()]] += 1
    for part in filled[counts[filled] == 0]:
        counts[counts.argmax()] -= 1
        counts[part] = 1
    return counts
