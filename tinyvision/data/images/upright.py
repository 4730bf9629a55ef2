"""Which way up an image is: what cameras note in EXIF instead of turning the pixels."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .opening import opened

_ORIENTATION = 0x0112  # EXIF tag: how the stored rows and columns lie in the upright picture


def orientation_of(image: Image.Image | bytes) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; what cannot be read counts as upright."""
    if isinstance(image, bytes):
        with opened(image) as read:
            return orientation_of(read)
    if image.format == "JPEG" and not image.info.keys() & {"exif", "xmp"}:
        return 1  # as most photos on the net have it
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises as freely as damaged pixels, but the pixels are fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (CIPA DC-008, table 6): mirrored for 2, 4, 5 and 7."""
    if orientation >= 5:  # the stored rows are the picture's columns
        pixels = pixels.transpose(1, 0, 2)  # (W, H, C) to (H, W, C)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
