import numpy as np
import pytest

from tinyvision.data.dataset import Dataset, Skipped, Splits
from tinyvision.errors import DataError


def make(n: int = 6, name: str = "toy", shape: tuple[int, int, int] = (4, 5, 3)) -> Dataset:
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1) + np.zeros((1, *shape), np.uint8)
    return Dataset(images, np.arange(n) % 3, ("a", "b", "c", "never"), name)


def test_counts_include_classes_without_images() -> None:
    data = make(7)
    assert len(data) == 7
    assert data.image_shape == (4, 5, 3)
    assert data.counts().tolist() == [3, 2, 2, 0]
    assert data.counts().dtype == np.int64


def test_repr_says_what_is_inside_and_not_every_pixel() -> None:
    assert repr(make()) == "Dataset('toy', 6 images of 4 x 5 x 3, 4 classes)"


def test_subset_keeps_order_repeats_and_classes() -> None:
    part = make().subset([4, 0, 4], name="part")
    assert part.images[:, 0, 0, 0].tolist() == [4, 0, 4]
    assert part.labels.tolist() == [1, 0, 1]
    assert part.classes == ("a", "b", "c", "never")
    assert part.name == "part"
    assert make().subset(np.array([1], np.uint8)).name == "toy"


def test_empty_subset() -> None:
    part = make().subset([])
    assert len(part) == 0
    assert part.images.shape == (0, 4, 5, 3)
    assert part.counts().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 6], "position 6 is outside the 6 images"),
        ([-1], "position -1 is outside"),
        ([0.5], "integer positions, got float64"),
        ([True, False], "integer positions, got bool"),
        ([[0, 1]], r"shape \(1, 2\)"),
    ],
)
def test_subset_refuses(indices: list[int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make().subset(indices)


IMAGES = np.zeros((2, 4, 4, 3), np.uint8)
LABELS = np.array([0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (IMAGES.astype(np.float32), LABELS, ("a", "b"), r"must be uint8 .* got float32"),
        (IMAGES[..., 0], LABELS, ("a", "b"), r"shape \(N, H, W, C\), got uint8 of shape \(2, 4, 4"),
        (IMAGES.tolist(), LABELS, ("a", "b"), "must be a NumPy array, got list"),
        (IMAGES, LABELS.astype(np.int32), ("a", "b"), "labels must be int64 .* got int32"),
        (IMAGES, LABELS[:, None], ("a", "b"), r"shape \(N,\), got int64 of shape \(2, 1\)"),
        (IMAGES, LABELS[:1], ("a", "b"), "2 images but 1 labels"),
        (IMAGES, np.array([0, 2]), ("a", "b"), "image 1 has the label 2.*from 0 to 1"),
        (IMAGES, np.array([-1, 0]), ("a", "b"), "image 0 has the label -1"),
        (IMAGES, LABELS, ("a", "a"), "'a' is used more than once"),
        (IMAGES[:, :0], LABELS, ("a", "b"), r"\(2, 0, 4, 3\) have no pixels"),
    ],
)
def test_dataset_refuses(images: object, labels: object, classes: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(images, labels, classes, "bad")  # type: ignore[arg-type]


def test_splits_share_classes_and_shape() -> None:
    splits = Splits(make(6), make(3), make(0))
    assert splits.classes == ("a", "b", "c", "never")
    assert splits.image_shape == (4, 5, 3)
    assert splits.skipped == ()


def test_splits_refuse_parts_that_do_not_fit() -> None:
    with pytest.raises(DataError, match=r"val: its images are \(8, 8, 3\), those of toy"):
        Splits(make(), make(name="val", shape=(8, 8, 3)), make())
    other = Dataset(make().images, make().labels, ("x", "y", "z"), "other")
    with pytest.raises(DataError, match="other: its classes"):
        Splits(make(), make(), other)


def test_skipped_prints_as_one_line() -> None:
    assert str(Skipped("a/b.png", "cut short")) == "a/b.png: cut short"
