"""Deal a data set out in batches, in an order that the seed and the epoch decide."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..random import permutation
from .dataset import Dataset
from .preprocess import Preprocess


class Batches:
    """A data set as normalised batches.

    Epoch ``e`` is a pure function of ``(seed, e)``: a training run that was stopped and resumed
    sees the images in the order in which it would have seen them anyway.

    Parameters
    ----------
    dataset : Dataset
    preprocess : Preprocess
        Applied batch by batch, so that only one batch at a time is held as float32.
    batch_size : int
        Images in a batch, 1 or more.
    shuffle : bool
        A new random order each epoch, or the order of the data set.
    seed : int
        Of the random order.
    drop_last : bool
        Leave out the last batch where it would be smaller than the others.

    Raises
    ------
    DataError
        A batch size below 1, or ``drop_last`` with fewer images than a batch takes.
    """

    def __init__(
        self,
        dataset: Dataset,
        preprocess: Preprocess,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"A batch has at least 1 image, got a batch size of {batch_size}.")
        if drop_last and 0 < len(dataset) < batch_size:
            raise DataError(
                f"{dataset.name}: its {len(dataset)} images are fewer than one batch of "
                f"{batch_size}, and drop_last would leave nothing; take smaller batches."
            )
        self.dataset = dataset
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last

    def __len__(self) -> int:
        """Batches in an epoch."""
        N = len(self.dataset)
        return N // self.batch_size if self.drop_last else -(-N // self.batch_size)

    def epoch(
        self, e: int, *, start: int = 0
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Yield the batches of epoch ``e`` from number ``start`` on.

        Each is x of shape (N, H, W, C) and labels of shape (N,).
        """
        order = self._order(e)
        for i in range(start, len(self)):
            rows = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield self.preprocess.batch(self.dataset.images[rows]), self.dataset.labels[rows]

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        return self.epoch(0)

    def _order(self, e: int) -> NDArray[np.int64]:
        if self.shuffle:
            return permutation(len(self.dataset), self.seed, "shuffle", e)
        return np.arange(len(self.dataset))
