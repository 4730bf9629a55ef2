"""Deal a data set out in batches, in an order that the seed and the epoch decide."""

import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...backend import host_kernels
from ...errors import DataError
from ..augment.augment import Augment
from ..dataset import Dataset
from ..files import Decode, ImageFiles, Sample, decode_to
from ..files.sample import DecodeTo, decode_samples, label_array
from ..preprocess import Preprocess, float_type
from ..shards import Shards
from ..views import Views
from .order import Balanced, InOrder, Order, Shuffled
from .prefetch import prefetch

Labels = NDArray[np.int64] | NDArray[np.float32]  # (N,) or, of tagged or mixed images, (N, K)
Batch = tuple[NDArray[Any], Labels]  # the images (N, H, W, C), float32 or bfloat16
Work = NDArray[np.int64] | Sequence[Sample]  # the rows of a batch, or what a stream has in place
Job = tuple[int, Work]  # and where in the epoch the first of them stands

AHEAD = 2  # batches ready beyond those in work


class Batches:
    """A data set as normalised batches.

    Epoch ``e`` is a pure function of ``(seed, e)``: a training run that was stopped and resumed
    sees the images in the order in which it would have seen them anyway, and the number of workers
    changes no bit.

    Parameters
    ----------
    dataset : Dataset, ImageFiles or Shards
        Images in memory, files read when needed, or a stream of shards.
    preprocess : Preprocess
        Applied batch by batch, so that few batches at a time are held as float32.
    batch_size : int
        Images in a batch, 1 or more.
    shuffle : bool
        A new random order each epoch, or the order of the data set. A stream is shuffled by whole
        shards and within a window; see :class:`~tinyvision.data.shards.Shards`.
    balanced : bool
        Every class equally often, in random order: an epoch repeats the images of rare classes and
        leaves out some of common ones. Not for a stream.
    seed : int
        Of the random order, and of what is augmented.
    augment : Augment, optional
        Changes the images at random, for training. Where it mixes them, labels become float32
        (N, K): the share of each class.
    dtype : {"float32", "bfloat16"}
        Of the images as the network gets them; bfloat16 takes half the memory.
    drop_last : bool
        Leave out the last batch where it would be smaller than the others.
    decode : callable, optional
        Turns a :class:`~tinyvision.data.files.Sample` of files or shards into uint8 (H, W, C). By
        default it is brought to the size that ``preprocess`` names, as a folder is read.
    workers : int, optional
        Threads that prepare batches ahead; 0 prepares each when it is asked for. By default one for
        each core, 8 at most, for files and shards, and 0 for images in memory.
    ahead : int, optional
        Batches in work or ready at a time, at least 1; by default two more than ``workers``.

    Raises
    ------
    DataError
        A batch size below 1, or ``drop_last`` with fewer images than a batch takes; workers below
        0; classes to be balanced in a stream or of tagged images.
    """

    def __init__(
        self,
        dataset: Dataset | ImageFiles | Shards,
        preprocess: Preprocess,
        batch_size: int,
        *,
        shuffle: bool = False,
        balanced: bool = False,
        seed: int = 0,
        augment: Augment | None = None,
        dtype: DTypeLike = np.float32,
        drop_last: bool = False,
        decode: Decode | None = None,
        workers: int | None = None,
        ahead: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"A batch has at least 1 image, got a batch size of {batch_size}.")
        if drop_last and 0 < len(dataset) < batch_size:
            raise DataError(
                f"{dataset.name}: its {len(dataset)} images are fewer than one batch of "
                f"{batch_size}, and drop_last would leave nothing; take smaller batches."
            )
        if workers is None:
            workers = 0 if isinstance(dataset, Dataset) else min(os.cpu_count() or 1, 8)
        if workers < 0 or (ahead is not None and ahead < 1):
            raise DataError(
                f"Batches take 0 workers or more and at least 1 batch ahead, got {workers} workers "
                f"and {ahead} ahead."
            )
        self.dataset = dataset
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.balanced = balanced
        self.seed = seed
        self.augment = augment
        self.dtype = float_type(dtype)
        self._augment = augment or Augment()  # without a step, it normalises
        self.drop_last = drop_last
        self.decode = decode or decode_to(preprocess.size, preprocess.channels, preprocess.fit)
        self.workers = workers
        self.ahead = ahead if ahead is not None else workers + AHEAD
        self._order = self._chosen_order()

    def _chosen_order(self) -> Order:
        N = len(self.dataset)
        if self.balanced:
            if isinstance(self.dataset, Shards):
                raise DataError(
                    f"{self.dataset.name}: classes cannot be balanced in a stream, which takes "
                    "images as they come; use a list or a folder."
                )
            return Balanced(self.dataset.labels, self.seed)
        return Shuffled(N, self.seed) if self.shuffle else InOrder(N)

    def __len__(self) -> int:
        """Batches in an epoch."""
        N = len(self.dataset)
        return N // self.batch_size if self.drop_last else -(-N // self.batch_size)

    def epoch(self, e: int, *, start: int = 0) -> Generator[Batch, None, None]:
        """Yield the batches of epoch ``e`` from number ``start`` on.

        Each is x of shape (N, H, W, C) and labels of shape (N,), or (N, K) of tagged images. Close
        the generator when you leave it early (``contextlib.closing``), and its threads end at once,
        not only when it is forgotten.

        Raises
        ------
        DataError
            An image cannot be read or decoded; the message names it.
        """
        # The backend is that of the caller's thread, whichever thread does the work.
        work = partial(self._batch, e, host_kernels())
        return prefetch(self._jobs(e, start), work, self.workers, self.ahead)

    def __iter__(self) -> Iterator[Batch]:
        return self.epoch(0)

    def _jobs(self, e: int, start: int) -> Iterator[Job]:
        size = self.batch_size
        if isinstance(self.dataset, Shards):
            seed = self.seed if self.shuffle else None
            samples = self.dataset.epoch(e, seed=seed, start=start * size)
            for i in range(start, len(self)):
                yield i * size, list(islice(samples, size))
        else:
            rows = self._order.epoch(e)
            for i in range(start, len(self)):
                yield i * size, rows(i * size, (i + 1) * size)

    def _batch(self, e: int, kernels: Any, job: Job) -> Batch:
        first, work = job
        places = np.arange(first, first + len(work))
        views = self._augment.views(places, seed=self.seed, epoch=e, kernels=kernels)
        images, labels, ids = self._images(work, views)
        return self._augment.batch(
            images,
            labels,
            self.preprocess,
            classes=len(self.dataset.classes),
            seed=self.seed,
            epoch=e,
            places=places,
            ids=ids,
            kernels=kernels,
            dtype=self.dtype,
            cut=isinstance(self.decode, DecodeTo) and not isinstance(self.dataset, Dataset),
        )

    def _images(
        self, work: Work, views: Views | None
    ) -> tuple[NDArray[np.uint8], Labels, NDArray[np.int64]]:
        """Return the images of a batch as bytes, their labels, and a number by which each is known.

        The number of an image in a stream is the checksum of its name.
        """
        dataset = self.dataset
        if isinstance(dataset, Dataset):
            rows = cast(NDArray[np.int64], work)
            return dataset.images[rows], dataset.labels[rows], rows
        if isinstance(dataset, ImageFiles):
            ids = cast(NDArray[np.int64], work)
            samples: Sequence[Sample] = [dataset[int(i)] for i in ids]
        else:
            samples = cast(Sequence[Sample], work)
            ids = np.array([zlib.crc32(sample.name.encode()) for sample in samples], np.int64)
        labels = label_array(
            [sample.labels for sample in samples], len(dataset.classes), tagging=dataset.tagging
        )
        return decode_samples(samples, self.decode, views), labels, ids
