"""What the metrics refuse: wrong shapes and types, labels out of range, logits."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ShapeError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]

# A float32 softmax over 1,000 classes sums to 1 within 1e-4; logits miss it by far.
SUM_TOLERANCE = 1e-3


def as_labels(values: npt.ArrayLike, name: str) -> IntArray:
    """Class numbers as int64 (N,); TypeError unless integers, ShapeError unless of rank 1."""
    array = np.asarray(values)
    if array.ndim != 1:
        hint = "; take argmax(axis=1) of probabilities first" if array.ndim == 2 else ""
        raise ShapeError(f"{name} must have shape (N,), got {array.shape}{hint}.")
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integer class numbers, got {array.dtype}.")
    return array.astype(np.int64, copy=False)


def as_label_pair(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """True and predicted class numbers, both (N,) with N >= 1 and none negative."""
    true, pred = as_labels(y_true, "y_true"), as_labels(y_pred, "y_pred")
    check_same_length(true, pred, "y_true", "y_pred")
    check_not_empty(true)
    return true, pred


def as_probabilities(values: npt.ArrayLike) -> FloatArray:
    """Rows of class probabilities (N, K), each in 0..1 and summing to 1; the dtype is kept."""
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"probabilities must have shape (N, K), got {array.shape}.")
    if array.dtype.kind != "f":
        raise TypeError(f"probabilities must be floating point, got {array.dtype}.")
    with np.errstate(invalid="ignore"):  # inf - inf: refused below, no need to warn as well
        sums = array.sum(axis=1, dtype=np.float64)
    tolerance = max(SUM_TOLERANCE, 10 * float(np.finfo(array.dtype).eps))  # float16 is coarser
    # Written so that NaN, which compares false with everything, lands among the bad rows.
    good = (np.abs(sums - 1) <= tolerance) & (array >= 0).all(axis=1)
    if not good.all():
        row = int(np.argmin(good))
        raise DataError(
            f"probabilities[{row}] is no distribution (smallest {array[row].min():.4g}, "
            f"sum {sums[row]:.4g}): every entry must be >= 0 and "
            "the row sum to 1, so apply softmax to logits first."
        )
    return array


def check_range(labels: IntArray, classes: int, name: str) -> None:
    """Refuse labels outside 0..classes-1."""
    bad = (labels < 0) | (labels >= classes)
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{name}[{at}] is {labels[at]}, but with {classes} classes labels run from 0 to "
            f"{classes - 1}."
        )


def check_same_length(a: npt.NDArray[Any], b: npt.NDArray[Any], a_name: str, b_name: str) -> None:
    """Refuse two arrays that do not describe the same images."""
    if len(a) != len(b):
        raise ShapeError(
            f"{a_name} {a.shape} and {b_name} {b.shape} must have the same length: one entry per "
            "image."
        )


def check_not_empty(array: npt.NDArray[Any]) -> None:
    """Refuse to measure nothing: a score over zero images has no value."""
    if len(array) == 0:
        raise DataError("There are no images to score: at least one label is needed.")
