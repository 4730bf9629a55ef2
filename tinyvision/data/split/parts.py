"""Split a data set: into training, validation and test, or into two."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..dataset import Dataset, Skipped, Splits
from .grouped import grouped_split
from .hashed import hashed_split
from .stratified import stratified_split

Names = Sequence[Hashable] | NDArray[np.generic]


def split(
    dataset: Dataset,
    val: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    *,
    groups: Names | None = None,
    keys: Names | None = None,
) -> Splits:
    """Split a data set into training, validation and test parts, every class in proportion.

    Parameters
    ----------
    dataset : Dataset
    val, test : float
        Shares of the whole, 0 or more and together less than 1; the rest is for training.
    seed : int
        Same seed, same split.
    groups : sequence of N values, optional
        What belongs together and is not to be cut, for each image; classes are then in proportion
        as far as that allows. See :func:`~tinyvision.data.split.grouped.grouped_split`.
    keys : sequence of N values, optional
        Decide each image's part by the hash of its key alone, so that images added later move
        none. See :func:`~tinyvision.data.split.hashed.hashed_split`; groups given as keys are
        not cut either.

    Raises
    ------
    DataError
        Shares that leave nothing for training; a class of one image, by its name; groups or keys
        that are not one for each image; both of them.
    """
    train = round(1.0 - val - test, 9)  # 1 - 0.9 - 0.1 is -2.8e-17
    if not (val >= 0 and test >= 0 and train > 0):
        raise DataError(
            f"A validation share of {val} and a test share of {test} are not possible: both must "
            "be 0 or more and leave something for training."
        )
    pieces = _positions(dataset, (train, val, test), seed, groups, keys)
    return Splits(
        train=dataset.subset(pieces[0], f"{dataset.name} train"),
        val=dataset.subset(pieces[1], f"{dataset.name} validation"),
        test=dataset.subset(pieces[2], f"{dataset.name} test"),
    )


def hold_out(
    dataset: Dataset,
    fraction: float,
    seed: int,
    *,
    groups: Names | None = None,
    keys: Names | None = None,
) -> tuple[Dataset, Dataset]:
    """Hold a share of a data set back, for example for validation, every class in proportion.

    Parameters
    ----------
    dataset : Dataset
    fraction : float
        Share to hold back, 0 or more and less than 1.
    seed : int
        Same seed, same split.
    groups, keys : sequence of N values, optional
        As for :func:`split`.

    Returns
    -------
    rest, held : Dataset

    Raises
    ------
    DataError
        A share outside that range; a class of one image, by its name; groups or keys that do not
        fit.
    """
    if not 0 <= fraction < 1:
        raise DataError(
            f"A share of {fraction} cannot be held out: it must be 0 or more and less than 1."
        )
    rest, held = _positions(dataset, (1.0 - fraction, fraction), seed, groups, keys)
    return dataset.subset(rest), dataset.subset(held, f"{dataset.name} (held out)")


def completed(
    parts: Mapping[str, Dataset],
    val: float,
    test: float,
    seed: int,
    skipped: tuple[Skipped, ...] = (),
    *,
    groups: Names | None = None,
    keys: Names | None = None,
) -> Splits:
    """Take the split that a set comes with, and split off its training part what is missing.

    Parameters
    ----------
    parts : mapping of str to Dataset
        "train" and, if there are any, "val" and "test"; or "all". An empty part counts as missing.
    val, test : float
        Shares to split off.
    seed : int
        Of the split.
    skipped : tuple of Skipped
        What could not be read.
    groups, keys : sequence of values, optional
        As for :func:`split`, one for each image of the part "all" or "train".

    Raises
    ------
    DataError
        As :func:`split`.
    """
    train = parts["all" if "all" in parts else "train"]
    there = {part: dataset for part, dataset in parts.items() if len(dataset)}
    if "val" in there and "test" in there:
        return Splits(train, there["val"], there["test"], skipped)
    if "val" in there:
        train, held = hold_out(train, test, seed, groups=groups, keys=keys)
        return Splits(train, there["val"], held, skipped)
    if "test" in there:
        train, held = hold_out(train, val, seed, groups=groups, keys=keys)
        return Splits(train, held, there["test"], skipped)
    pieces = split(train, val, test, seed, groups=groups, keys=keys)
    return Splits(pieces.train, pieces.val, pieces.test, skipped)


def _positions(
    dataset: Dataset,
    shares: tuple[float, ...],
    seed: int,
    groups: Names | None,
    keys: Names | None,
) -> list[NDArray[np.int64]]:
    for what, names in (("groups", groups), ("keys", keys)):
        if names is not None and len(names) != len(dataset):
            raise DataError(
                f"{dataset.name}: {len(dataset)} images but {len(names)} {what}; "
                "every image needs exactly one."
            )
    if groups is not None and keys is not None:
        raise DataError(
            f"{dataset.name}: a split follows groups or keys, not both; groups given as keys are "
            "not cut, and images added later move none."
        )
    if keys is not None:
        return hashed_split(keys, shares, seed)
    if groups is not None:
        return grouped_split(groups, shares, seed, labels=dataset.labels)
    _refuse_lone_images(dataset, sum(shares[1:]))
    return stratified_split(dataset.labels, shares, seed)


def _refuse_lone_images(dataset: Dataset, share: float) -> None:
    lone = np.flatnonzero(dataset.counts() == 1)
    if share > 0 and len(lone):
        raise DataError(
            f"{dataset.name}: class {dataset.classes[lone[0]]!r} has one image, and to learn from "
            "it and to test with it takes at least two; add images or remove the class."
        )
