"""A finding: an image that should be looked at, and why."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Severity = Literal["reject", "warn"]

# The checks in the order in which their findings are told: what is moved aside, then what to judge
CHECKS = {
    "broken": "it cannot be decoded completely",
    "blank": "it shows nothing",
    "duplicate": "the same file is there twice",
    "unreadable": "the file cannot be opened, so nothing is known of it",
    "stray": "it lies outside the class folders",
    "near duplicate": "it looks like another image, and may be the same",
    "doubtful label": "a model says otherwise",
    "tiny": "it has too few pixels",
    "proportions": "it is much longer than the others",
    "mode": "its pixel format is unusual",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies.

    Parameters
    ----------
    path : Path
    part : str
        "all", or "train", "val" or "test"; empty for what belongs to none.
    label : str
        The class; empty for what belongs to none.
    """

    path: Path
    part: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about an image that its owner should know.

    Parameters
    ----------
    check : str
        One of ``CHECKS``.
    severity : {"reject", "warn"}
        Rejected is what nobody would miss; whatever takes a judgement is a warning.
    place : Place
    reason : str
        In one sentence, without its full stop.
    other : Place, optional
        The image that it is a duplicate of.
    leak : bool
        The two lie in different parts: what is tested on has been learnt.
    conflict : bool
        The two lie in different classes: if they are the same, one of the labels is wrong.
    sha256 : str
        Of the file; empty where it could not be read.
    """

    check: str
    severity: Severity
    place: Place
    reason: str
    other: Place | None = None
    leak: bool = False
    conflict: bool = False
    sha256: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON knows it; paths become text."""
        return {
            "check": self.check,
            "severity": self.severity,
            **_place(self.place),
            "reason": self.reason,
            "other": None if self.other is None else _place(self.other),
            "leak": self.leak,
            "conflict": self.conflict,
            "sha256": self.sha256,
        }


def _place(place: Place) -> dict[str, str]:
    return {**asdict(place), "path": str(place.path)}
