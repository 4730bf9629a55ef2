import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyvision.data.dataset import Dataset
from tinyvision.data.split import hold_out, split, stratified_split
from tinyvision.errors import DataError


def make(counts: list[int]) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), counts)
    images = np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return Dataset(images, labels, tuple(f"class {k}" for k in range(len(counts))), "toy")


def table(labels: np.ndarray, parts: list[np.ndarray]) -> list[list[int]]:
    """Images per class (rows) and part (columns)."""
    return [[int((labels[part] == k).sum()) for part in parts] for k in np.unique(labels)]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (100, [70, 10, 20]),
        (10, [7, 1, 2]),
        (13, [9, 1, 3]),  # 9.1, 1.3, 2.6: the largest remainder is the test part's
        (5, [3, 1, 1]),  # 3.5, 0.5, 1.0: rounded to 4, 0, 1; validation takes one from training
        (3, [1, 1, 1]),
        (2, [1, 0, 1]),  # two images, three parts: the two largest
    ],
)
def test_counts_by_hand(n: int, expected: list[int]) -> None:
    labels = np.zeros(n, np.int64)
    assert table(labels, stratified_split(labels, (0.7, 0.1, 0.2), 0)) == [expected]


def test_classes_are_dealt_out_one_by_one() -> None:
    labels = make([10, 100, 30]).labels
    parts = stratified_split(labels, (0.7, 0.1, 0.2), 3)
    assert table(labels, parts) == [[7, 1, 2], [70, 10, 20], [21, 3, 6]]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=6),
    weights=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    seed=st.integers(0, 2**31),
)
def test_every_image_once_and_in_proportion(
    counts: list[int], weights: list[int], seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(make(counts).labels)
    fractions = [weight / sum(weights) for weight in weights]
    parts = stratified_split(labels, fractions, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for part in parts:
        assert part.dtype == np.int64 and (np.diff(part) > 0).all()
    used = sum(weight > 0 for weight in weights)
    for n, row in zip(counts, table(labels, parts), strict=True):
        for got, fraction in zip(row, fractions, strict=True):
            assert (got > 0) or fraction == 0 or n < used
            # rounding moves a part by less than 1, making room for rare parts by `used` at most
            assert abs(got - n * fraction) < 1 + used
            assert got == 0 or fraction > 0


def test_same_seed_same_split_and_other_seed_another() -> None:
    labels = make([50, 50]).labels
    first, again, other = (stratified_split(labels, (0.5, 0.5), seed)[0] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_the_draw_is_random_not_the_first_images() -> None:
    _, held = stratified_split(np.zeros(1000, np.int64), (0.8, 0.2), 0)
    assert 450 < held.mean() < 550  # standard error of the mean of 200 of 1000: 18
    assert len(np.unique(np.diff(held))) > 5


def test_classes_are_drawn_independently() -> None:
    labels = make([40, 40]).labels
    _, held = stratified_split(labels, (0.5, 0.5), 0)
    assert held[labels[held] == 0].tolist() != (held[labels[held] == 1] - 40).tolist()


def test_adding_to_one_class_leaves_the_others_split() -> None:
    before = make([20, 20]).labels
    after = np.concatenate([before, np.ones(7, np.int64)])
    a, b = (stratified_split(labels, (0.5, 0.5), 5)[1] for labels in (before, after))
    assert a[before[a] == 0].tolist() == b[after[b] == 0].tolist()


@pytest.mark.parametrize("bad", [(0.5, 0.6), (1.5, -0.5), (), (float("nan"), 1.0), (0.2, 0.2)])
def test_fractions_that_are_no_shares(bad: tuple[float, ...]) -> None:
    with pytest.raises(DataError, match="must be 0 or more and sum to 1"):
        stratified_split(np.zeros(4, np.int64), bad, 0)


def test_one_image_in_a_class() -> None:
    with pytest.raises(DataError, match="Class 1 has one image, which cannot be in 2 parts"):
        stratified_split(np.array([0, 0, 1]), (0.5, 0.5), 0)
    with pytest.raises(DataError, match="toy: class 'class 1' has one image"):
        split(make([5, 1]))
    with pytest.raises(DataError, match="toy: class 'class 1' has one image"):
        hold_out(make([5, 1]), 0.5, 0)
    rest, held = hold_out(make([5, 1]), 0.0, 0)  # nothing held out: nothing to refuse
    assert (len(rest), len(held)) == (6, 0)
    assert len(split(make([5, 1]), val=0, test=0).train) == 6


def test_split_names_and_keeps_images_with_their_labels() -> None:
    data = make([20, 30])
    parts = split(data, val=0.2, test=0.3, seed=1)
    named = [(parts.train, "toy train"), (parts.val, "toy validation"), (parts.test, "toy test")]
    assert [part.name for part, _ in named] == [name for _, name in named]
    assert [part.counts().tolist() for part, _ in named] == [[10, 15], [4, 6], [6, 9]]
    for part, _ in named:
        numbers = part.images[:, 0, 0, 0].astype(int)  # each image holds its own number
        assert (data.labels[numbers] == part.labels).all()


def test_hold_out() -> None:
    rest, held = hold_out(make([10, 20]), 0.1, 0)
    assert (rest.name, held.name) == ("toy", "toy (held out)")
    assert (rest.counts().tolist(), held.counts().tolist()) == ([9, 18], [1, 2])


def test_an_empty_set_splits_into_empty_parts() -> None:
    assert [len(part) for part in hold_out(make([0, 0]), 0.5, 0)] == [0, 0]


@pytest.mark.parametrize(
    ("val", "test"), [(0.5, 0.5), (0.7, 0.3), (-0.1, 0.2), (0.9, 0.2), (float("nan"), 0)]
)
def test_impossible_shares(val: float, test: float) -> None:
    with pytest.raises(DataError, match=r"validation share of .* are not possible"):
        split(make([5, 5]), val=val, test=test)


@pytest.mark.parametrize("fraction", [1.0, -0.1, float("nan")])
def test_impossible_hold_out(fraction: float) -> None:
    with pytest.raises(DataError, match="cannot be held out"):
        hold_out(make([5, 5]), fraction, 0)
