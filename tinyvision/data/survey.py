"""Look through a folder of images before training on it: what is there, and what is wrong."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .dataset import Skipped
from .folder import Progress, class_problems, in_threads
from .images import ImageError, ImageInfo, decode, probe
from .layout import find_images


@dataclass(frozen=True)
class Survey:
    """What a folder of images holds.

    Parameters
    ----------
    root : str
    counts : dict
        Part ("all", or "train", "val" and "test") to class to number of usable images.
    sizes : dict
        (height, width) in pixels to number of usable images, commonest first.
    modes, formats : dict
        Pillow's pixel formats and file formats to number of usable images, commonest first.
    broken : tuple of Skipped
        Files that would be left out, and why.
    problems : tuple of str
        What would stop a training on this folder, a sentence each.
    """

    root: str
    counts: dict[str, dict[str, int]]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    formats: dict[str, int]
    broken: tuple[Skipped, ...]
    problems: tuple[str, ...]

    @property
    def total(self) -> int:
        """Usable images."""
        return sum(self.sizes.values())

    @property
    def heights(self) -> tuple[int, int, int] | None:
        """Smallest, median and largest height in pixels; None without usable images."""
        return self._range(0)

    @property
    def widths(self) -> tuple[int, int, int] | None:
        """Smallest, median and largest width in pixels; None without usable images."""
        return self._range(1)

    def _range(self, axis: int) -> tuple[int, int, int] | None:
        if not self.sizes:
            return None
        sides = np.repeat([size[axis] for size in self.sizes], list(self.sizes.values()))
        # Of an even number, the lower of the two in the middle: a size that does occur.
        median = np.percentile(sides, 50, method="lower")
        return int(sides.min()), int(median), int(sides.max())

    def to_dict(self) -> dict[str, Any]:
        """Return the survey as JSON knows it; sizes become "heightxwidth"."""
        return {
            "root": self.root,
            "total": self.total,
            "counts": self.counts,
            "sizes": {f"{H}x{W}": count for (H, W), count in self.sizes.items()},
            "heights": self.heights,
            "widths": self.widths,
            "modes": self.modes,
            "formats": self.formats,
            "broken": [{"path": file.path, "reason": file.reason} for file in self.broken],
            "problems": list(self.problems),
        }


def survey(root: Path | str, progress: Progress | None = None) -> Survey:
    """Look through a folder of images.

    Every file is decoded, since only that tells whether it is whole.

    Parameters
    ----------
    root : path
    progress : callable, optional
        Called after each file with the files done and the files in all.

    Raises
    ------
    DataError
        No such folder, an empty one, images without class folders. Everything less is a finding,
        to be read in ``problems``.
    """
    layout = find_images(root)
    files = [
        (part, name, path)
        for part, by_class in layout.parts.items()
        for name, paths in by_class.items()
        for path in paths
    ]
    counts = {part: dict.fromkeys(by_class, 0) for part, by_class in layout.parts.items()}
    found: list[ImageInfo] = []
    broken = list(layout.strays)
    outcomes = in_threads(_inspect, [path for _, _, path in files], progress)
    for (part, name, _), outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Skipped):
            broken.append(outcome)
        else:
            found.append(outcome)
            counts[part][name] += 1
    training = counts[layout.training_part]
    return Survey(
        root=str(root),
        counts=counts,
        sizes=dict(Counter(info.size for info in found).most_common()),
        modes=dict(Counter(info.mode for info in found).most_common()),
        formats=dict(Counter(info.format for info in found).most_common()),
        broken=tuple(broken),
        problems=tuple(class_problems(layout, training, min_per_class=2)),
    )


def _inspect(path: Path) -> ImageInfo | Skipped:
    try:
        decode(path, 3, at_least=(1, 1))
        return probe(path)
    except ImageError as error:
        return Skipped(error.path, error.reason)
