"""What is seen beyond an image's edge, where it has been moved, turned or shrunk."""

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract.augment import OUTSIDE

EDGES = ("mirror", "repeat", "mean")


def pixel_at(index: NDArray[np.int64], length: int, edge: str) -> NDArray[np.int64]:
    """Return which pixel of 0 .. length-1 is seen at each index, of any size and sign.

    "mirror" goes back from the last pixel but one (4 3 2 1 | 0 1 2 3 4 | 3 2 1 0), "repeat" stays
    at the last, and "mean" gives OUTSIDE, where no pixel is.
    """
    if edge == "mirror":
        period = max(2 * (length - 1), 1)
        there = index % period
        return np.minimum(there, period - there) if length > 1 else 0 * index
    if edge == "repeat":
        return np.clip(index, 0, length - 1)
    return np.where((index < 0) | (index >= length), OUTSIDE, index)
