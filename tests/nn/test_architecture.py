"""What layers of one's own keep, how it is called, and what a model file can say of it."""

import json

import numpy as np
import pytest

from tests.nn.drawn import numbers
from tinyvision import nn
from tinyvision.nn.architecture import from_data, to_data
from tinyvision.nn.layer import LAYERS


@pytest.fixture(autouse=True)
def no_new_layers():
    """Forget the classes that a test defines: another one may use their names."""
    before = dict(LAYERS)
    yield
    LAYERS.clear()
    LAYERS.update(before)


def test_layers_and_parameters_in_lists_and_dictionaries_are_found():
    class Mixture(nn.Layer):
        def __init__(self):
            self.experts = {"left": nn.Dense(3), "right": nn.Dense(3)}

        def setup(self, x):
            self.shares = [self.parameter(n, (3,), nn.init.ones) for n in ("left", "right")]

        def forward(self, x):
            outputs = [expert(x) for expert in self.experts.values()]
            return outputs[0] * self.shares[0] + outputs[1] * self.shares[1]

    model = nn.Sequential(Mixture())
    model.build((2,))
    paths = ["shares1", "shares2", "experts_left.w", "experts_left.b", "experts_right.w"]
    assert list(model.state()) == [f"mixture1.{path}" for path in [*paths, "experts_right.b"]]
    assert model.parameter_count() == 2 * 3 + 2 * (2 * 3 + 3)
    assert f"{model.parameter_count():,}" in model.summary((2,)).splitlines()[-2]
    x, dy = numbers((4, 2), 0, np.float32), numbers((4, 3), 1, np.float32)
    model(x).backward(dy)
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())
    again = nn.Sequential(Mixture())
    again.build((2,), seed=7)
    again.load_state(model.state())
    assert np.array_equal(again(x).numpy(), model(x).numpy())


def test_a_name_with_a_dot_is_refused():
    # both weights would have the path a.b.w, and a file would keep one of them
    inner = nn.Sequential(nn.Dense(2, name="b"), name="a")
    model = nn.Sequential(nn.Dense(2, name="a.b"), inner)
    with pytest.raises(ValueError, match=r"may hold no dot, 'a\.b' does: rename it"):
        model.build((2,))


def test_two_tensors_of_one_name_are_refused():
    class Clash(nn.Layer):
        def setup(self, x):
            self.w1 = self.parameter("w1", x[-1:], nn.init.ones)
            self.w = [self.parameter("w", x[-1:], nn.init.ones)]

    with pytest.raises(ValueError, match="Clash holds two tensors called 'w1'"):
        Clash().build((2,))


def test_a_container_of_ones_own_comes_back():
    class Chain(nn.Layer):
        def __init__(self, *links, scale=1.0, name=""):
            self.links, self.scale, self.name = links, scale, name

        def forward(self, x):
            for link in self.links:
                x = link(x)
            return x * self.scale

    model = Chain(nn.Dense(3), nn.Tanh(), scale=2.0)
    model.build((2,))
    again = from_data(json.loads(json.dumps(to_data(model))))
    assert [type(link).__name__ for link in again.links] == ["Dense", "Tanh"]
    again.build((2,), seed=5)
    again.load_state(model.state())
    x = numbers((4, 2), 0, np.float32)
    assert np.array_equal(again(x).numpy(), model(x).numpy())


def test_arguments_that_no_file_could_hand_back_are_refused():
    class Loose(nn.Layer):
        def __init__(self, **settings):
            self.settings = settings

    class Late(nn.Layer):
        def __init__(self, scale, *links):
            self.scale, self.links = scale, links

    for layer in (Loose(depth=3), Late(2.0, nn.ReLU())):
        with pytest.raises(TypeError, match=rf"{type(layer).__name__}\(\*.* define config\(\) and"):
            to_data(layer)


def test_settings_from_numpy_are_numbers_and_arrays_are_refused():
    class Fixed(nn.Layer):
        def __init__(self, value=None):
            self.value = value

    assert to_data(Fixed(np.float32(0.5))) == {"layer": "Fixed", "value": 0.5}
    assert to_data(Fixed(np.int64(3))) == {"layer": "Fixed", "value": 3}
    with pytest.raises(TypeError, match="a setting of type ndarray cannot be written"):
        to_data(Fixed(np.ones(3)))
    with pytest.raises(TypeError, match="a setting of nan cannot be written"):
        to_data(Fixed(float("nan")))


def test_two_classes_of_one_name_cannot_both_be_saved():
    first = type("Twin", (nn.Layer,), {"__module__": "one"})
    second = type("Twin", (nn.Layer,), {"__module__": "two"})
    assert to_data(second()) == {"layer": "Twin"}
    with pytest.raises(TypeError, match="two layer classes are called Twin, in one and in two"):
        to_data(first())
