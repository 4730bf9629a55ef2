"""What each of Pillow's pixel formats becomes: opaque gray or RGB bytes.

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
"""

from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms


class UnusableError(Exception):
    """A reason to refuse an image that Pillow itself had no trouble with."""


def pixels_of(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """Turn a loaded image into opaque bytes, (H, W, 1) or (H, W, 3), by its mode."""
    pixels = _pixels(image, channels)  # (H, W) or (H, W, 3)
    pixels = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, 1) or (H, W, 3)
    return pixels if pixels.shape[2] == channels else np.repeat(pixels, channels, axis=2)


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
    mode = "L" if channels == 1 else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _gray_of_integers(image: Image.Image) -> NDArray[np.uint8]:
    values = np.asarray(image)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise UnusableError(
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
        raise UnusableError(
            f"its floating-point values run from {low:g} to {high:g}, and only 0..1 and 0..255 "
            "have an agreed meaning; save it as an 8-bit image"
        )
    return np.rint(values * 255 if high <= 1 else values).astype(np.uint8)
