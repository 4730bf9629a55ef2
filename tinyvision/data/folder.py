"""Read a folder of images, one sub-folder for each class, into memory at one size."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..backend import host_kernels
from ..errors import DataError
from .dataset import Dataset, Skipped, Splits
from .images import ImageError, check_channels
from .layout import Layout, find_images
from .resize import Fit, check_fit, check_size, load_image
from .split.parts import completed

Progress = Callable[[int, int], object]  # called with (files done, files in all)

_TITLES = {"all": "", "train": " train", "val": " validation", "test": " test"}

_AHEAD = 16  # items for each thread that wait to be worked on, or to be read

T = TypeVar("T")
R = TypeVar("R")


def read_folder(
    root: Path | str,
    size: tuple[int, int] = (64, 64),
    channels: int = 3,
    fit: Fit = "crop",
    *,
    classes: Sequence[str] | None = None,
    min_per_class: int = 2,
    progress: Progress | None = None,
) -> tuple[Dataset, tuple[Skipped, ...]]:
    """Read a folder with one sub-folder for each class.

    Only the resized images are held in memory. Files that cannot be decoded are left out and
    listed; which files are passed over in silence is told at
    :func:`tinyvision.data.layout.find_images`.

    Parameters
    ----------
    root : path
    size : tuple of int
        Height and width in pixels of the images in memory.
    channels : {1, 3}
        Gray or RGB.
    fit : {"crop", "stretch", "pad"}
        How other proportions are brought to ``size``; see :func:`tinyvision.data.resize.resize`.
    classes : sequence of str, optional
        The classes and their order, for example those of a trained model; some of their folders
        may then be missing. By default the sub-folders in natural order.
    min_per_class : int
        The fewest usable images a class may have. The default is what a split takes.
    progress : callable, optional
        Called after each file with the files done and the files in all.

    Returns
    -------
    dataset : Dataset
    skipped : tuple of Skipped

    Raises
    ------
    DataError
        No such folder, an empty one, images without class folders, fewer than two classes, a class
        with too few usable images, a sub-folder that is none of ``classes``.
    """
    layout = find_images(root)
    if "all" not in layout.parts:
        raise DataError(
            f"{root} is divided into {' and '.join(layout.parts)} folders; load it with "
            "load_folder, or read one of them alone."
        )
    names = layout.classes if classes is None else tuple(classes)
    parts, skipped = _read_parts(layout, names, size, channels, fit, progress)
    _refuse_problems(layout, parts["all"], min_per_class)
    return parts["all"], skipped


def load_folder(
    root: Path | str,
    size: tuple[int, int] = (64, 64),
    channels: int = 3,
    fit: Fit = "crop",
    *,
    seed: int = 0,
    val: float = 0.1,
    test: float = 0.2,
    progress: Progress | None = None,
) -> Splits:
    """Read a folder of images and split it, or take the split that it comes with.

    A folder with ready "train", "val" and "test" folders keeps them; a part it lacks, or that has
    no usable images in class folders, is split off its training part.

    Parameters
    ----------
    root, size, channels, fit, progress
        As for :func:`read_folder`.
    seed : int
        Of the split.
    val, test : float
        Shares of the images to split off.

    Raises
    ------
    DataError
        As :func:`read_folder` and :func:`tinyvision.data.split.split`; a validation or test part
        with a class that the training part lacks.
    """
    layout = find_images(root)
    parts, skipped = _read_parts(layout, layout.classes, size, channels, fit, progress)
    train = parts[layout.training_part]
    _refuse_problems(layout, train, min_per_class=2)
    return completed(parts, val, test, seed, skipped)


def class_problems(layout: Layout, counts: Mapping[str, int], min_per_class: int) -> list[str]:
    """Say what about the classes stands in the way of training, a sentence each.

    Parameters
    ----------
    layout : Layout
    counts : mapping of str to int
        Usable images of each class in the training part.
    min_per_class : int
        The fewest images that a class with a folder may have.
    """
    root, files = layout.root, layout.parts[layout.training_part]
    problems = []
    if len(counts) < 2:
        problems.append(_too_few_classes(root, list(counts)))
    for name, count in counts.items():
        if name not in files or count >= min_per_class:
            continue
        if count == 0:
            whys = {0: "its folder is empty", 1: "its only file cannot be read"}
            found = len(files[name])
            why = whys.get(found, f"none of its {found} files can be read")
            problems.append(
                f"{root}: class {name!r} has no usable images, since {why}; "
                "add images or remove the folder."
            )
        else:
            problems.append(
                f"{root}: class {name!r} has {count} usable image{'s' if count > 1 else ''}, and "
                f"at least {min_per_class} are needed; add images or remove the folder."
            )
    return problems


def in_threads(
    work: Callable[[T], R], items: Sequence[T], progress: Progress | None
) -> Iterator[R]:
    """Map a function over items in a few threads and yield its results in order.

    Threads suffice: Pillow decodes and resizes without holding Python's lock. They are a few items
    ahead of the reader and no more, whatever the number of items. An interrupt drops what has not
    been started.
    """
    workers = min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        ahead: deque[Future[R]] = deque()
        coming = iter(items)
        for done in range(1, len(items) + 1):
            for item in islice(coming, _AHEAD * workers - len(ahead)):
                ahead.append(pool.submit(work, item))
            yield ahead.popleft().result()
            if progress is not None:
                progress(done, len(items))
    finally:
        pool.shutdown(cancel_futures=True)


def _read_parts(
    layout: Layout,
    classes: tuple[str, ...],
    size: tuple[int, int],
    channels: int,
    fit: Fit,
    progress: Progress | None,
) -> tuple[dict[str, Dataset], tuple[Skipped, ...]]:
    """Decode every file of every part; labels are positions in ``classes``."""
    check_size(size)
    check_channels(channels)
    check_fit(fit)
    files: list[Path] = []
    labels: list[int] = []
    ends = {}  # part to the end of its stretch in files
    for part, by_class in layout.parts.items():
        for name, paths in by_class.items():
            if paths and name not in classes:
                raise DataError(
                    f"{paths[0]} is of the class {name!r}, which is none of the known classes "
                    f"({', '.join(classes)})."
                )
            files += paths
            labels += [classes.index(name) for _ in paths]
        ends[part] = len(files)
    images = np.empty((len(files), *size, channels), np.uint8)

    kernels = host_kernels()

    def read(i: int) -> Skipped | None:
        try:
            images[i] = load_image(files[i], size, channels, fit, kernels=kernels)
        except ImageError as error:
            return Skipped(error.path, error.reason)
        return None

    outcomes = list(in_threads(read, range(len(files)), progress))
    broken = tuple(outcome for outcome in outcomes if outcome is not None)
    usable = np.array([i for i, outcome in enumerate(outcomes) if outcome is None], np.int64)
    everything = Dataset(images, np.array(labels, np.int64), classes, layout.root.resolve().name)
    if "all" in ends and not broken:  # nothing to pick out, and a copy would double the memory
        return {"all": everything}, layout.strays
    parts, start = {}, 0
    for part, end in ends.items():
        rows = usable[(start <= usable) & (usable < end)]
        parts[part] = everything.subset(rows, f"{everything.name}{_TITLES[part]}")
        start = end
    return parts, layout.strays + broken


def _refuse_problems(layout: Layout, train: Dataset, min_per_class: int) -> None:
    counts = dict(zip(train.classes, train.counts().tolist(), strict=True))
    problems = class_problems(layout, counts, min_per_class)
    if problems:
        raise DataError(problems[0])


def _too_few_classes(root: Path, names: Sequence[str]) -> str:
    if not names:
        return f"{root} has no class folders; it needs at least two."
    only = root / names[0]
    text = f"{root} has one class, {names[0]!r}, and telling classes apart takes at least two"
    if only.is_dir() and sum(path.is_dir() for path in only.iterdir()) > 1:
        return f"{text}; did you mean {only}?"
    return f"{text}; add a sub-folder for each further class."
