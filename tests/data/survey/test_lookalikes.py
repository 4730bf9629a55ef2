"""Near duplicates among many, held to comparing all with all."""

from pathlib import Path

import numpy as np
import pytest

from tinyvision.data.survey import Place, Seen
from tinyvision.data.survey.lookalikes import find_lookalikes


def seen(i: int, look: int | None, part: str, label: str) -> Seen:
    place = Place(Path(f"{i}.png"), part, label)
    return Seen(place, (9, 9), "RGB", "PNG", f"{i:064x}", look, None, False)


def made(seed: int, count: int) -> list[Seen]:
    """Looks in families: random ones, the same again, and some with 1 to 7 bits turned."""
    rng = np.random.default_rng(seed)
    looks = [int(x) for x in rng.integers(0, 2**63, count // 4)]
    while len(looks) < count:
        look = looks[rng.integers(len(looks))]
        for bit in rng.choice(64, rng.integers(0, 8), replace=False):
            look ^= 1 << int(bit)
        looks.append(look)
    order = rng.permutation(count)
    parts = sorted(rng.choice(["train", "val", "test"], count), key=["train", "val", "test"].index)
    labels = rng.choice(["cat", "dog"], count)
    return [seen(i, looks[order[i]], str(parts[i]), str(labels[i])) for i in range(count)]


def expected(images: list[Seen]) -> dict[int, tuple[bool, bool, int]]:
    """The most serious earlier image for each: leak, conflict, bits, by comparing all with all."""
    best = {}
    for i, a in enumerate(images):
        ranks = []
        for b in images[:i]:
            bits = (a.look ^ b.look).bit_count()
            if bits <= 4:
                leak = a.place.part != b.place.part
                ranks.append((not leak, a.place.label == b.place.label, bits))
        if ranks:
            same_part, same_label, bits = min(ranks)
            best[i] = (not same_part, not same_label, bits)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_as_by_comparing_all_with_all(seed: int) -> None:
    images = made(seed, 240)
    by_path = {image.place.path: image for image in images}
    found = {}
    for finding in find_lookalikes(images):
        i = int(finding.place.path.stem)
        assert finding.other is not None
        other = by_path[finding.other.path]
        assert int(other.place.path.stem) < i
        bits = (images[i].look ^ other.look).bit_count()
        assert (finding.leak, finding.conflict) == (
            other.place.part != images[i].place.part,
            other.place.label != images[i].place.label,
        )
        found[i] = (finding.leak, finding.conflict, bits)
    wanted = expected(images)
    assert found.keys() == wanted.keys() and len(wanted) > 50
    for i, (leak, conflict, bits) in wanted.items():
        assert found[i][:2] == (leak, conflict)
        # who stands for others just like it is compared for them: as near, among those as serious
        assert found[i][2] == bits


def test_thousands_of_frames_of_one_film() -> None:
    images = [seen(i, 2**40 + 7, "train", "film") for i in range(20_000)]
    images.append(seen(20_000, 2**40 + 6, "test", "film"))
    findings = list(find_lookalikes(images))
    assert len(findings) == 20_000
    assert {finding.other.path.name for finding in findings if finding.other} == {"0.png"}
    assert [finding.leak for finding in findings].count(True) == 1 and findings[-1].leak


def test_plain_pictures_look_like_nothing() -> None:
    assert list(find_lookalikes([seen(0, None, "all", "a"), seen(1, None, "all", "a")])) == []
    assert list(find_lookalikes([seen(0, 5, "all", "a")])) == []
