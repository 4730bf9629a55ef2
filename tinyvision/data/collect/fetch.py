"""One address to one file: attempts, redirects, limits."""

import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from requests import Response

from ..answers import AskAgainError, RefusedError, explained, pieces, refuse_status, told_length
from .addresses import check_url
from .connection import Session, Watch
from .outcome import FailedError, StoppedError, TooLargeError, TooSlowError

ATTEMPTS = 4  # of one address in one run
PAUSE = 0.5  # seconds before the second attempt; doubles with each
PATIENCE = 60.0  # seconds: what a server may ask to wait for (Retry-After), at most
HOPS = 10  # redirects in a row
UNPACKED_PIECE = 1 << 20  # bytes that one piece of a compressed transfer may unpack to at once


@dataclass(frozen=True)
class Arrival:
    """What came with a file.

    Parameters
    ----------
    url : str
        The address that delivered it, the last of the redirects.
    status : int
        Of HTTP.
    """

    url: str
    status: int


class Fetcher:
    """Fetches addresses into files, from several threads at once.

    Parameters
    ----------
    max_bytes : int
        The largest file; more is refused as soon as it shows.
    timeout : float
        Seconds to wait for an answer and between two pieces of it. One attempt as a whole may take
        four times as long.
    allow_private : bool
        Whether private addresses may be asked.
    workers : int
        Threads that will use it.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        timeout: float = 30.0,
        allow_private: bool = False,
        workers: int = 1,
    ) -> None:
        self.max_bytes = max_bytes
        self.timeout = (min(timeout, 10.0), timeout)
        self.max_seconds = 4 * timeout
        self._watch = Watch()
        self._session = Session(self._watch, workers, allow_private=allow_private)
        self._stop = threading.Event()
        self._not_before: dict[str, float] = {}  # host to the time until which it wants to rest

    def fetch(self, url: str, target: Path) -> Arrival:
        """Write what an address delivers to ``target``; on any error the file may be half there.

        Raises
        ------
        RefusedError
            It is not worth asking again: 404, not of the web, private (PrivateAddressError), too
            large (TooLargeError).
        FailedError
            It may be worth asking in another run: no answer, broken off, 500, too slow.
        StoppedError
            ``stop`` was called.
        OSError
            The file cannot be written.
        """
        for attempt in range(ATTEMPTS):
            self._rest(url)
            try:
                with self._watch.at_most(self.max_seconds):
                    return self._follow(url, target)
            except TooSlowError:
                if self._stop.is_set():
                    raise StoppedError from None
                raise
            except AskAgainError as reason:
                if reason.wait > PATIENCE:
                    raise FailedError(
                        f"{reason} and asks to wait {reason.wait:,.0f} seconds", reason.status
                    ) from None
                if attempt == ATTEMPTS - 1:
                    raise FailedError(str(reason), reason.status) from None
                if reason.wait:  # the host as a whole asks for it, not this one file
                    self._not_before[_host(url)] = time.monotonic() + reason.wait
                self._wait(PAUSE * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    def stop(self) -> None:
        """End all fetching at once; what is under way raises StoppedError."""
        self._stop.set()
        self._watch.cut_all()

    def close(self) -> None:
        """Close the connections that were kept for the next address."""
        self._session.close()

    def _follow(self, url: str, target: Path) -> Arrival:
        """Follow the redirects, each checked like the first address, to the file."""
        for _ in range(HOPS + 1):
            check_url(url)
            with explained():
                response = self._session.ask(url, self.timeout)
            with response:
                onward = self._session.get_redirect_target(response)
                if not onward:
                    self._receive(response, target)
                    return Arrival(url, response.status_code)
            try:
                url = urljoin(url, onward)
            except ValueError:
                raise RefusedError("redirects to what is no address") from None
        raise RefusedError(f"redirects more than {HOPS} times")

    def _receive(self, response: Response, target: Path) -> None:
        refuse_status(response)
        told = told_length(response)
        if told is not None and told > self.max_bytes:
            raise TooLargeError(f"has {told:,} bytes, more than {self.max_bytes:,}")
        body = unpacked(pieces(response), response.headers.get("Content-Encoding", ""))
        done = 0
        with target.open("wb") as file:
            for piece in body:
                done += len(piece)
                if done > self.max_bytes:
                    raise TooLargeError(f"sends more than {self.max_bytes:,} bytes")
                file.write(piece)

    def _rest(self, url: str) -> None:
        """Wait until the host of an address may be asked again."""
        self._wait(self._not_before.get(_host(url), 0.0) - time.monotonic())

    def _wait(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._stop.wait(seconds)):
            raise StoppedError


def unpacked(body: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo the compression of a transfer, which some servers use without having been asked.

    A bomb unpacks to a thousand times its size, so it is unpacked in bounded pieces: whoever counts
    them stops in time.

    Raises
    ------
    RefusedError
        An encoding other than gzip and deflate, or damaged data.
    """
    names = [name for name in encoding.lower().replace(" ", "").split(",") if name != "identity"]
    if names in ([], [""]):
        yield from body
        return
    if names not in (["gzip"], ["x-gzip"], ["deflate"]):
        raise RefusedError(f"is sent in an encoding that was not asked for ({encoding})")
    engine = zlib.decompressobj(47 if "gzip" in names[0] else 15)  # 47: gzip or zlib, told by head
    try:
        for piece in body:
            while piece:
                yield engine.decompress(piece, UNPACKED_PIECE)
                piece = engine.unconsumed_tail
        yield engine.flush()
    except zlib.error:
        raise RefusedError("is sent in a damaged compression") from None


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:  # refused a moment later
        return ""
