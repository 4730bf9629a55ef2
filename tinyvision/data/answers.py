"""Ask a web server for a file: what its answer means, and whether to ask again.

Shared by :mod:`tinyvision.data.download`, which fetches files whose checksum is known, and
:mod:`tinyvision.data.collect`, which fetches images that nobody has seen before.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # requests is imported when something is downloaded, not before
    import requests

AGENT = "tinyvision"
PIECE = 1 << 16  # bytes

# Answers that may change when asked again: timeout, too early, too many requests (RFC 9110, 6585).
PASSING_STATUSES = {408, 425, 429}


class AskAgainError(Exception):
    """It is worth asking this server again, after ``wait`` seconds if it named them."""

    def __init__(self, reason: str, wait: float = 0.0, status: int | None = None) -> None:
        super().__init__(reason)
        self.wait = wait
        self.status = status


class RefusedError(Exception):
    """It is not worth asking this server again."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


@contextmanager
def explained() -> Iterator[None]:
    """Translate what requests raises while it waits for the head of an answer."""
    from requests import exceptions

    try:
        yield
    except exceptions.SSLError:
        raise RefusedError("has no valid certificate") from None
    except exceptions.ProxyError:
        raise AskAgainError("cannot be reached through the proxy") from None
    except exceptions.Timeout:
        raise AskAgainError("does not answer") from None
    except exceptions.ConnectionError:
        raise AskAgainError("cannot be reached") from None
    except (exceptions.RequestException, UnicodeError) as error:  # a malformed address ...
        raise RefusedError(f"cannot be asked ({error})") from None


def refuse_status(response: "requests.Response") -> None:
    """Raise for every answer that is not the file: AskAgainError if that may change."""
    status = response.status_code
    if status in (200, 206):
        return
    answer = f"answered {status} {response.reason or ''}".rstrip()
    if status in PASSING_STATUSES or status >= 500:
        raise AskAgainError(answer, _seconds_asked_for(response), status)
    raise RefusedError(answer, status)


def pieces(response: "requests.Response") -> Iterator[bytes]:
    """Yield the body as it was sent.

    Some servers call a stored .gz file a compressed transfer, and requests would unpack it; read
    raw, it stays the file that was asked for.
    """
    from urllib3.exceptions import HTTPError

    try:
        yield from response.raw.stream(PIECE, decode_content=False)
    except HTTPError:  # cut, too short or silent for too long
        raise AskAgainError("broke off") from None


def told_length(response: "requests.Response") -> int | None:
    """Return the length of the body that the server tells, which need not be true."""
    length: str = response.headers.get("Content-Length", "")
    return int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else None


def _seconds_asked_for(response: "requests.Response") -> float:
    """Read ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3); what is neither asks for 0."""
    asked: str = response.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdecimal():
        return float(asked[:9])
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0
