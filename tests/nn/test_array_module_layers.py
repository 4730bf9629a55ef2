"""Layers and losses on arrays that refuse what a GPU array refuses: the same bits as on NumPy's."""

import numpy as np
import pytest

import tinyvision as tv
from tests.kernels.strict_array import to_host
from tests.nn.drawn import built, numbers
from tests.nn.layer_rows import ROWS
from tests.nn.test_losses import EACH_ROW as EACH_LOSS
from tests.ops.strict_backend import STRICT
from tinyvision import backend, nn, random


def run(where, layer, x, dy):
    """Run forward and backward on a backend; return output, statistics and all gradients."""
    tv.seed(3)
    with tv.using(where):
        layer.to_backend()
        leaf = tv.Tensor(x, requires_grad=True)
        y = layer(leaf)
        y.backward(dy)
        arrays = [y.data, leaf.grad]
        arrays += [tensor.data for _, tensor in layer.tensors()]
        arrays += [parameter.grad for parameter in layer.parameters()]
    return [to_host(a) if where is STRICT else a for a in arrays]


@pytest.fixture(autouse=True)
def stream():
    state = random.state()
    yield
    random.restore(state)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_layer(row):
    x, dy = numbers(row.input, 1, np.float32), numbers(row.output, 2, np.float32)
    expected = run(backend.get("reference"), built(row.make(), row.input, np.float32), x, dy)
    actual = run(STRICT, built(row.make(), row.input, np.float32), x, dy)
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)


def test_build_leaves_the_tensors_on_the_device():
    with tv.using(STRICT):
        layer = nn.Sequential(nn.Dense(3), nn.BatchNorm2d())
        layer.build((4,))
        assert all(isinstance(t.data, STRICT.xp.ndarray) for _, t in layer.tensors())
        assert layer.build((4,)) == (3,)
        assert nn.summarize(layer, (4,)).total_parameters == 4 * 3 + 3 + 2 * 3
        again = nn.Sequential(nn.Dense(3), nn.BatchNorm2d())
        again.build((4,), seed=7)
        again.load_state(layer.state())
        assert all(np.array_equal(again.state()[k], v) for k, v in layer.state().items())


@EACH_LOSS
def test_every_loss(loss, targets, twin):
    found = []
    for where in (backend.get("reference"), STRICT):
        with tv.using(where):
            x = tv.Tensor(numbers((6, 4), 1, np.float32), requires_grad=True)
            value = loss(x, targets)
            value.backward()
            found.append([to_host(a) if where is STRICT else a for a in (value.data, x.grad)])
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b)
