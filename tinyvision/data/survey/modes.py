"""Unusual pixel formats: they take a conversion, and a class full of them betrays itself."""

from collections import Counter
from collections.abc import Iterator, Sequence

from .finding import Finding
from .seen import Seen

RARE = 0.05  # of all images: what is rarer is unusual, whatever it is
_COMMON = {"L", "RGB", "1", "P", "RGBA", "LA", "PA"}
_BECOMES = {
    "1": "black and white without gray",
    "L": "gray",
    "LA": "gray with transparency; it is laid on white",
    "P": "colours from a palette",
    "PA": "colours from a palette, with transparency; it is laid on white",
    "RGB": "colour",
    "RGBA": "colour with transparency; it is laid on white",
    "CMYK": "inks for print; its colours are converted without their profile",
    "YCbCr": "luma and chroma; it is converted to RGB",
    "LAB": "lightness and colour; it is converted to RGB",
    "HSV": "hue and saturation; it is converted to RGB",
    "I": "32-bit integers; they are read as 16-bit gray",
    "F": "floating-point numbers",
}


def find_modes(images: Sequence[Seen]) -> Iterator[Finding]:
    """Find images of a pixel format that few others have, or that takes a lossy conversion."""
    counts = Counter(image.mode for image in images)
    for image in images:
        mode, share = image.mode, counts[image.mode] / len(images)
        if mode in _COMMON and share >= RARE:
            continue
        meaning = "16-bit gray; it is reduced to 8 bits" if mode.startswith("I;") else ""
        meaning = meaning or _BECOMES.get(mode, "it is converted to RGB")
        number = counts[mode]
        of = f"{number:,} of {len(images):,} images {'has' if number == 1 else 'have'} it"
        reason = f"its mode is {mode} ({meaning}); {of}"
        yield Finding("mode", "warn", image.place, reason, sha256=image.sha256)
