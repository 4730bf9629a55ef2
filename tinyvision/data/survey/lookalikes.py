"""Near duplicates: scaled, recompressed, slightly cut copies, found by how they look."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..collect.duplicates import NEAR
from .copies import describe_other
from .finding import Finding
from .seen import Seen

# 64 bits in NEAR + 1 bands: where at most NEAR bits differ, one band at least is the same, so only
# images that share a band are compared (the pigeonhole principle), not all with all.
_BANDS = np.array_split(np.arange(64, dtype=np.uint64), NEAR + 1)


def find_lookalikes(images: Sequence[Seen]) -> Iterator[Finding]:
    """Find images that look like an earlier one.

    Each is told once, with the one it looks most like; one in another part comes first, then one
    in another class.

    Parameters
    ----------
    images : sequence of Seen
        With one of each content.
    """
    shown = [image for image in images if image.look is not None]
    if len(shown) < 2:
        return
    looks = np.array([image.look for image in shown], np.uint64)
    # Video frames may be alike by the thousands: of those that share look, part and class the
    # first stands for all, and only those are compared.
    parts, labels = (
        _numbers([s.place.part for s in shown]),
        _numbers([s.place.label for s in shown]),
    )
    alike = np.stack([looks, parts, labels], axis=1)  # (N, 3)
    _, first, of = np.unique(alike, axis=0, return_index=True, return_inverse=True)
    stands = first[of.reshape(-1)]  # for each image the first that is just like it
    own = np.flatnonzero(stands == np.arange(len(shown)))
    best = _nearest_earlier(looks[own], parts[own], labels[own])
    nearest = np.full(len(shown), -1)
    nearest[own] = np.where(best >= 0, own[best], -1)
    for i, image in enumerate(shown):
        # not the first of its look: the most serious that holds for the first holds for it
        j = int(nearest[stands[i]])
        if stands[i] != i and (j < 0 or not _serious(image, shown[j])):
            j = int(stands[i])
        if j < 0:
            continue
        other = shown[j].place
        reason, leak, conflict = describe_other("it looks like", image.place, other)
        bits = int(np.bitwise_count(looks[i] ^ looks[j]))
        if bits:
            reason += f" ({bits} of 64 bits of their looks differ)"
        yield Finding(
            "near duplicate", "warn", image.place, reason, other, leak, conflict, image.sha256
        )


def _serious(image: Seen, other: Seen) -> bool:
    return (image.place.part, image.place.label) != (other.place.part, other.place.label)


def _numbers(names: list[str]) -> NDArray[np.uint64]:
    known = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([known[name] for name in names], np.uint64)


def _nearest_earlier(
    looks: NDArray[np.uint64], parts: NDArray[np.uint64], labels: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Return for each the earlier one that is nearest, -1 where none is near enough."""
    N = len(looks)
    cost = np.full(N, np.iinfo(np.int64).max)
    best = np.full(N, -1)
    for bits in _BANDS:
        band = (looks >> bits[0]) & np.uint64((1 << len(bits)) - 1)
        order = np.argsort(band, kind="stable")  # equal bands side by side, each in order
        ends = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, ends):
            for k in range(1, len(bucket)):
                i, earlier = bucket[k], bucket[:k]
                differ = np.bitwise_count(looks[earlier] ^ looks[i]).astype(np.int64)
                same_part, same_label = parts[earlier] == parts[i], labels[earlier] == labels[i]
                # a leak before a contradiction before the rest; then by bits, then by order
                costs = ((same_part * 2 + same_label) * 64 + differ) * N + earlier
                costs[differ > NEAR] = np.iinfo(np.int64).max
                at = int(costs.argmin())
                if costs[at] < cost[i]:
                    cost[i], best[i] = costs[at], earlier[at]
    return best
