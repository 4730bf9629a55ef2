"""Walk through a folder of images and gather what the checks find."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..dataset import Skipped
from ..folder import Progress, class_problems, in_threads
from ..layout import Layout, find_images
from ..resize import check_size
from .blank import find_blank
from .copies import find_copies
from .doubts import Judge, find_doubtful
from .finding import CHECKS, Finding, Place
from .lookalikes import find_lookalikes
from .modes import find_modes
from .proportions import find_long
from .seen import Seen, look_at
from .small import find_tiny, wanted_size

_UNUSABLE = ("broken", "unreadable", "stray")


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
    findings : tuple of Finding
        What should be looked at, check by check in the order of ``CHECKS``.
    problems : tuple of str
        What would stop a training on this folder, a sentence each.
    images : tuple of Seen
        The usable images: where they lie, and their numbers.
    """

    root: str
    counts: dict[str, dict[str, int]]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    formats: dict[str, int]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    images: tuple[Seen, ...] = field(repr=False)

    @property
    def total(self) -> int:
        """Usable images."""
        return sum(self.sizes.values())

    @property
    def broken(self) -> tuple[Skipped, ...]:
        """Files that would be left out, and why."""
        return tuple(
            Skipped(str(finding.place.path), finding.reason)
            for finding in self.findings
            if finding.check in _UNUSABLE
        )

    @property
    def rejects(self) -> tuple[Finding, ...]:
        """The findings that nobody has to judge: the first reject of each file."""
        first: dict[Path, Finding] = {}
        for finding in self.findings:
            if finding.severity == "reject":
                first.setdefault(finding.place.path, finding)
        return tuple(first.values())

    def of(self, check: str) -> tuple[Finding, ...]:
        """Return the findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

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
        found = Counter(finding.check for finding in self.findings)
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
            "checks": {check: found[check] for check in CHECKS},
            "findings": [finding.to_dict() for finding in self.findings],
        }


def survey(
    root: Path | str,
    progress: Progress | None = None,
    *,
    size: tuple[int, int] | None = None,
    judge: Judge | None = None,
) -> Survey:
    """Look through a folder of images.

    Every file is decoded, since only that tells whether it is whole, and once; what stays in memory
    is some hundred bytes of it.

    Parameters
    ----------
    root : path
    progress : callable, optional
        Called after each file with the files done and the files in all; with a ``judge`` the usable
        ones are then counted once more.
    size : tuple of int, optional
        Height and width in pixels to train at; what is far smaller is found tiny. By default that
        of the judge, else 64 x 64 or, where most images are smaller, what they have.
    judge : Judge, optional
        A trained model that doubts labels, from :func:`tinyvision.inference.judge`.

    Raises
    ------
    DataError
        No such folder, an empty one, images without class folders; a class that the judge does not
        know. Everything less is a finding, or to be read in ``problems``.
    """
    if size is not None:
        check_size(size)
    layout = find_images(root)
    if judge is not None:
        _refuse_unknown(layout.parts, judge)
    places = [
        Place(path, part, name)
        for part, by_class in layout.parts.items()
        for name, paths in by_class.items()
        for path in paths
    ]
    counts = {part: dict.fromkeys(by_class, 0) for part, by_class in layout.parts.items()}
    images: list[Seen] = []
    findings = [_stray(skipped) for skipped in layout.strays]
    real_root = layout.root.resolve()
    for seen in in_threads(lambda at: look_at(at, real_root, layout.root), places, progress):
        if isinstance(seen, Finding):
            findings.append(seen)
        else:
            images.append(seen)
            counts[seen.place.part][seen.place.label] += 1
    if size is None:
        size = judge.size if judge is not None else wanted_size(images)
    findings += _check(images, size)
    if judge is not None:
        findings += find_doubtful(images, judge, progress=progress)
    order = list(CHECKS)
    findings.sort(key=lambda finding: order.index(finding.check))
    return Survey(
        root=str(root),
        counts=counts,
        sizes=dict(Counter(image.size for image in images).most_common()),
        modes=dict(Counter(image.mode for image in images).most_common()),
        formats=dict(Counter(image.format for image in images).most_common()),
        findings=tuple(findings),
        problems=(
            *class_problems(layout, counts[layout.training_part], min_per_class=2),
            *_unlearnt(layout),
        ),
        images=tuple(images),
    )


def _stray(skipped: Skipped) -> Finding:
    path = Path(skipped.path)  # a file without a class, or a folder that cannot be looked into
    return Finding("unreadable" if path.is_dir() else "stray", "warn", Place(path), skipped.reason)


def _check(images: Sequence[Seen], size: tuple[int, int]) -> list[Finding]:
    copies, kept = find_copies(images)
    return [
        *find_blank(images),
        *copies,
        *find_lookalikes(kept),
        *find_tiny(images, size),
        *find_long(images),
        *find_modes(images),
    ]


def _unlearnt(layout: Layout) -> list[str]:
    """Say which classes there is nothing to learn of, though they are to be tested."""
    return [
        f"{layout.root}: its {part} part has the class {name!r}, which its training part lacks; "
        "add images there or remove the folder."
        for part, by_class in layout.parts.items()
        for name, paths in by_class.items()
        if paths and name not in layout.classes
    ]


def _refuse_unknown(parts: dict[str, dict[str, tuple[Path, ...]]], judge: Judge) -> None:
    """Refuse, before hours of reading, a model that does not know the classes."""
    names = dict.fromkeys(name for by_class in parts.values() for name in by_class)
    unknown = [name for name in names if name not in judge.classes]
    if unknown:
        raise DataError(
            f"The model knows the classes {', '.join(judge.classes)}, not {', '.join(unknown)}: "
            "take one that was trained on these classes."
        )
