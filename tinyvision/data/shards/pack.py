"""Pack labelled images into shards."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

from ...errors import DataError
from ..dataset import Dataset, Skipped
from ..files import ImageFiles, find_files
from ..images import ImageError, decode, probe
from ..loader.order import InOrder, Order, Shuffled
from ..loader.prefetch import prefetch
from ..lock import exclusive
from .index import Index
from .shrink import Shrink, encoded, extension_of
from .writer import Packed, ShardWriter

SHARD_BYTES = 256 << 20
AHEAD = 32  # images read and checked before they are written

Progress = Callable[[int, int], object]  # called with (images done, images in all)


def pack(
    source: str | Path | ImageFiles | Dataset,
    folder: str | Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    shrink: Shrink | None = None,
    shuffle: bool = True,
    seed: int = 0,
    check: bool = True,
    progress: Progress | None = None,
) -> dict[str, Index]:
    """Pack images into shards.

    Parameters
    ----------
    source : path, ImageFiles or Dataset
        A folder of class folders or a list, as :func:`~tinyvision.data.files.find.find_files` takes
        it; or images in memory, which become PNG files.
    folder : path
        Is made, and appears when everything in it is there. A source with parts makes the folders
        ``train``, ``val`` and ``test`` in it.
    shard_bytes : int
        A shard that has reached it is closed, and the next begins.
    shrink : Shrink, optional
        Reduce large images. By default each is kept as it is, byte for byte.
    shuffle : bool
        Pack in random order. A stream is shuffled within a window only, in which images packed
        class after class would all be of one.
    seed : int
        Of that order.
    check : bool
        Decode every image, and leave out, with the reason in the index, what cannot be decoded.
    progress : callable, optional
        Called after each image with the images done and the images in all.

    Returns
    -------
    dict of str to Index
        Part ("all", or "train", "val" and "test") to what was written.

    Raises
    ------
    DataError
        The source is unusable; the folder exists and is not empty; a shard size below 1.
    OSError
        The folder cannot be written. What had been written is removed.
    """
    folder = Path(folder).expanduser().absolute()
    if shard_bytes < 1:
        raise DataError(f"A shard has at least 1 byte, got a size of {shard_bytes}.")
    root: Path | None = None
    parts: dict[str, ImageFiles | Dataset] = {}
    strays: tuple[Skipped, ...] = ()
    if isinstance(source, (ImageFiles, Dataset)):
        parts["all"] = source
    else:
        found, strays = find_files(source)
        parts.update(found)
        root = Path(source) if Path(source).is_dir() else Path(source).parent
    report = _counting(sum(map(len, parts.values())), progress)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_name(f".{folder.name}.lock")
    unfinished = folder.with_name(f".{folder.name}.packing")
    with exclusive(lock):
        try:
            _refuse_taken(folder)
            shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
            written = {}
            for part, data in parts.items():
                place = unfinished if part == "all" else unfinished / part
                tagging = isinstance(data, ImageFiles) and data.tagging
                writer = ShardWriter(
                    place, data.name, data.classes, tagging=tagging, shard_bytes=shard_bytes
                )
                writer.skipped += strays
                strays = ()  # told once
                order = Shuffled(len(data), seed) if shuffle else InOrder(len(data))
                _fill(writer, data, order, _Preparation(data, root, shrink, check), report)
                written[part] = writer.finish()
            unfinished.replace(folder)  # in one step
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        finally:
            with suppress(OSError):  # Windows removes no file that is open
                lock.unlink(missing_ok=True)
    return written


def _refuse_taken(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(
            f"{folder} exists already; name a new folder for the shards, or remove that one."
        )


def _counting(total: int, progress: Progress | None) -> Callable[[], None]:
    done = 0

    def report() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return report


def _fill(
    writer: ShardWriter,
    data: ImageFiles | Dataset,
    order: Order,
    prepare: "_Preparation",
    report: Callable[[], None],
) -> None:
    """Write every image of a set, in this order; several threads read ahead."""
    outcomes = prefetch(_rows(order), prepare, min(os.cpu_count() or 1, 8), AHEAD)
    with closing(outcomes):
        try:
            for outcome in outcomes:
                if isinstance(outcome, Skipped):
                    writer.skipped.append(outcome)
                else:
                    writer.add(outcome)
                report()
        except BaseException:
            writer.abandon()
            raise


def _rows(order: Order) -> Iterator[int]:
    """Yield an epoch's images one by one; a thousand at a time are worked out."""
    rows = order.epoch(0)
    for start in range(0, len(order), 1000):
        yield from rows(start, start + 1000).tolist()


class _Preparation:
    """Turns image ``i`` of a set into what is to be written."""

    def __init__(
        self, data: ImageFiles | Dataset, root: Path | None, shrink: Shrink | None, check: bool
    ) -> None:
        self.data, self.root, self.shrink, self.check = data, root, shrink, check

    def __call__(self, i: int) -> Packed | Skipped:
        data = self.data
        if isinstance(data, Dataset):
            return Packed(encoded(data.images[i]), "png", (int(data.labels[i]),), {})
        path = Path(data.paths[i])
        try:
            sample = data[i]
            content = sample.content
            if self.check:
                decode(content, 3, at_least=(1, 1))
            if self.shrink is not None:
                content = self.shrink(content)
            extension = extension_of(probe(content).format)
        except ImageError as error:
            return Skipped(str(path), error.reason)
        facts = {name: values[i] for name, values in data.columns.items()}
        return Packed(content, extension, sample.labels, {"path": self._shown(path), **facts})

    def _shown(self, path: Path) -> str:
        """Return the path below the source, which says what it is and not whose machine it was."""
        if self.root is not None and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return path.name
