"""Metrics over batches: counts go in batch by batch, ratios come out at the end."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .report import Report
from .single_label import (
    NATS_UNIT,
    as_scored,
    check_k,
    nats,
    ranks,
)


class Metrics:
    """Count predictions batch by batch; memory does not grow with the number of images.

    The state is a confusion matrix, a histogram of the true class's rank, and the summed log loss,
    all integers. Integers add up alike in any order, so the result has the same bits for any
    batch size, any order of the batches, and any number of workers that are merged.

    Parameters
    ----------
    classes : sequence of str
        Class names in the order of the class numbers, all different.

    Raises
    ------
    DataError
        If there are no names or a name occurs twice.

    Examples
    --------
    >>> metrics = Metrics(["cat", "dog"])
    >>> metrics.update(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    >>> metrics.accuracy
    0.5
    >>> metrics.report().worst_confusions(1)
    [Confusion(true='dog', predicted='cat', count=1, share=1.0)]
    """

    def __init__(self, classes: Sequence[str]) -> None:
        if isinstance(classes, str):
            raise TypeError(f"classes must be a list of names, got the single name {classes!r}.")
        self.classes = tuple(classes)
        if not self.classes:
            raise DataError("Metrics need at least one class name.")
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise DataError(f"Class names must differ, but {twice[0]!r} occurs more than once.")
        self.reset()

    def reset(self) -> None:
        """Forget every batch, for example before the next epoch."""
        K = len(self.classes)
        self.confusion = np.zeros((K, K), np.int64)  # rows: true class, columns: predicted
        self.ranks = np.zeros(K, np.int64)  # ranks[r]: images whose true class came r-th, from 0
        self.nats = 0  # summed log loss in units of 1 / NATS_UNIT

    def update(self, probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> None:
        """Count one batch; a batch that is refused leaves the counts as they were.

        Parameters
        ----------
        probabilities : float array (N, K)
            One distribution per image; of equal probabilities the lower class number wins.
        labels : int array (N,)
            True class numbers.

        Raises
        ------
        ShapeError
            If the shapes do not fit each other or the number of classes.
        DataError
            If a label is out of range or a row is no distribution (logits, NaN).
        TypeError
            If probabilities are not floating point or labels not integers.
        """
        true, rows = as_scored(labels, probabilities, "labels", len(self.classes))
        np.add.at(self.confusion, (true, rows.argmax(axis=1)), 1)
        np.add.at(self.ranks, ranks(true, rows), 1)
        self.nats += nats(true, rows)

    def merge(self, other: "Metrics") -> None:
        """Add the counts of another worker; the other one stays as it is.

        Raises
        ------
        DataError
            If the two count different classes.
        """
        if self.classes != other.classes:
            raise DataError(
                f"Only metrics over the same classes in the same order can be merged: "
                f"{_names(self.classes)} and {_names(other.classes)}."
            )
        self.confusion += other.confusion
        self.ranks += other.ranks
        self.nats += other.nats

    @property
    def count(self) -> int:
        """Number of images counted so far."""
        return int(self.ranks.sum())

    @property
    def accuracy(self) -> float:
        """Share of images predicted right so far, in 0..1."""
        return self.top_k(1)

    @property
    def log_loss(self) -> float:
        """Mean of ``-log p[true class]`` so far, in nats; see `tinyvision.metrics.log_loss`."""
        return self.nats / (self._count_or_refuse() * NATS_UNIT)

    def top_k(self, k: int) -> float:
        """Share of images whose true class is among the k most probable, in 0..1."""
        check_k(k, len(self.classes))
        return int(self.ranks[:k].sum()) / self._count_or_refuse()

    def report(self) -> Report:
        """Everything counted so far as one immutable result.

        Raises
        ------
        DataError
            If nothing was counted yet.
        """
        return Report(
            classes=self.classes,
            confusion=tuple(tuple(row) for row in self.confusion.tolist()),
            log_loss=self.log_loss,
            top5=self.top_k(5) if len(self.classes) > 5 else None,
        )

    def _count_or_refuse(self) -> int:
        count = self.count
        if count == 0:
            raise DataError("No images were counted yet: call update with at least one batch.")
        return count


def _names(classes: tuple[str, ...]) -> str:
    """A few names for an error message, which must stay one readable line."""
    shown = ", ".join(classes[:5])
    return f"({shown}, ... {len(classes)} classes)" if len(classes) > 5 else f"({shown})"
