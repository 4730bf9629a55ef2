"""Groups are never cut, parts come close to their shares, classes stay in proportion."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data import Dataset, grouped_split, groups_of, hold_out, split
from tinyvision.errors import DataError


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=4, max_size=30),
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    seed=st.integers(0, 2**31),
)
def test_whole_groups_every_image_once_and_close_to_the_shares(sizes, weights, seed):
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    shares = np.array(weights) / sum(weights)
    parts = grouped_split(groups, shares, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(groups)))
    found = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, found)) == len(sizes)  # no group in two parts
    for part, share, names in zip(parts, shares, found, strict=True):
        assert (np.diff(part) > 0).all()
        assert bool(names) == (share > 0)
        assert len(part) - share * len(groups) < max(sizes)


def test_many_small_groups_fill_the_shares_nearly():
    groups = np.repeat(np.arange(300), np.random.default_rng(0).integers(1, 9, 300))
    sizes = [len(part) / len(groups) for part in grouped_split(groups, (0.7, 0.1, 0.2), 0)]
    assert sizes == pytest.approx([0.7, 0.1, 0.2], abs=0.005)


def test_classes_stay_in_proportion_where_the_groups_allow_it():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), 10)  # patients; 15 of them have the rare disease
    labels = np.where((groups % 7 == 0) & (rng.random(1000) < 0.8), 1, 0)
    train, test = grouped_split(groups, (0.8, 0.2), 0, labels=labels)
    share = labels.mean()
    assert labels[train].mean() == pytest.approx(share, abs=0.01)
    assert labels[test].mean() == pytest.approx(share, abs=0.02)
    assert len(test) == pytest.approx(200, abs=10)


def test_same_seed_same_split_and_other_seed_another():
    groups = np.arange(60) // 3
    first, again, other = (grouped_split(groups, (0.5, 0.5), seed)[0] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_too_few_groups_are_refused():
    with pytest.raises(DataError, match="2 groups cannot be in 3 parts at once without being cut"):
        grouped_split(["a", "b", "a"], (0.7, 0.1, 0.2), 0)
    with pytest.raises(DataError, match=r"2 groups, but labels of shape \(3,\)"):
        grouped_split([1, 2], (0.5, 0.5), 0, labels=[0, 1, 0])
    assert [len(part) for part in grouped_split([], (0.5, 0.5), 0)] == [0, 0]


PATHS = [Path("root/cats/p1/a.jpg"), Path("root/dogs/p1/b.jpg"), Path("root/dogs/p22/c.jpg")]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (0, ["cats", "dogs", "dogs"]),
        (-1, ["p1", "p1", "p22"]),
        (r"p(\d+)", ["1", "1", "22"]),
        (re.compile(r"p\d"), ["p1", "p1", "p2"]),
        (lambda path: path.count("a"), [2, 0, 0]),
    ],
)
def test_groups_from_paths(by, expected):
    assert groups_of(PATHS, by, root="root") == expected


def test_a_file_without_a_group_is_named():
    with pytest.raises(DataError, match=r"a.jpg belongs to no group: it lies in cats/p1, where"):
        groups_of(PATHS, 2, root="root")
    with pytest.raises(DataError, match=r"cats/p1/a.jpg belongs to no group: 'dog' does not match"):
        groups_of(PATHS, "dog", root="root")
    with pytest.raises(DataError, match="no regular expression"):
        groups_of(PATHS, "p(", root="root")


def test_a_data_set_is_split_by_groups_or_keys():
    rng = np.random.default_rng(0)
    images = np.arange(90, dtype=np.uint8).reshape(90, 1, 1, 1)
    data = Dataset(images, rng.integers(0, 2, 90), ("a", "b"), "toy")
    groups = images.ravel() // 5
    for choice in ({"groups": groups}, {"keys": groups}):
        parts = split(data, 0.2, 0.2, 0, **choice)
        sides = [set(part.images.ravel() // 5) for part in (parts.train, parts.val, parts.test)]
        assert sum(map(len, sides)) == 18 and all(sides)
        rest, held = hold_out(data, 0.3, 0, **choice)
        assert len(rest) + len(held) == 90
        assert not set(rest.images.ravel() // 5) & set(held.images.ravel() // 5)
    with pytest.raises(DataError, match="toy: 90 images but 3 groups"):
        split(data, groups=[1, 2, 3])
    with pytest.raises(DataError, match="follows groups or keys, not both"):
        split(data, groups=groups, keys=groups)
