"""Frozen layers stay as they are, to the bit, while the others learn."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.train.small import batches, small_net
from tinyvision import backend, nn, optim
from tinyvision.train import Trainer


@pytest.fixture(autouse=True)
def on_reference() -> Iterator[None]:
    with backend.using("reference"):
        yield


def unchanged_by_training(model: nn.Sequential) -> set[str]:
    """Train, and return the names of the tensors that are the same to the bit."""
    before = model.state()
    Trainer(model, optim.AdamW(model, lr=0.1, weight_decay=0.1)).fit(batches(), epochs=2)
    after = model.state()
    return {name for name in before if np.array_equal(before[name], after[name])}


def test_a_trainer_leaves_what_is_frozen() -> None:
    model = small_net()
    first = model[:2]  # a convolution and its norm
    assert first.freeze() is first
    kept = unchanged_by_training(model)
    assert kept == {name for name in model.state() if name.startswith(("conv.", "norm."))}
    assert {"norm.running_mean", "norm.running_var", "norm.gamma", "conv.w"} <= kept
    assert model.training and not any(layer.training for layer in first)


def test_eval_alone_is_undone_by_a_trainer() -> None:
    model = small_net()
    model[1].eval()
    assert unchanged_by_training(model) == set()


def test_what_is_thawed_learns_again() -> None:
    model = small_net().freeze()
    model.freeze(False)
    assert all(layer.training for layer in model.layers())
    assert unchanged_by_training(model) == set()


def test_a_frozen_layer_stays_so_through_a_probe() -> None:
    model = small_net()
    model[1].freeze()
    model.probe((8, 8, 1))
    assert [layer.training for layer in model] == [True, False, True, True, True, True]


def test_what_has_no_parameters_yet_cannot_be_frozen() -> None:
    model = nn.Sequential(nn.Conv2d(4, 3), nn.ReLU())
    with pytest.raises(ValueError, match="Conv2d 'conv1' has no parameters to freeze yet: build"):
        model.freeze()
