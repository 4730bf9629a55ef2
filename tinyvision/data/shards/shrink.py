"""Reduce large photos before they are packed: the one change that shards may make to images."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import DataError
from ..images import decode, probe
from ..resize import resize

_GRAY_MODES = ("1", "L", "LA", "La", "F")  # and all that begin with I: 16-bit and 32-bit gray

EXTENSIONS = {"JPEG": "jpg", "MPO": "jpg", "JPEG2000": "jp2", "TIFF": "tif"}


@dataclass(frozen=True)
class Shrink:
    """Bring the shorter side of larger images down, and keep smaller ones as they are.

    Proportions stay, so that any crop can be taken later.

    Parameters
    ----------
    shorter : int
        Pixels of the shorter side.
    quality : int
        Of JPEG, 1 to 95. Images stored in other formats become PNG, without loss.

    Raises
    ------
    DataError
        A side below 1, or no such quality.
    """

    shorter: int
    quality: int = 92

    def __post_init__(self) -> None:
        if self.shorter < 1 or not 1 <= self.quality <= 95:
            raise DataError(
                "Images are shrunk to a shorter side of 1 pixel or more with a JPEG quality of 1 "
                f"to 95, got {self.shorter} and {self.quality}."
            )

    def __call__(self, content: bytes) -> bytes:
        """Return the image as it is to be stored; the very same bytes where it is small already.

        Raises
        ------
        ImageError
            It cannot be decoded.
        """
        info = probe(content)
        H, W = info.size
        scale = self.shorter / min(H, W)
        if scale >= 1:
            return content
        size = (max(round(H * scale), 1), max(round(W * scale), 1))
        gray = info.mode in _GRAY_MODES or info.mode.startswith("I")
        image = decode(content, 1 if gray else 3, at_least=size)
        small = resize(image, size, "stretch")
        return encoded(small, self.quality if extension_of(info.format) == "jpg" else None)


def encoded(image: NDArray[np.uint8], quality: int | None = None) -> bytes:
    """Return an image (H, W, C) as a JPEG file of that quality, or as PNG."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    file = BytesIO()
    if quality is None:
        picture.save(file, "PNG")
    else:
        picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def extension_of(format: str) -> str:
    """Return the extension by which readers know a format, as Pillow names it."""
    return EXTENSIONS.get(format, format.lower())
