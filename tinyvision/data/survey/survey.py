"""Look at image after image and gather what the checks find."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ..dataset import Skipped
from ..resize import check_size
from ..threads import Progress, in_threads
from .blank import find_blank
from .copies import find_copies
from .doubts import Doubts
from .finding import CHECKS, Finding, Place
from .inventory import Inventory, Kind, Opened, take_inventory
from .judge import Judge
from .lookalikes import find_lookalikes
from .modes import find_modes
from .proportions import find_long
from .seen import Seen, look_at
from .small import find_tiny, wanted_size

_UNUSABLE = ("broken", "unreadable", "stray")


@dataclass(frozen=True)
class Survey:
    """What a folder of images, a list, shards or arrays hold.

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
    kind : {"folder", "list", "shards", "arrays"}
    open : callable
        Opens the image at a place's path, where that is no file of its own too.
    """

    root: str
    counts: dict[str, dict[str, int]]
    sizes: dict[tuple[int, int], int]
    modes: dict[str, int]
    formats: dict[str, int]
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    images: tuple[Seen, ...] = field(repr=False)
    kind: Kind
    open: Callable[[Path], Opened] = field(repr=False, compare=False)

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
            "kind": self.kind,
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
    """Look through a folder of images, or a list of them, shards or arrays.

    Every image is decoded, since only that tells whether it is whole, and once; what stays in
    memory is some hundred bytes of it.

    Parameters
    ----------
    root : path
        As :func:`tinyvision.data.load` takes it, but for names of data sets.
    progress : callable, optional
        Called after each image with the images done and the images in all.
    size : tuple of int, optional
        Height and width in pixels to train at; what is far smaller is found tiny. By default that
        of the judge, else 64 x 64 or, where most images are smaller, what they have.
    judge : Judge, optional
        A trained model that doubts labels, from :func:`tinyvision.inference.judge`.

    Raises
    ------
    DataError
        Nothing of the kind is there, or images have tags in place of one label; a class that the
        judge does not know. Everything less is a finding, or to be read in ``problems``.
    """
    if size is not None:
        check_size(size)
    there = take_inventory(Path(root))
    doubts = None
    if judge is not None:
        _refuse_unknown(there, judge)
        doubts = Doubts(judge)
    counts = {part: dict.fromkeys(names, 0) for part, names in there.classes.items()}
    images: list[Seen] = []
    findings = [_stray(skipped) for skipped in there.strays]
    looks = in_threads(lambda place: look_at(place, there, judge), there.places, progress)
    for seen, picture in looks:
        if isinstance(seen, Finding):
            findings.append(seen)
            continue
        images.append(seen)
        counts[seen.place.part][seen.place.label] += 1
        if doubts is not None and picture is not None:
            doubts.add(seen, picture)
    if size is None:
        size = judge.size if judge is not None else wanted_size(images)
    findings += _check(images, size)
    if doubts is not None:
        findings += doubts.findings(image.place.label for image in images)
    order = list(CHECKS)
    findings.sort(key=lambda finding: order.index(finding.check))
    return Survey(
        root=str(root),
        counts=counts,
        sizes=dict(Counter(image.size for image in images).most_common()),
        modes=dict(Counter(image.mode for image in images).most_common()),
        formats=dict(Counter(image.format for image in images).most_common()),
        findings=tuple(findings),
        problems=tuple(there.problems(counts)),
        images=tuple(images),
        kind=there.kind,
        open=there.open,
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


def _refuse_unknown(there: Inventory, judge: Judge) -> None:
    """Refuse, before hours of reading, a model that does not know the classes."""
    names = dict.fromkeys(name for classes in there.classes.values() for name in classes)
    unknown = [name for name in names if name not in judge.classes]
    if unknown:
        raise DataError(
            f"The model knows the classes {', '.join(judge.classes)}, not {', '.join(unknown)}: "
            "take one that was trained on these classes."
        )
