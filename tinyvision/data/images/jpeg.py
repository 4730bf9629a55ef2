"""JPEG by libjpeg-turbo itself, where the package simplejpeg is installed.

Pillow decodes with the same library, but keeps each pixel in four bytes, takes the file in pieces
and copies the result; for small photos that costs more than decoding. The pixels are the same
to the last bit (a test holds them equal), so nothing depends on which of the two did the work.

Whatever is unusual is left to Pillow: CMYK, damaged files (which get its sentence), tiny ones.
"""

from collections.abc import Callable
from functools import cache
from math import inf
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .upright import orientation_of, upright

# What a faster decoder is: the content of a JPEG file and the side that both its sides are to keep
# (None: in full), to (H, W, 1) or (H, W, 3) as stored; None where it leaves the file to Pillow.
JpegDecoder = Callable[[bytes, int | None], NDArray[np.uint8] | None]

_SIGNATURE = b"\xff\xd8\xff"
_SMALLEST = 64  # pixels; below, libjpeg-turbo's further scales give sizes that halves give too
_KINDS = {"YCbCr": "RGB", "Gray": "GRAY"}  # as stored: as decoded
_NOTES = (b"Exif\0\0", b"http://ns.adobe.com/xap/")  # where a camera notes how it was held


@cache
def fast_decoder() -> JpegDecoder | None:
    """Return the faster decoder that is installed, if one is."""
    try:
        import simplejpeg
    except ImportError:
        return None

    def decode(content: bytes, side: int | None) -> NDArray[np.uint8] | None:
        H, W, kind, _ = simplejpeg.decode_jpeg_header(content)
        limit = Image.MAX_IMAGE_PIXELS or inf  # where Pillow begins to suspect a bomb
        if kind not in _KINDS or min(H, W) < _SMALLEST or limit < H * W:
            return None
        scale = 1 if side is None else scale_of(H, W, side)
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            content, _KINDS[kind], min_height=-(-H // scale), min_width=-(-W // scale)
        )
        return pixels

    return decode


def scale_of(H: int, W: int, side: int) -> int:
    """Return 8, 4, 2 or 1: the part of its size at which an image is decoded; as Pillow's draft."""
    most = min(H, W) // side
    return next(scale for scale in (8, 4, 2, 1) if scale <= max(most, 1))


def decode_fast(
    source: Path | str | bytes | BinaryIO, channels: int, side: int | None
) -> NDArray[np.uint8] | None:
    """Decode a JPEG upright to (H, W, channels); None where Pillow has to."""
    fast = fast_decoder()
    content = None if fast is None else _jpeg_content(source)
    if fast is None or content is None:
        return None
    try:
        pixels = fast(content, side)
        noted = any(note in content for note in _NOTES)
        orientation = orientation_of(content) if noted else 1
    except Exception:  # ValueError, as a rule; Pillow finds out what is wrong, and says it
        return None
    if pixels is None:
        return None
    if pixels.shape[2] > channels:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None]
    elif pixels.shape[2] < channels:
        pixels = np.repeat(pixels, channels, axis=2)
    return upright(pixels, orientation)


def _jpeg_content(source: Path | str | bytes | BinaryIO) -> bytes | None:
    if isinstance(source, bytes):
        return source if source.startswith(_SIGNATURE) else None
    if not isinstance(source, (str, Path)):
        return None
    try:
        with Path(source).open("rb") as file:
            head = file.read(len(_SIGNATURE))
            return head + file.read() if head == _SIGNATURE else None
    except OSError:
        return None
