"""Sequential, Residual and Concat as containers: names, indices, slices."""

import numpy as np
import pytest

from tests.nn.drawn import numbers
from tinyvision import nn


def names(model):
    return [layer.name for layer in model]


def test_layers_are_numbered_by_kind():
    model = nn.Sequential(
        nn.Conv2d(1), nn.ReLU(), nn.Conv2d(1), nn.BatchNorm2d(), nn.GELU(), nn.MaxPool2d()
    )
    assert names(model) == ["conv1", "relu1", "conv2", "norm1", "gelu1", "pool1"]


def test_names_given_are_kept_and_avoided():
    model = nn.Sequential(
        nn.Dense(1), nn.Dense(1, name="dense1"), nn.Dense(1), nn.Dense(1, name="head")
    )
    assert names(model) == ["dense2", "dense1", "dense3", "head"]


def test_a_name_given_twice_is_refused():
    with pytest.raises(ValueError, match="Sequential: two layers are called 'a'; give them two"):
        nn.Sequential(nn.Dense(1, name="a"), nn.ReLU(name="a"))


@pytest.mark.parametrize("wrong", [nn.ReLU, [nn.ReLU()], np.tanh])
def test_only_layers_are_taken(wrong):
    with pytest.raises(TypeError, match="Sequential takes layers, got"):
        nn.Sequential(nn.Dense(1), wrong)


def test_indexing_iteration_and_length():
    dense, relu, head = nn.Dense(4), nn.ReLU(), nn.Dense(2, name="head")
    model = nn.Sequential(dense, relu, head)
    assert len(model) == 3 and list(model) == [dense, relu, head]
    assert model[0] is dense and model[-1] is head and model["head"] is head
    with pytest.raises(KeyError, match="no layer 'dense2', there are: dense1, relu1, head"):
        model["dense2"]
    with pytest.raises(IndexError):
        model[3]


def test_a_slice_shares_its_layers():
    model = nn.Sequential(nn.Dense(4), nn.ReLU(), nn.Dense(2))
    model.build((3,))
    features = model[:-1]
    x = numbers((5, 3), 0, np.float32)
    expected = model(x).numpy()
    assert np.array_equal(model[2](features(x)).numpy(), expected)
    assert names(features) == ["dense1", "relu1"] and features[0] is model[0]
    new_head = nn.Sequential(*features, nn.Dense(7))
    assert names(new_head) == ["dense1", "relu1", "dense2"]
    assert new_head.build((3,)) == (7,)
    assert np.array_equal(model(x).numpy(), expected)  # building did not touch what was built


def test_an_empty_sequential_passes_its_input_on():
    x = numbers((2, 3), 0, np.float32)
    assert np.array_equal(nn.Sequential()(x).numpy(), x)


def test_the_repr_shows_the_structure():
    model = nn.Sequential(nn.Sequential(nn.Dense(4), name="stem"), nn.Residual(nn.ReLU()))
    assert "Dense(name='dense1', units=4" in repr(model)
    assert repr(model).startswith("Sequential(\n  Sequential(\n    Dense(")
