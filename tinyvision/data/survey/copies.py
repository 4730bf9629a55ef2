"""Exact duplicates: files with the same content."""

from collections.abc import Iterator, Sequence

from .finding import Finding, Place
from .seen import Seen

# Of copies in several parts that one stays by which a model is measured: what it is told to have
# learnt stays comparable.
_STAYS = ("test", "val", "train", "all")


def find_copies(images: Sequence[Seen]) -> tuple[list[Finding], list[Seen]]:
    """Find the files that are there more than once.

    In each class one of them stays; the others are rejected. Copies in different classes
    contradict each other: which label is right takes a judgement, so that is a warning.

    Returns
    -------
    findings : list of Finding
    kept : list of Seen
        One of each content, in the order of ``images``.
    """
    by_content: dict[str, list[Seen]] = {}
    for image in images:
        by_content.setdefault(image.sha256, []).append(image)
    findings: list[Finding] = []
    kept: list[Seen] = []
    for image in images:
        group = by_content.pop(image.sha256, [])  # at the first of its content
        if not group:
            continue
        group.sort(key=_stays_before)  # stable: of equals the first in the folder's order
        kept.append(group[0])
        findings += _of_group(group)
    order = {image.place: i for i, image in enumerate(images)}
    findings.sort(key=lambda finding: order[finding.place])
    kept.sort(key=lambda image: order[image.place])
    return findings, kept


def describe_other(verb: str, place: Place, other: Place) -> tuple[str, bool, bool]:
    """Return the reason of a duplicate, whether it is a leak, and whether labels contradict."""
    leak, conflict = place.part != other.part, place.label != other.label
    again = place.path == other.path  # as only a list can have it
    reason = f"{verb} {'another line of the list' if again else other.path}"
    if conflict:
        reason += f", which is labelled {other.label!r}, not {place.label!r}"
    if leak:
        reason += f", {'and lies ' if conflict else 'which lies '}in the {other.part} part"
    return reason, leak, conflict


def _stays_before(image: Seen) -> tuple[bool, int]:
    return image.linked, _STAYS.index(image.place.part)


def _of_group(group: list[Seen]) -> Iterator[Finding]:
    """Compare each of the same files to the one that stays, of its class where there is one."""
    stays: dict[str, Seen] = {}  # label to the file that stays
    for image in group:
        place = image.place
        other = stays.setdefault(place.label, image)
        if other is not image:  # the rest of its class
            reason, leak, conflict = describe_other("it is the same file as", place, other.place)
            yield Finding(
                "duplicate", "reject", place, reason, other.place, leak, conflict, image.sha256
            )
        elif image is not group[0]:  # the first of its class, but not of all
            first = group[0].place
            reason, leak, conflict = describe_other("it is the same file as", place, first)
            yield Finding("duplicate", "warn", place, reason, first, leak, conflict, image.sha256)
