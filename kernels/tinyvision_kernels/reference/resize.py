"""Resizing: weighted means of some pixels of each column, then of each row of what that gives."""

from typing import Any

from ..contract.resize import BITS, taps


def resize_images(xp: Any, y: Any, images: Any, boxes: Any, height: int, width: int) -> None:
    """Take weighted means down the columns, then along the rows."""
    low, high = boxes[:, ::2].astype(xp.float64), boxes[:, 1::2]  # (N, 2)
    extent = (high - boxes[:, ::2]).astype(xp.float64)
    values = images
    for axis, out in ((1, height), (2, width)):
        length = images.shape[axis]
        first, weights = _weights(xp, low[:, axis - 1], extent[:, axis - 1], length, out)
        sums = 0
        for k in range(taps(length, out)):
            # (N, out) -> (N, out, 1, 1) or (N, 1, out, 1)
            at = xp.expand_dims(xp.minimum(first + k, length - 1), (3 - axis, 3))
            weight = xp.expand_dims(weights[:, :, k], (3 - axis, 3))
            sums = sums + weight * xp.take_along_axis(values, at, axis=axis).astype(xp.int64)
        values = xp.clip((sums + (1 << (BITS - 1))) >> BITS, 0, 255).astype(xp.uint8)
    y[...] = values


def _weights(xp: Any, low: Any, extent: Any, length: int, out: int) -> tuple[Any, Any]:
    """Return which pixels make up each new one, and how much each of them weighs.

    Parameters
    ----------
    xp : module
    low, extent : array of float64, shape (N,)
        Where the stretch that is seen begins, and how long it is, in pixels.
    length, out : int
        Pixels there are, and are made.

    Returns
    -------
    first : array of int64, shape (N, out)
    weights : array of int64, shape (N, out, taps(length, out))
        Of the first and those behind it, whole 2^-22ths.
    """
    step = extent[:, None] / out
    place = low[:, None] + (xp.arange(out) + 0.5) * step  # (N, out)
    reach = xp.maximum(step, 1.0)
    first = xp.maximum(xp.floor(place - reach + 0.5), 0.0)
    pixel = first[:, :, None] + xp.arange(taps(length, out))
    distance = xp.abs((pixel - place[:, :, None] + 0.5) * (1.0 / reach)[:, :, None])  # in reaches
    share = xp.where(pixel < length, xp.maximum(1.0 - distance, 0.0), 0.0)
    # As a running sum, whose order is fixed: a mean must not depend on who adds it up.
    total = xp.cumsum(share, axis=2)[:, :, -1:]
    weights = xp.floor(share / total * (1 << BITS) + 0.5).astype(xp.int64)
    return first.astype(xp.int64), weights
