"""One image file to one array of bytes, whatever the file's kind.

Every file becomes uint8 of shape (H, W, 1) or (H, W, 3), upright, opaque, 0 black and 255 white.
Pillow does the decoding; what each of its modes becomes is decided here, on purpose:

======================  ==========================================================================
Pillow mode             becomes
======================  ==========================================================================
1                       black 0, white 255
L                       taken as it is
LA, La, PA, RGBA, RGBa  laid on white (``La`` and ``RGBa`` are premultiplied and divided first)
P                       its palette's colours; laid on white where the palette is transparent
RGB, RGBX               taken as it is; one colour declared transparent (PNG tRNS) becomes white
CMYK                    1 - (C + K) and so on, without a colour profile; Adobe's inverted JPEGs
                        come out right
YCbCr, HSV              converted to RGB
LAB                     converted to sRGB by LittleCMS
I;16, I;16B, I;16L      16-bit gray v becomes round(v / 257), so 0 stays 0 and 65535 becomes 255.
                        The rule does not look at the picture, as stretching to its own minimum and
                        maximum would: equal files give equal bytes, but a 12-bit sensor's values
                        stored in 16 bits come out dark
I                       32-bit integers are read as 16-bit gray; outside 0..65535 nobody has agreed
                        what white is, and the image is refused
F                       floats within 0..1 are multiplied by 255, within 0..255 rounded; anything
                        else, NaN included, is refused
======================  ==========================================================================

Gray becomes colour by repeating the channel; colour becomes gray by ITU-R BT.601 luma,
0.299 R + 0.587 G + 0.114 B. Pillow keeps the high byte of 16-bit colour. Embedded colour profiles
are not applied, and a see-through value declared for 2-bit or 4-bit gray or 16-bit colour is not
seen by Pillow, so such pixels keep their stored colour. Of an animation or a file of several pages
the first image is taken.

The format is told from the content, never from the file's name. What cannot be decoded completely
is refused: half an image would be learnt as if it were whole. (Not every damage shows: JPEG has no
checksum, and zeroed bytes in the middle of one decode without a complaint from anybody.)
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError

from ..errors import DataError

# Formats that carry a signature. Left out: EPS, for which Pillow starts Ghostscript, a program that
# should not run on a stranger's file; and formats such as TGA that any bytes may happen to match.
# PPM stands for PBM, PGM and PFM too.
_FORMATS = ["AVIF", "BMP", "GIF", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "QOI", "TIFF", "WEBP"]

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

_ORIENTATION = 0x0112  # EXIF tag: how the stored rows and columns lie in the upright picture


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


@dataclass(frozen=True)
class ImageInfo:
    """What an image's header says.

    Parameters
    ----------
    size : tuple of int
        Height and width in pixels, upright.
    mode : str
        Pillow's name for the pixel format, such as ``RGB``.
    format : str
        File format, such as ``JPEG``.
    """

    size: tuple[int, int]
    mode: str
    format: str


def decode(
    source: Path | str | bytes | BinaryIO,
    channels: int,
    *,
    at_least: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Decode an image to bytes, upright and opaque.

    Parameters
    ----------
    source : path, bytes or binary file
        The image; a file handed over stays open.
    channels : {1, 3}
        Gray or RGB.
    at_least : tuple of int, optional
        The height and width in pixels to which the caller will reduce the image. A JPEG is then
        decoded at a half, a quarter or an eighth of its size, which is many times faster for large
        photos; both its sides stay at least twice the larger of the two numbers.

    Returns
    -------
    ndarray of uint8, shape (H, W, channels)

    Raises
    ------
    ImageError
        A DataError: missing, empty, damaged or cut short, not an image, or too large to be decoded
        safely (Pillow's limit, twice ``PIL.Image.MAX_IMAGE_PIXELS``: 179 million pixels).
    DataError
        ``channels`` other than 1 and 3.
    """
    check_channels(channels)
    with opened(source) as image:
        if at_least is not None:
            side = 2 * max(at_least)  # one number for both sides: the photo may lie on its side
            image.draft(None, (side, side))
        image.load()
        pixels = _pixels(image, channels)  # (H, W) or (H, W, 3)
        pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, 1) or (H, W, 3)
        if pixels.shape[2] < channels:
            pixels = np.repeat(pixels, channels, axis=2)
        return np.array(_upright(pixels, _orientation(image)), order="C")


def probe(source: Path | str | bytes | BinaryIO) -> ImageInfo:
    """Read size, mode and format from an image's header without decoding its pixels.

    Raises
    ------
    ImageError
        As :func:`decode`, as far as the header shows it: a cut-short image has a fine header.
    """
    with opened(source) as image:
        W, H = image.size
        # Pillow turns TIFFs upright by itself, and their size with them.
        if image.format != "TIFF" and _orientation(image) >= 5:
            W, H = H, W
        return ImageInfo((H, W), image.mode, image.format or "unknown")


def check_channels(channels: object) -> None:
    """Refuse any number of channels but 1 and 3."""
    if isinstance(channels, bool) or channels not in (1, 3):
        raise DataError(f"Images have 1 channel (gray) or 3 (RGB), not {channels!r}.")


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
        with _pillow_warnings_muted(), _stream(source) as stream:
            head = stream.read(512)
            stream.seek(0)
            with Image.open(stream, formats=_formats()) as image:
                yield image
    except _UnusableError as error:
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


class _UnusableError(Exception):
    """A reason to refuse an image that Pillow itself had no trouble with."""


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


def _pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Turn a loaded image into opaque gray or RGB bytes, (H, W) or (H, W, 3), by its mode."""
    if image.mode.startswith("I"):
        return _gray_of_integers(image)
    if image.mode == "F":
        return _gray_of_floats(np.asarray(image))
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        image = cast(Image.Image, converted)  # None only when it converts in place
    elif image.has_transparency_data:
        if image.mode == "La":
            image = image.convert("LA")
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _gray_of_integers(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise _UnusableError(
            f"its 32-bit integers run from {low} to {high}, and only 0..65535 (16-bit gray) has an "
            "agreed meaning; save it as an 8-bit or 16-bit image"
        )
    gray = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 257 * 255
    transparent = image.info.get("transparency")  # PNG tRNS: one 16-bit value is see-through
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return gray


def _gray_of_floats(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())  # NaN if any value is
    if not (low >= 0 and high <= 255):
        raise _UnusableError(
            f"its floating-point values run from {low:g} to {high:g}, and only 0..1 and 0..255 "
            "have an agreed meaning; save it as an 8-bit image"
        )
    return np.rint(values * 255 if high <= 1 else values).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; what cannot be read counts as upright."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises as freely as damaged pixels, but the pixels are fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (CIPA DC-008, table 6): mirrored for 2, 4, 5 and 7."""
    if orientation >= 5:  # the stored rows are the picture's columns
        pixels = pixels.transpose(1, 0, 2)  # (W, H, C) to (H, W, C)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]


class _Muting:
    """Mutes Pillow's warnings while at least one thread decodes.

    ``warnings.catch_warnings`` swaps a list that all threads share. Two threads that enter and
    leave in turns would put back each other's list and leave the program muted for good, so the
    threads are counted: the first in changes the filters, the last out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._catcher = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._inside == 0:
                self._catcher = warnings.catch_warnings()
                self._catcher.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")  # corrupt EXIF, large photos
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    self._catcher.__exit__(None, None, None)


_pillow_warnings_muted = _Muting()
