"""A trainer learns from files and shards exactly what it learns from memory."""

import threading

import pytest

from tests.train.small import small_trainer, stripe_folder
from tinyvision import random
from tinyvision.data import Batches, Preprocess, Shards, find_files, pack


@pytest.fixture(scope="module")
def stripes(tmp_path_factory):
    root = stripe_folder(tmp_path_factory.mktemp("set") / "stripes", per_class=8, size=8)
    files = find_files(root)[0]["all"]
    dataset, _, _ = files.in_memory((8, 8), 1)
    pack(files, root.parent / "packed", shuffle=False)
    return dataset, files, Shards(root.parent / "packed")


def losses(source, prepare, shuffle):
    random.seed(0)  # of the dropout
    train = Batches(source, prepare, 5, shuffle=shuffle, seed=1, workers=2)
    history = small_trainer().fit(train, Batches(source, prepare, 7), epochs=2)
    assert not [t for t in threading.enumerate() if "loader" in t.name]
    return [(e.train_loss, e.val_loss) for e in history.epochs]


def test_the_same_losses_to_the_last_bit(stripes):
    dataset, files, shards = stripes
    prepare = Preprocess.measure(dataset)
    in_order = losses(dataset, prepare, False)
    assert losses(files, prepare, False) == in_order == losses(shards, prepare, False)
    shuffled = losses(dataset, prepare, True)
    assert losses(files, prepare, True) == shuffled != in_order
