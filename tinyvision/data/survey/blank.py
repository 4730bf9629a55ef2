"""Blank images: one plain colour, or so nearly that nobody sees a difference."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .finding import Finding

if TYPE_CHECKING:
    from .seen import Seen

NARROW = 24  # levels of 255: a picture that shows something differs by more, somewhere
FLAT = 2.0  # levels of standard deviation: the noise of a camera behind its cap


def plain_levels(pixels: NDArray[np.uint8]) -> tuple[int, int] | None:
    """Return the darkest and the brightest level of a picture that shows nothing, else None.

    Range and deviation must both be small, in every channel: a bird in a white sky has a small
    deviation and a large range, faint stripes the reverse.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, C)
    """
    for some in (pixels[::16, ::16], pixels):  # a coarse grid settles it for nearly every image
        lows, highs = some.min((0, 1)), some.max((0, 1))  # of each channel
        if int((highs - lows).max()) > NARROW:
            return None
    if float(pixels.std((0, 1), np.float32).max()) >= FLAT:
        return None
    c = int((highs - lows).argmax())
    return int(lows[c]), int(highs[c])


def find_blank(images: "Sequence[Seen]") -> Iterator[Finding]:
    """Find images that show nothing.

    Those of more than 8 bits may only look blank in 8, so they are not rejected.
    """
    for image in images:
        if image.plain is None:
            continue
        low, high = image.plain
        if low == high:
            reason = "it shows nothing: all its pixels are the same"
        else:
            reason = f"it shows nothing: its levels run from {low} to {high} of 255"
        if image.mode.startswith("I") or image.mode == "F":
            reason += "; what its more than 8 bits hold is lost in 8"
            yield Finding("blank", "warn", image.place, reason, sha256=image.sha256)
        else:
            yield Finding("blank", "reject", image.place, reason, sha256=image.sha256)
