"""Several labels per image: targets and predictions are ``(N, K)`` arrays of 0 and 1.

Predictions come from probabilities by a threshold, usually ``probabilities >= 0.5``.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, ShapeError
from .checks import check_not_empty
from .scores import AverageName, ClassScores


def multi_label_scores(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> ClassScores:
    """Precision, recall, F1 and support per label, with macro, micro and weighted averages.

    Parameters
    ----------
    targets, predictions : bool or 0/1 array (N, K)
        ``[n, k]`` says whether image n carries, or was given, label k.

    Raises
    ------
    ShapeError
        If the shapes differ or are not (N, K).
    DataError
        If a value is neither 0 nor 1 or there are no images.
    """
    true, pred = _as_flags_pair(targets, predictions)
    return ClassScores(
        hits=(true & pred).sum(axis=0, dtype=np.int64),
        predicted=pred.sum(axis=0, dtype=np.int64),
        support=true.sum(axis=0, dtype=np.int64),
    )


def multi_label_f1(
    targets: npt.ArrayLike, predictions: npt.ArrayLike, average: AverageName = "macro"
) -> float:
    """F1 over all labels: ``"macro"`` weighs labels alike, ``"micro"`` weighs decisions alike."""
    return multi_label_scores(targets, predictions).average(average).f1


def subset_accuracy(targets: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Share of images with every label right, in 0..1: the strictest score there is."""
    true, pred = _as_flags_pair(targets, predictions)
    return int(np.count_nonzero((true == pred).all(axis=1))) / len(true)


def _as_flags_pair(
    targets: npt.ArrayLike, predictions: npt.ArrayLike
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    true, pred = _as_flags(targets, "targets"), _as_flags(predictions, "predictions")
    if true.shape != pred.shape:
        raise ShapeError(
            f"targets {true.shape} and predictions {pred.shape} must have the same shape (N, K)."
        )
    check_not_empty(true)
    return true, pred


def _as_flags(values: npt.ArrayLike, name: str) -> npt.NDArray[np.bool_]:
    array: npt.NDArray[Any] = np.asarray(values)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ShapeError(f"{name} must have shape (N, K), got {array.shape}.")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        raise DataError(
            f"{name} must hold 0 and 1 only, got {array[wrong][0]}; "
            "turn probabilities into labels first, for example with probabilities >= 0.5."
        )
    return array.astype(np.bool_)
