from itertools import chain

import numpy as np
import pytest

from tinyvision.data.batches import Batches
from tinyvision.data.dataset import Dataset
from tinyvision.data.preprocess import Preprocess
from tinyvision.errors import DataError

PLAIN = Preprocess((1, 1), 1, std=(1 / 255,))  # leaves a byte's value as it is


def make(n: int) -> Dataset:
    """Image i holds the value i and has the label i modulo 3."""
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return Dataset(images, np.arange(n) % 3, ("a", "b", "c"), "toy")


def numbers(batches: Batches, e: int) -> list[list[int]]:
    out = []
    for x, labels in batches.epoch(e):
        assert x.dtype == np.float32 and labels.dtype == np.int64
        assert x.shape == (len(labels), 1, 1, 1)
        values = np.rint(x[:, 0, 0, 0]).astype(int)
        assert (values % 3 == labels).all()  # images and labels stay together
        out.append(values.tolist())
    assert len(out) == len(batches)
    return out


def test_in_order() -> None:
    assert numbers(Batches(make(5), PLAIN, 2), 7) == [[0, 1], [2, 3], [4]]


def test_drop_last() -> None:
    assert numbers(Batches(make(5), PLAIN, 2, drop_last=True), 0) == [[0, 1], [2, 3]]
    assert numbers(Batches(make(4), PLAIN, 2, drop_last=True), 0) == [[0, 1], [2, 3]]


def test_one_batch_of_everything() -> None:
    assert numbers(Batches(make(3), PLAIN, 100), 0) == [[0, 1, 2]]


def test_no_images_no_batches() -> None:
    assert numbers(Batches(make(0), PLAIN, 4, shuffle=True, drop_last=True), 0) == []


def test_shuffle_has_every_image_once_in_an_order_of_its_own_each_epoch() -> None:
    batches = Batches(make(50), PLAIN, 8, shuffle=True, seed=1)
    epochs = [list(chain(*numbers(batches, e))) for e in range(3)]
    for order in epochs:
        assert sorted(order) == list(range(50))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert abs(np.corrcoef(np.arange(50), epochs[0])[0, 1]) < 0.5


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    batches = Batches(make(50), PLAIN, 8, shuffle=True, seed=1)
    later = numbers(batches, 5)
    list(batches)  # iterating advances nothing
    assert numbers(batches, 5) == later
    larger = Batches(make(50), PLAIN, 11, shuffle=True, seed=1)
    assert list(chain(*numbers(larger, 5))) == list(chain(*later))
    assert numbers(Batches(make(50), PLAIN, 8, shuffle=True, seed=2), 5) != later


def test_iterating_is_epoch_0() -> None:
    batches = Batches(make(20), PLAIN, 8, shuffle=True)
    for (x, labels), (y, others) in zip(batches, batches.epoch(0), strict=True):
        np.testing.assert_array_equal(x, y)
        np.testing.assert_array_equal(labels, others)


def test_preprocess_is_applied() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)
    steps = Preprocess((3, 3), 3, mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3))
    ((x, _),) = Batches(Dataset(images, np.zeros(4, np.int64), ("a",), "toy"), steps, 4)
    np.testing.assert_array_equal(x, steps.batch(images))
    assert x.shape == (4, 3, 3, 3)


def test_refused() -> None:
    with pytest.raises(DataError, match="at least 1 image, got a batch size of 0"):
        Batches(make(3), PLAIN, 0)
    with pytest.raises(DataError, match="toy: its 3 images are fewer than one batch of 4"):
        Batches(make(3), PLAIN, 4, drop_last=True)
