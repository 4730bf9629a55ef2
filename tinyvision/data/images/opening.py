"""Open image files, and say in one sentence what is wrong with those that are none."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from ...errors import DataError
from .modes import UnusableError

# Formats that carry a signature. Left out: EPS, for which Pillow starts Ghostscript, a program that
# should not run on a stranger's file; and formats such as TGA that any bytes may happen to match.
# PPM stands for PBM, PGM and PFM too. Pillow tries them in this order.
_FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "ICO", "JPEG2000", "PPM", "QOI", "TIFF"]

_SIGNATURES = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"RIFF", "WebP"),
)
_HEIC_BRANDS = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")


class ImageError(DataError):
    """An image file that cannot be used.

    Parameters
    ----------
    path : str
        The file, or "image" for bytes without a name.
    reason : str
        Why, in one sentence.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}.")
        self.path = path
        self.reason = reason


@contextmanager
def opened(source: Path | str | bytes | BinaryIO) -> Iterator[Image.Image]:
    """Open an image and translate whatever goes wrong inside the block into ImageError."""
    if isinstance(source, bytes):
        name = "image"
    elif isinstance(source, (str, Path)):
        name = str(source)
    else:
        name = str(getattr(source, "name", "image"))
    head = b""
    try:
        with pillow_warnings_muted(), _stream(source) as stream:
            head = stream.read(512)
            stream.seek(0)
            with Image.open(stream, formats=_formats()) as image:
                yield image
    except UnusableError as error:
        raise ImageError(name, str(error)) from None
    except Exception as error:
        # Pillow's decoders meet hostile bytes with nearly any exception: OSError, SyntaxError,
        # ValueError, struct.error, IndexError, EOFError ... Whichever it is, the file is unusable.
        raise ImageError(name, _reason(error, head)) from error


@contextmanager
def _stream(source: Path | str | bytes | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, (str, Path)):
        with Path(source).open("rb") as file:
            yield file
    elif isinstance(source, bytes):
        yield BytesIO(source)
    elif source.seekable():
        yield source
    else:
        yield BytesIO(source.read())


@cache
def _formats() -> list[str]:
    """List the accepted formats that this Pillow knows (AVIF came with 11.3)."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _reason(error: Exception, head: bytes) -> str:
    """Say in one sentence, without its full stop, why an image could not be opened or decoded."""
    text = str(error) or type(error).__name__
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "it is a folder, not an image"
        case PermissionError():
            return "there is no permission to read it"
        case Image.DecompressionBombError():
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f"it claims to have more than {limit:,} pixels, as a decompression bomb does"
        case UnidentifiedImageError():
            return _unidentified(head)
        case MemoryError():
            return "there is not enough memory to decode it"
        case OSError(errno=int()):
            return f"it cannot be read ({text})"
    return f"its data is damaged or cut short ({text})"


def _unidentified(head: bytes) -> str:
    """Guess from its first bytes what a file is that Pillow did not recognise."""
    if not head:
        return "the file is empty"
    if head[4:12] in _HEIC_BRANDS:
        return "it is an HEIC photo, which cannot be read here; save it as JPEG or PNG"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return f"it starts like a {name}, but its header is damaged"
    if all(byte >= 32 or byte in b"\t\n\f\r" for byte in head):
        return "it holds text, not an image"
    return "its content is none of the known image formats"


class _Muting(threading.local):
    """Mutes Pillow's warnings while at least one thread decodes.

    ``warnings.catch_warnings`` swaps a list that all threads share. Two threads that enter and
    leave in turns would put back each other's list and leave the program muted for good, so the
    threads are counted: the first in changes the filters, the last out restores them. Within a
    block, a thread enters further ones for nothing.
    """

    _lock = threading.Lock()
    _threads = 0
    _catcher = warnings.catch_warnings()
    depth = 0  # of this thread

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.depth += 1
        if self.depth == 1:
            self._enter()
        try:
            yield
        finally:
            self.depth -= 1
            if self.depth == 0:
                self._leave()

    @classmethod
    def _enter(cls) -> None:
        with cls._lock:
            if cls._threads == 0:
                cls._catcher = warnings.catch_warnings()
                cls._catcher.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")  # corrupt EXIF, large photos
            cls._threads += 1

    @classmethod
    def _leave(cls) -> None:
        with cls._lock:
            cls._threads -= 1
            if cls._threads == 0:
                cls._catcher.__exit__(None, None, None)


pillow_warnings_muted = _Muting()
