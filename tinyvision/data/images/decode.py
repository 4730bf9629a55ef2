"""Decode an image file to an array of bytes, or read what its header says."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from .jpeg import decode_fast
from .modes import pixels_of
from .opening import opened
from .upright import orientation_of, upright


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
        photos; both its sides stay at least half as long again as the larger of the two numbers.

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
    # One number for both sides, since the photo may lie on its side. Reduced once and a half after
    # a JPEG's own reduction, images are as sharp as if all had been reduced at once: 39 dB on
    # average; without that rest it would be 33.
    side = None if at_least is None else -(-3 * max(at_least) // 2)
    pixels = decode_fast(source, channels, side)
    if pixels is None:
        with opened(source) as image:
            if side is not None:
                image.draft(None, (side, side))
            image.load()
            pixels = upright(pixels_of(image, channels), orientation_of(image))
    return np.require(pixels, requirements=["C", "W"])


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
        if image.format != "TIFF" and orientation_of(image) >= 5:
            W, H = H, W
        return ImageInfo((H, W), image.mode, image.format or "unknown")


def check_channels(channels: object) -> None:
    """Refuse any number of channels but 1 and 3."""
    if isinstance(channels, bool) or channels not in (1, 3):
        raise DataError(f"Images have 1 channel (gray) or 3 (RGB), not {channels!r}.")
