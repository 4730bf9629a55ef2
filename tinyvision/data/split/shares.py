"""Shares of a whole: the sizes of a split's parts."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError


def checked_shares(fractions: Sequence[float]) -> NDArray[np.float64]:
    """Return the shares as an array; refuse what does not make a whole."""
    shares = np.asarray(fractions, np.float64)
    if shares.ndim != 1 or not (shares >= 0).all() or not abs(shares.sum() - 1.0) < 1e-9:
        raise DataError(
            f"The shares of a split must be 0 or more and sum to 1, got {tuple(fractions)}."
        )
    return shares


def apportion(n: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
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
