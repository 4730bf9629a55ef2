"""The grouped split: what belongs together stays on one side.

Ten photos of one patient, or of one shop's window, are all but copies. With some of them in the
training part and the others in the test part the network is asked what it has seen, and the test
flatters it.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import DataError
from ...random import permutation
from .shares import checked_shares

GroupBy = int | str | re.Pattern[str] | Callable[[str], Hashable]


def grouped_split(
    groups: Sequence[Hashable] | NDArray[np.generic],
    fractions: Sequence[float],
    seed: int,
    *,
    labels: ArrayLike | None = None,
) -> list[NDArray[np.int64]]:
    """Deal whole groups out to parts whose sizes come close to the shares.

    Parameters
    ----------
    groups : sequence of N hashable values
        For each image what it belongs to: a patient's number, a shop's name; see
        :func:`groups_of`.
    fractions : sequence of float
        Share of each part, from 0 to 1; their sum is 1. A part of share 0 stays empty.
    seed : int
        Same seed, same split.
    labels : array of int, shape (N,), optional
        Classes to keep in proportion as well, as far as the groups allow.

    Returns
    -------
    list of ndarray of int64
        For each part its positions in ``groups``, ascending.

    Raises
    ------
    DataError
        Fractions that are no shares of a whole; fewer groups than parts; groups and labels of
        different number.

    Notes
    -----
    Groups are taken in random order, those of at least 2^k images before those of fewer, and each
    goes to the part that lacks most of what it brings. So without labels no part exceeds its share
    by a whole group of the largest size. With labels a class counts the more the rarer it is. A
    part that would stay empty gets one of the last groups.
    """
    shares = checked_shares(fractions)
    names, members = _numbered(groups)
    N = len(members)
    classes = np.zeros(N, np.int64) if labels is None else _class_numbers(labels, N)
    G, K, filled = names, int(classes.max(initial=0)) + 1, np.flatnonzero(shares)
    if 0 < G < len(filled):
        raise DataError(
            f"{G} group{'s' if G > 1 else ''} cannot be in {len(filled)} parts at once without "
            "being cut; ask for fewer parts or divide the images into more groups."
        )
    # (G, K): how many images of each class a group brings
    brings = np.bincount(members * K + classes, minlength=G * K).reshape(G, K)
    lacks = shares[:, None] * brings.sum(axis=0)  # (P, K): what a part still has to get
    weight = 1.0 / np.maximum(brings.sum(axis=0), 1)  # (K,): a rare class counts more
    part_of = np.zeros(G, np.int64)
    empty = set(filled.tolist())
    for left, group in zip(range(G, 0, -1), _large_first(brings.sum(axis=1), seed), strict=True):
        open_parts = sorted(empty) if left == len(empty) else filled
        part = open_parts[int((lacks[open_parts] @ (weight * brings[group])).argmax())]
        part_of[group] = part
        lacks[part] -= brings[group]
        empty.discard(int(part))
    return [np.flatnonzero(part_of[members] == part) for part in range(len(shares))]


def groups_of(
    paths: Sequence[str | Path], by: GroupBy, *, root: str | Path | None = None
) -> list[Hashable]:
    r"""Name the group of each file, from its path.

    Parameters
    ----------
    paths : sequence of path
    by : int, str, pattern or callable
        A number is a folder level of the path: 0 the first folder, -1 the one the file lies in.
        A string or compiled pattern is a regular expression to find in the path; the group is what
        its first parenthesis matched, or all that matched (``r"patient(\d+)"``). A callable is
        given the path and returns the group.
    root : path, optional
        Paths are taken relative to this folder first. They are written with ``/`` everywhere.

    Raises
    ------
    DataError
        A file with too few folders, or one that the expression does not match; no expression.
    """
    if isinstance(by, str):
        try:
            by = re.compile(by)
        except re.error as error:
            raise DataError(f"{by!r} is no regular expression: {error}.") from None
    found: list[Hashable] = []
    for path in map(Path, paths):
        name = (path.relative_to(root) if root is not None else path).as_posix()
        if isinstance(by, int):
            found.append(_folder(name, by))
        elif isinstance(by, re.Pattern):
            match = by.search(name)
            if match is None:
                raise DataError(
                    f"{name} belongs to no group: '{by.pattern}' does not match it; "
                    "every file needs one."
                )
            found.append(match[1] if by.groups else match[0])
        else:
            found.append(by(name))
    return found


def _folder(name: str, level: int) -> str:
    folders = name.split("/")[:-1]
    if not -len(folders) <= level < len(folders):
        raise DataError(
            f"{name} belongs to no group: it lies in {'/'.join(folders) or 'no folder'}, where "
            f"there is no folder level {level}."
        )
    return folders[level]


def _numbered(groups: Sequence[Hashable] | NDArray[np.generic]) -> tuple[int, NDArray[np.int64]]:
    """Return the number of groups, and each image's, in order of first appearance."""
    numbers: dict[Hashable, int] = {}
    values = groups.tolist() if isinstance(groups, np.ndarray) else groups
    members = [numbers.setdefault(value, len(numbers)) for value in values]
    return len(numbers), np.array(members, np.int64)


def _class_numbers(labels: ArrayLike, N: int) -> NDArray[np.int64]:
    array = np.asarray(labels)
    if array.shape != (N,):
        raise DataError(f"{N} groups, but labels of shape {array.shape}; there must be {N} labels.")
    return np.unique(array, return_inverse=True)[1].astype(np.int64)


def _large_first(sizes: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Order groups by the power of two in their size, and by chance among equals.

    Small groups last, since they fill what is left; not sorted by the size itself, which would
    leave nothing to chance.
    """
    shuffled = permutation(len(sizes), seed, "grouped split")
    powers = np.frexp(sizes[shuffled].astype(np.float64))[1]
    return shuffled[np.argsort(-powers, kind="stable")]
