"""Tiny images: so small that enlarging them shows blocks, not things."""

from collections.abc import Iterator, Sequence

import numpy as np

from .finding import Finding
from .seen import Seen

WANTED = 64  # pixels along each side: what folders are trained at unless told otherwise
MOST = 2.0  # times that an image may be enlarged


def wanted_size(images: Sequence[Seen]) -> tuple[int, int]:
    """Return the size to judge by where none is given: 64 x 64, or less where all are small."""
    if not images:
        return WANTED, WANTED
    side = int(np.median([min(image.size) for image in images]))
    return (min(side, WANTED),) * 2


def find_tiny(images: Sequence[Seen], size: tuple[int, int]) -> Iterator[Finding]:
    """Find images that must be enlarged more than twice to cover ``size`` (H, W)."""
    for image in images:
        H, W = image.size
        times = max(size[0] / H, size[1] / W)
        if times > MOST:
            reason = (
                f"its {H} x {W} pixels are enlarged {times:.1f} times to cover "
                f"{size[0]} x {size[1]}"
            )
            yield Finding("tiny", "warn", image.place, reason, sha256=image.sha256)
