"""From a list, a folder or an archive to a collection."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...errors import DataError, DownloadError
from .desk import Desk, Settings
from .manifest import Record
from .sources import Source, find
from .store import open_store
from .workers import in_workers

Progress = Callable[[Record, int, int | None], object]  # the latest, done, in all (None: unknown)


@dataclass(frozen=True)
class Collected:
    """What a collection holds of what was asked for.

    Parameters
    ----------
    folder : Path
    records : tuple of Record
        One for each address, whether of this run or of an earlier one.
    new : int
        How many of them this run has dealt with.
    problems : tuple of str
        What went wrong beyond single images: an archive that ends in the middle, a sentence each.
    """

    folder: Path
    records: tuple[Record, ...]
    new: int
    problems: tuple[str, ...] = ()

    def of(self, status: str) -> tuple[Record, ...]:
        """Return the records of one status."""
        return tuple(record for record in self.records if record.status == status)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of addresses of each status."""
        return {s: len(self.of(s)) for s in ("stored", "duplicate", "refused", "failed")}

    @property
    def complete(self) -> bool:
        """Whether every image is there, itself or as a duplicate."""
        return not (self.counts["refused"] or self.counts["failed"] or self.problems)


def collect(
    source: Source,
    folder: Path | str,
    *,
    label: str | None = None,
    licence: str | None = None,
    workers: int = 8,
    max_bytes: int = 50_000_000,
    timeout: float = 30.0,
    allow_private: bool = False,
    keep_location: bool = False,
    drop_similar: bool = False,
    retry_refused: bool = False,
    progress: Progress | None = None,
) -> Collected:
    """Bring images from the web, a folder or an archive into a folder with one sub-folder a class.

    Only whole images come in, under the ending of what they are; each once; without the place
    where they were taken. ``manifest.jsonl`` in the folder says what became of every address. Run
    again, or after a kill, it asks for what is missing only.

    Parameters
    ----------
    source : path or iterable
        A file with a list of addresses (see :mod:`tinyvision.data.collect.wanted`), a folder, a zip
        or tar archive; or addresses, pairs of address and class, or :class:`Wanted`.
    folder : path
        The collection; it is made where it is missing.
    label : str, optional
        The class of what has none of its own.
    licence : str, optional
        The licence, for the manifest, of what has none of its own.
    workers : int
        Images that are fetched at the same time.
    max_bytes : int
        The largest file; more is refused.
    timeout : float
        Seconds to wait for an answer and between two pieces of it. A whole file may take four times
        as long.
    allow_private : bool
        Ask addresses in private networks and on this machine, too.
    keep_location : bool
        Leave the place where a photo was taken (EXIF, XMP) in the file.
    drop_similar : bool
        Treat an image that looks like a stored one (perceptual hash) as a duplicate. Otherwise it
        is stored, and its record names the other.
    retry_refused : bool
        Ask again for what an earlier run refused for good, such as pages answered with 404.
    progress : callable, optional
        Called after each image with its record, the number done and the number in all (None for an
        archive, which nobody has counted yet).

    Returns
    -------
    Collected

    Raises
    ------
    DataError
        No such source, a list that cannot be read, a class that cannot be a folder.
    OSError
        The folder cannot be written to. What is stored by then stays, and the next run goes on.
    """
    if workers < 1 or max_bytes < 1 or timeout <= 0:
        raise DataError(
            f"workers, max_bytes and timeout are above 0, got {workers}, {max_bytes} and {timeout}."
        )
    folder = Path(folder)
    settings = Settings(max_bytes, allow_private, keep_location, drop_similar, retry_refused)
    images = find(source, folder, label, licence)
    try:
        with open_store(folder, drop_similar=drop_similar) as store:
            desk = Desk(store, settings, timeout, workers)
            waiting = desk.unsettled(images)
            results = in_workers(desk.deal_with, waiting, workers, desk.stop)
            with closing(desk), closing(results):  # also where progress raises
                for record in results:
                    desk.done += 1
                    if progress is not None:
                        progress(record, desk.done, desk.total)
            known = (store.known(url) for url in desk.urls)
            records = tuple(record for record in known if record is not None)
            return Collected(folder, records, desk.done, tuple(desk.problems))
    except OSError as error:  # disk full, no right to write ...; that of single images ends above
        raise DownloadError(
            f"{folder}: the collection cannot be written to ({error.strerror or error}); what is "
            "stored stays, and the same call goes on from here."
        ) from error
