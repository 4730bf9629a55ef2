"""Blank images: one plain colour, or so nearly that nobody sees a difference."""

from collections.abc import Iterator, Sequence

from .finding import Finding
from .seen import Seen

FLAT = 2.0  # levels of standard deviation: the noise of a camera behind its cap


def find_blank(images: Sequence[Seen]) -> Iterator[Finding]:
    """Find images whose levels, 0 to 255, hardly differ.

    Range and deviation must both be small: a bird in a white sky has a small deviation and a large
    range (its ``spread`` counts as infinite), faint stripes the reverse. Pictures of more than 8
    bits that only look blank in 8 are not rejected.
    """
    for image in images:
        if image.spread >= FLAT:
            continue
        low, high = image.low, image.high
        if low == high:
            reason = "it shows nothing: all its pixels are the same"
        else:
            reason = f"it shows nothing: its levels run from {low} to {high} of 255"
        if image.mode.startswith("I") or image.mode == "F":
            reason += "; what its more than 8 bits hold is lost in 8"
            yield Finding("blank", "warn", image.place, reason, sha256=image.sha256)
        else:
            yield Finding("blank", "reject", image.place, reason, sha256=image.sha256)
