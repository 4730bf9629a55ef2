"""How the attempt to get one image, or an archive, can end other than well."""

import lzma
import tarfile
import zipfile
import zlib

from ...errors import DataError
from ..answers import RefusedError

# Whatever a damaged archive makes the standard library raise.
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class FailedError(Exception):
    """It did not work this time; the next run tries again."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class TooSlowError(FailedError):
    """One attempt took longer than it may."""


class TooLargeError(RefusedError):
    """More bytes than ``max_bytes``."""


class StoppedError(Exception):
    """The run is being stopped; nothing is to be said of this image."""


class BombError(DataError):
    """An archive that unpacks to absurdly more than it has."""
