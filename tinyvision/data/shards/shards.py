"""Stream shards in an order that seed and epoch decide, in constant memory.

Random access would cost a disk seek for each image; a stream reads a shard from front to back. What
it can do for the order is:

1. take the shards in random order;
2. within that sequence, shuffle each *window*, a stretch of some hundred samples. For every sample
   of the window that is handed out one of the next window is read, so what is held is one window.

Both are drawn by (seed, epoch, window), so where an epoch stands is two numbers, the epoch and how
many samples have been handed out, and going on there takes opening one shard and reading one window
again. Several workers each take a stretch of the sequence, equal to within a sample.
"""

import os
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...random import permutation
from ..dataset import Dataset, Skipped
from ..decoding import Decoded, Form
from ..files import Sample, decode_to
from ..images import ImageError
from ..layout import PARTS
from ..loader.prefetch import prefetch
from ..reading import read
from ..resize import Fit
from ..threads import Progress
from .index import INDEX_NAME, Index, labels_of, read_index
from .tar import image_field, read_samples

WINDOW_BYTES = 64 << 20  # what a window may hold by default
WINDOW_LIMITS = (16, 4096)  # samples
AHEAD = 32  # samples decoded ahead when all are read into memory


class Shards:
    """Shards of labelled images, as a stream.

    Parameters
    ----------
    folder : path
        With ``index.json``, or with ``.tar`` files alone, which are then read through once.
    window : int, optional
        Samples shuffled among one another; by default as many as take 64 MB, 16 to 4096.
    part : (int, int)
        Worker ``r`` of ``n``, as ``(r, n)``: the stretches of all n together have every sample once
        and differ in length by one at most.
    index : Index, optional
        What the folder holds, where that is known already. It may name a shard several times.

    Raises
    ------
    DataError
        There are no shards, or their index is damaged; a window below 1; a part that is none.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        window: int | None = None,
        part: tuple[int, int] = (0, 1),
        index: Index | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.index = index or read_index(self.folder)
        if window is None:
            mean = max(self.index.bytes // max(self.index.count, 1), 1)
            window = int(np.clip(WINDOW_BYTES // mean, *WINDOW_LIMITS))
        r, n = part
        if window < 1 or not 0 <= r < n:
            raise DataError(
                f"{self.folder}: a window has 1 sample or more and a worker is (r, n) with "
                f"0 <= r < n, got a window of {window} and the worker {part}."
            )
        self.window, self.part = window, part
        self._first, self._end = (self.index.count * i // n for i in (r, r + 1))
        self._numbers = {name: i for i, name in enumerate(self.index.classes)}

    @property
    def name(self) -> str:
        """What the set is called in reports."""
        return self.index.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the network's outputs."""
        return self.index.classes

    @property
    def tagging(self) -> bool:
        """Whether an image has any number of labels, not exactly one."""
        return self.index.tagging

    def __len__(self) -> int:
        """Samples in an epoch of this part."""
        return self._end - self._first

    def __repr__(self) -> str:
        return (
            f"Shards({self.name!r}, {len(self):,} images in {len(self.index.shards):,} shards, "
            f"{len(self.classes)} classes)"
        )

    def epoch(self, e: int, *, seed: int | None = None, start: int = 0) -> Iterator[Sample]:
        """Yield the samples of epoch ``e`` from number ``start`` on.

        Parameters
        ----------
        e : int
        seed : int, optional
            Of the random order; None takes the samples as they were packed.
        start : int
            How many have been handed out before: a stream goes on at exactly the next.

        Raises
        ------
        DataError
            A shard is missing, damaged or holds another number of samples than the index says; a
            sample has no image or no label. The message names it.
        """
        shards = np.arange(len(self.index.shards))
        if seed is None:
            yield from self._sequence(shards, self._first + start)
            return
        shards = permutation(len(shards), seed, "shards", e)
        block, done = divmod(start, self.window)
        sequence = self._sequence(shards, self._first + block * self.window)
        current: list[Sample | None] = list(islice(sequence, self.window))
        upcoming: list[Sample | None] = list(islice(sequence, done))
        while current:
            for i in permutation(len(current), seed, f"window {block}", e)[done:]:
                sample, current[i] = current[i], None  # it is not ours any more
                if sample is not None:  # always so: a permutation comes to each once
                    yield sample
                upcoming.extend(islice(sequence, 1))
            current, upcoming, block, done = upcoming, [], block + 1, 0

    def in_memory(
        self,
        size: tuple[int, int],
        channels: int = 3,
        fit: Fit = "crop",
        *,
        progress: Progress | None = None,
    ) -> tuple[Dataset, tuple[Skipped, ...]]:
        """Decode all samples to one size, in the order in which they were packed.

        Returns
        -------
        dataset : Dataset
        skipped : tuple of Skipped
            Those that cannot be decoded, and why.

        Raises
        ------
        DataError
            As :meth:`epoch`; tagged images: a Dataset has one label for each.
        """
        reading = read({"all": self}, Form(size, channels, fit), progress=progress)
        return reading.parts["all"], reading.skipped

    def decoded(self, form: Form) -> Generator[Decoded, None, None]:
        """Decode all samples in a few threads, in order; yield label after label, with its image.

        Raises
        ------
        DataError
            As :meth:`epoch`.
        """
        decode = decode_to(form.size, form.channels, form.fit)

        def work(sample: Sample) -> Decoded:
            try:
                return sample.labels[0], decode(sample)
            except ImageError as error:
                return sample.labels[0], Skipped(sample.name, error.reason)

        return prefetch(self.epoch(0), work, min(os.cpu_count() or 1, 8), AHEAD)

    def stamps(self) -> Iterator[str]:
        """Yield of each shard what changes when it does: its checksum, length and time."""
        yield "\0".join(self.classes)
        for shard in self.index.shards:
            path = self.folder / shard.file
            mtime = path.stat().st_mtime_ns if path.is_file() else "missing"
            yield f"{path}\0{shard.count} {shard.bytes} {shard.sha256} {mtime}"

    def labels_known(self) -> None:
        """Return None: the labels stand in the shards, each beside its image."""

    def _sequence(self, shards: NDArray[np.int64], begin: int) -> Iterator[Sample]:
        """Read the shards in this order, from sample ``begin`` of all to the end of the part."""
        at = 0  # the first sample of the shard, counted in the sequence
        for info in (self.index.shards[i] for i in shards):
            start = max(begin - at, 0)
            stop = min(info.count, self._end - at)
            at += info.count
            if start >= stop:
                continue
            path, read = self.folder / info.file, start
            for sample in islice(self._samples(path, start), stop - start):
                yield sample
                read += 1
            if read < stop:
                raise DataError(
                    f"{path} is cut short: it has {read} samples, but the index says {info.count}; "
                    "pack or fetch it again."
                )

    def _samples(self, path: Path, start: int) -> Iterator[Sample]:
        for key, fields in read_samples(path, start):
            where = f"{path}: {key}"
            extension = image_field(fields)
            if extension is None:
                raise DataError(f"{where} has no image, only {', '.join(fields)}.")
            labels = labels_of(fields, self._numbers, where)
            yield Sample(f"{where}.{extension}", fields[extension], labels)


def find_shards(folder: str | Path) -> dict[str, Path]:
    """Find shards in a folder: of "all" images, or of the parts "train", "val" and "test".

    Returns
    -------
    dict of str to Path
        Part to the folder of its shards; empty where there are none.
    """
    folder = Path(folder)
    if (folder / INDEX_NAME).is_file() or any(folder.glob("*.tar")):
        return {"all": folder}
    return {part: folder / part for part in PARTS if (folder / part / INDEX_NAME).is_file()}
