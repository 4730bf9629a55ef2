"""Odd proportions: banners and strips, of which a crop shows a small piece."""

from collections.abc import Iterator, Sequence
from math import exp, log

import numpy as np

from .finding import Finding
from .seen import Seen

MOST = 3.0  # times as wide, or as high, as the others


def find_long(images: Sequence[Seen]) -> Iterator[Finding]:
    """Find images more than three times as wide for their height, or as high, as is usual."""
    if not images:
        return
    ratios = np.array([log(image.size[1] / image.size[0]) for image in images])
    usual = float(np.median(ratios))
    for image, ratio in zip(images, ratios.tolist(), strict=True):
        if abs(ratio - usual) > log(MOST) + 1e-9:
            H, W = image.size
            shape = f"{W / H:.1f} times as wide as high" if W >= H else f"{H / W:.1f} times as high"
            shape += "" if W >= H else " as wide"
            reason = f"its {H} x {W} pixels are {shape}; usual are {_usual(usual)}"
            yield Finding("proportions", "warn", image.place, reason, sha256=image.sha256)


def _usual(ratio: float) -> str:
    wide, high = (exp(ratio), 1.0) if ratio >= 0 else (1.0, exp(-ratio))
    return f"{wide:.1f} : {high:.1f}".replace(".0", "")
