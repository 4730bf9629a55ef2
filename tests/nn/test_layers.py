"""Every layer: sizes, gradients against finite differences, everything against PyTorch."""

import json

import numpy as np
import pytest

import tinyvision as tv
from tests.nn.drawn import built, leaf, numbers
from tests.nn.layer_rows import ROWS
from tinyvision import nn, random
from tinyvision.nn.architecture import from_data, to_data
from tinyvision.nn.layer import LAYERS

EACH_ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def test_every_layer_has_a_row():
    own = {name for name, cls in LAYERS.items() if cls.__module__.startswith("tinyvision.")}
    assert {type(row.make()).__name__ for row in ROWS} == own


def test_only_dropout_has_no_twin():
    assert [row.name for row in ROWS if row.twin is None] == ["dropout"]


@EACH_ROW
def test_sizes_are_inferred(row):
    layer = row.make()
    assert layer.build(row.input[1:]) == row.output[1:]
    assert layer.built
    assert layer(numbers(row.input, 0, np.float32)).shape == row.output


@EACH_ROW
def test_gradients_agree_with_finite_differences(row):
    layer = built(row.make(), row.input)
    x = leaf(row.input, 1)
    report = tv.gradcheck(lambda x, *_: layer(x), [x, *layer.parameters()], rtol=1e-6)
    assert report.error < 1e-6
    # nothing was left out, neither an input nor an element on a kink
    assert [entry.elements for entry in report.inputs] == [
        x.size,
        *(parameter.size for parameter in layer.parameters()),
    ]


@pytest.mark.parametrize("row", [row for row in ROWS if row.twin], ids=lambda row: row.name)
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_forward_and_gradients_agree_with_pytorch(row, dtype):
    torch = pytest.importorskip("torch")
    allowed = 1e-10 if dtype == np.float64 else 1e-5
    tolerance = {"rtol": allowed, "atol": allowed}
    layer = built(row.make(), row.input, dtype)
    x, dy = leaf(row.input, 1, dtype), numbers(row.output, 2, dtype)
    parameters = dict(layer.named_parameters())
    twins = {
        path: torch.tensor(tensor.numpy(), requires_grad=path in parameters)
        for path, tensor in layer.tensors()
    }
    twin_x = torch.tensor(x.numpy(), requires_grad=True)

    y = layer(x)
    y.backward(dy)
    twin_y = row.twin(torch.nn.functional, twins, twin_x)
    twin_y.backward(torch.tensor(dy))

    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy(), twin_y.detach().numpy(), **tolerance)
    for path, tensor in [("x", x), *layer.tensors()]:
        twin = twin_x if path == "x" else twins[path]
        np.testing.assert_allclose(tensor.numpy(), twin.detach().numpy(), **tolerance)
        if tensor.requires_grad:
            assert tensor.grad.dtype == dtype
            np.testing.assert_allclose(
                tensor.grad, twin.grad.numpy(), **tolerance, err_msg=f"gradient of {path}"
            )


@EACH_ROW
def test_architecture_survives_json(row):
    layer = row.make()
    for _ in range(2):  # before and after it is built
        data = json.loads(json.dumps(to_data(layer)))
        again = from_data(data)
        assert type(again) is type(layer)
        assert to_data(again) == data
        layer.build(row.input[1:], seed=3)
    again.build(row.input[1:], seed=3)
    x = numbers(row.input, 4, np.float32)
    assert layer.eval()(x).numpy().tobytes() == again.eval()(x).numpy().tobytes()


@EACH_ROW
def test_inference_changes_nothing_and_repeats(row):
    layer = built(row.make(), row.input, np.float32)
    x = numbers(row.input, 5, np.float32)
    layer(x)
    layer.eval()
    before, state = random.state(), layer.state()
    first, second = layer(x).numpy().tobytes(), layer(x).numpy().tobytes()
    assert first == second
    assert random.state() == before
    assert all(np.array_equal(value, state[path]) for path, value in layer.state().items())


def test_conv_in_eval_and_train_agree():
    conv = built(nn.Conv2d(3), (2, 5, 5, 2))
    x = numbers((2, 5, 5, 2), 0)
    assert conv(x).numpy().tobytes() == conv.eval()(x).numpy().tobytes()
