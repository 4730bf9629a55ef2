"""Download files so that a broken connection, a broken mirror or a broken file does no harm.

A file grows under the name ``*.part``, is resumed where it stopped, is checked against its SHA-256
and only then gets its own name, in one step. So a file that has its name is whole.
"""

import gzip
import hashlib
import os
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import DownloadError
from .answers import (
    AGENT,
    AskAgainError,
    RefusedError,
    explained,
    pieces,
    refuse_status,
    told_length,
)
from .lock import exclusive

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all (None: not told)

ATTEMPTS = 4  # in a row that bring nothing new, before the next mirror is asked
PAUSE = 0.5  # seconds before the second attempt; doubles with each
TIMEOUT = (10.0, 30.0)  # seconds to connect, and between two pieces of the answer
PATIENCE = 60.0  # seconds: what a server may ask to wait for (Retry-After), at most


def cache_dir() -> Path:
    """Return the folder for downloads: ``$TINYVISION_CACHE`` or the platform's place for caches."""
    if chosen := os.environ.get("TINYVISION_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData/Local") / "tinyvision" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/tinyvision"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tinyvision"


def fetch(
    urls: Sequence[str],
    sha256: str,
    target: Path,
    progress: Progress | None = None,
    *,
    unpacked: bool = False,
) -> Path:
    """Download a file unless it is there already.

    Parameters
    ----------
    urls : sequence of str
        Mirrors of the file, asked in this order.
    sha256 : str
        The expected SHA-256, in hexadecimal digits.
    target : Path
        Where the file goes; missing folders are made.
    progress : callable, optional
        Called with the bytes done and the bytes in all (None where the server does not tell).
    unpacked : bool
        ``sha256`` is that of the content after gunzip. Mirrors that pack the same content in
        different ways are then equally good.

    Returns
    -------
    Path
        ``target``.

    Raises
    ------
    DownloadError
        No mirror delivered the file (each one's answer is listed), or it cannot be stored. What
        has arrived is kept, and the next call goes on from there.
    """
    if target.is_file():  # it was checked before it got this name
        return target
    part = target.with_name(target.name + ".part")
    lock = target.with_name(target.name + ".lock")
    answers: list[str] = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with exclusive(lock):
            for url in urls:
                if target.is_file():  # from the mirror before, or from whom this one waited for
                    break
                try:
                    _fetch_from(url, part, sha256.lower(), unpacked, progress)
                    part.replace(target)
                except RefusedError as answer:
                    answers.append(f"{url} {answer}")
            if target.is_file():
                with suppress(OSError):  # Windows removes no file that is open
                    lock.unlink(missing_ok=True)
                return target
    except OSError as error:  # disk full, no right to write ...; the network's errors end above
        raise DownloadError(
            f"{target} cannot be stored: {error.strerror or error}; "
            "make room, or let TINYVISION_CACHE name another folder."
        ) from error
    raise DownloadError(
        f"{target.name} could not be downloaded: {'; '.join(answers) or 'there are no mirrors'}. "
        f"Try again later, or put the file into {target.parent} yourself."
    )


def _fetch_from(
    url: str, part: Path, sha256: str, unpacked: bool, progress: Progress | None
) -> None:
    """Complete ``part`` from one mirror, with as many attempts as bring something new."""
    failures, most = 0, _size(part)
    while True:
        try:
            resumed = _receive(url, part, progress)
            found = sha256_of(part, unpacked)
            if found == sha256:
                return
            size = _size(part)
            part.unlink()
            if not resumed:
                raise RefusedError(
                    f"delivered another file ({size:,} bytes, SHA-256 {found}, expected {sha256})"
                )
            # The first part may have come from elsewhere, or from before a crash: start over.
            raise AskAgainError("continued the file with bytes that do not fit")
        except AskAgainError as reason:
            if _size(part) > most:
                failures, most = 0, _size(part)
            failures += 1
            if failures >= ATTEMPTS:
                raise RefusedError(str(reason)) from None
            time.sleep(max(PAUSE * 2 ** (failures - 1), min(reason.wait, PATIENCE)))


def _receive(url: str, part: Path, progress: Progress | None) -> bool:
    """Append to ``part`` what the mirror sends; True if it was not written from the start."""
    import requests

    offset = _size(part)
    # Identity: positions in a compressed transfer would mean nothing in the file.
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    with explained():
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    with response:
        if response.status_code == 416 and offset:  # nothing after it: whole, or too long
            return True
        refuse_status(response)
        if response.status_code == 200:  # the whole file, whether or not a part of it was asked for
            offset = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            part.unlink(missing_ok=True)
            raise AskAgainError("answered with another part of the file than asked for")
        length = told_length(response)
        total = None if length is None else offset + length
        done = offset
        with part.open("ab" if offset else "wb") as file:
            for piece in pieces(response):
                file.write(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)
            file.flush()
            os.fsync(file.fileno())  # a crash must not leave a name without its content
    return offset > 0


def sha256_of(path: Path, unpacked: bool) -> str:
    """Hash a file, or with ``unpacked`` what it contains if it is a gzip file.

    A damaged gzip file gives words instead, which are nobody's checksum.
    """
    with path.open("rb") as file:
        if not unpacked or file.read(2) != b"\x1f\x8b":
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        digest = hashlib.sha256()
        try:
            with gzip.open(file) as content:
                while piece := content.read(1 << 20):
                    digest.update(piece)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return "of a damaged gzip file"
        return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
