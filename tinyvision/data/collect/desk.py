"""The desk where images are handed in: each ends as a record in the manifest."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import DataError
from ..answers import RefusedError
from .addresses import PrivateAddressError
from .checks import check
from .local import Found, copy
from .manifest import Record
from .outcome import FailedError, TooLargeError
from .store import Store

if TYPE_CHECKING:  # it imports requests, which is done when something is downloaded, not before
    from .fetch import Fetcher


@dataclass(frozen=True)
class Settings:
    """What may come in.

    Parameters
    ----------
    max_bytes : int
        The largest file.
    allow_private : bool
        Whether addresses in private networks and on this machine may be asked.
    keep_location : bool
        Whether the place where a photo was taken stays in the file.
    drop_similar : bool
        Whether what looks like a stored image is left out.
    retry_refused : bool
        Whether what was refused in an earlier run is asked for again, too.
    """

    max_bytes: int = 50_000_000
    allow_private: bool = False
    keep_location: bool = False
    drop_similar: bool = False
    retry_refused: bool = False

    def settle(self, record: Record | None) -> bool:
        """Tell whether an earlier run's answer still stands."""
        if record is None or record.status == "failed":
            return False
        if record.under and any(getattr(self, k, v) != v for k, v in record.under.items()):
            return False
        return not (record.status == "refused" and self.retry_refused)


class Desk:
    """Deals with one image after the other, in as many threads as call it."""

    def __init__(self, store: Store, settings: Settings, timeout: float, workers: int) -> None:
        self.urls: list[str] = []  # of all that was asked for
        self.problems: list[str] = []
        self.done = 0
        self.total: int | None = None
        self._store, self._settings = store, settings
        self._timeout, self._workers = timeout, workers
        self._fetcher: Fetcher | None = None  # made when the first address comes by

    def unsettled(self, images: Iterable[Found]) -> Iterator[Found]:
        """Yield what is to be done, and remember all that was asked for.

        Members of an archive are copied out here, one after the other, as they lie in it.
        """
        settle, known = self._settings.settle, self._store.known
        if isinstance(images, list):
            self.urls += [image.wanted.url for image in images]
            images = [image for image in images if not settle(known(image.wanted.url))]
            self.total = len(images)
        try:
            for image in images:
                if self.total is None:
                    self.urls.append(image.wanted.url)
                    if settle(known(image.wanted.url)):
                        continue
                if image.open is not None and image.problem is None:
                    image = self._copied_out(image)
                elif image.file is None and self._fetcher is None:
                    self._fetcher = self._made_fetcher()
                yield image
        except DataError as error:  # the archive ends here
            self.problems.append(str(error))

    def deal_with(self, image: Found) -> Record:
        """Bring one image in, or write down why not."""
        wanted = image.wanted
        record = Record(wanted.url, "failed", label=wanted.label, licence=wanted.licence)
        temporary = self._store.temporary()
        try:
            if image.problem is not None:
                raise image.problem
            if image.arrived is not None:
                temporary = image.arrived
            elif image.file is not None:
                copy(partial(_opened, image.file), temporary, self._settings.max_bytes)
            else:
                assert self._fetcher is not None
                arrival = self._fetcher.fetch(wanted.url, temporary)
                record = replace(record, http=arrival.status)
                if arrival.url != wanted.url:
                    record = replace(record, delivered_by=arrival.url)
            content = temporary.read_bytes()
            checked = check(content, keep_location=self._settings.keep_location)
            return self._store.admit(wanted, record, checked, temporary)
        except (RefusedError, FailedError) as error:
            return self._store.enter(
                replace(
                    record,
                    status="refused" if isinstance(error, RefusedError) else "failed",
                    reason=str(error),
                    http=error.status or record.http,
                    under=self._under(error),
                )
            )
        finally:
            temporary.unlink(missing_ok=True)

    def stop(self) -> None:
        """End what is under way; the store's door stays open for what is just being stored."""
        if self._fetcher is not None:
            self._fetcher.stop()

    def close(self) -> None:
        """Let go of the connections."""
        if self._fetcher is not None:
            self._fetcher.close()

    def _copied_out(self, image: Found) -> Found:
        assert image.open is not None
        temporary = self._store.temporary()
        try:
            copy(image.open, temporary, self._settings.max_bytes)
        except (RefusedError, FailedError) as error:
            temporary.unlink(missing_ok=True)
            return replace(image, problem=error)
        return replace(image, arrived=temporary)

    def _made_fetcher(self) -> "Fetcher":
        from .fetch import Fetcher

        return Fetcher(
            max_bytes=self._settings.max_bytes,
            timeout=self._timeout,
            allow_private=self._settings.allow_private,
            workers=self._workers,
        )

    def _under(self, error: Exception) -> dict[str, Any] | None:
        """Name the setting without which the answer would have been another."""
        if isinstance(error, TooLargeError):
            return {"max_bytes": self._settings.max_bytes}
        if isinstance(error, PrivateAddressError):
            return {"allow_private": False}
        return None


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
