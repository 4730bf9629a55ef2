"""The base of layers: building, naming, messages, state, and layers of one's own."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

import tinyvision as tv
from tests.nn.drawn import built, leaf, numbers
from tinyvision import nn
from tinyvision.errors import ModelFileError, ShapeError
from tinyvision.nn.architecture import from_data, to_data
from tinyvision.nn.layer import LAYERS
from tinyvision.nn.place import current_path, watching

# --- messages -----------------------------------------------------------------------------------


def images(*shape):
    return np.zeros(shape, np.float32)


def test_a_message_names_the_layer_and_both_shapes():
    model = nn.Sequential(nn.Conv2d(4), nn.Conv2d(2))
    model.build((32, 32, 4))
    with pytest.raises(ShapeError) as caught:
        model["conv2"](images(8, 32, 32, 3))
    assert str(caught.value) == (
        "Conv2d 'conv2': input has C=3 channels, weight expects 4; x is (8, 32, 32, 3)"
    )


def test_a_message_names_the_whole_path():
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.Conv2d(4), name="stem"), nn.ReLU())
    model.build((8, 8, 3))
    with pytest.raises(ShapeError, match=r"^Conv2d 'stem.conv1': input has C=1 channels, weight"):
        model(images(2, 8, 8, 1))


def test_a_layer_without_a_name_is_named_by_its_class():
    with pytest.raises(ShapeError, match=r"^Dense: input must be \(N, I\), it is \(2, 4, 4, 3\): "):
        nn.Dense(3)(images(2, 4, 4, 3))


@pytest.mark.parametrize("ready", [False, True])
def test_dense_on_images_asks_for_flatten(ready):
    layer = nn.Sequential(nn.Dense(3))
    if ready:
        layer.build((3,))
    with pytest.raises(ShapeError, match=r"^Dense 'dense1': .*: add Flatten\(\) before$"):
        layer(images(2, 4, 4, 3))


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.Conv2d(4), (8, 8, 3), "Conv2d: input must be a batch of images (N, H, W, C), it is"),
        (nn.MaxPool2d(), (8, 8, 3), "MaxPool2d: input must be a batch of images (N, H, W, C)"),
        (nn.Conv2d(4, 5), (1, 4, 8, 3), "does not fit 4 cells padded by 0 and 0: use a smaller"),
        (nn.Conv2d(4, groups=2), (1, 4, 8, 3), "3 input channels do not divide into 2 groups"),
        (nn.Conv2d(3, groups=2), (1, 4, 8, 4), "3 output channels do not divide into 2 groups"),
        (nn.GroupNorm(2), (1, 4, 8, 3), "GroupNorm: C=3 channels do not divide into 2 groups"),
        (nn.Reshape(2, 2), (3, 5), "Reshape: 5 values of an image (5,) do not fit into (2, 2)"),
        (nn.Reshape(2, -1), (3, 5), "Reshape: 5 values of an image (5,) do not fit into (2, -1)"),
        (nn.PadShortcut(2), (1, 4, 4, 3), "C=3 channels, more than filters=2; x is (1, 4, 4, 3)"),
        (
            nn.Residual(nn.Conv2d(4, pad=1)),
            (2, 5, 5, 3),
            "Residual: the body returns (2, 5, 5, 4), the shortcut (2, 5, 5, 3): give a shortcut",
        ),
        (
            nn.Concat(nn.Conv2d(4), nn.Sequential()),
            (2, 5, 5, 3),
            "Concat: branch 'conv1' returns (2, 3, 3, 4), branch 'block1' (2, 5, 5, 3)",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Layer) else "",
)
def test_inputs_that_do_not_fit(layer, shape, message):
    with pytest.raises(ShapeError) as caught:
        layer(images(*shape))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Dense(0), "Dense: units must be a whole number of at least 1, got 0"),
        (lambda: nn.Dense(2.5), "Dense: units must be a whole number of at least 1, got 2.5"),
        (lambda: nn.Conv2d(4, "same"), "Conv2d: kernel_size must be a whole number"),
        (lambda: nn.Conv2d(4, (3, 3, 3)), "kernel_size must be a whole number or a pair of them"),
        (lambda: nn.Conv2d(4, stride=0), "Conv2d: stride must be a whole number of at least 1"),
        (lambda: nn.Conv2d(4, pad="full"), "pad"),
        (lambda: nn.Conv2d(4, pad=-1), "pad"),
        (lambda: nn.ConvTranspose2d(4, output_pad=-1), "output_pad must be a whole number of at"),
        (lambda: nn.Upsample2d(0.5), "Upsample2d: factor must be a whole number of at least 1"),
        (lambda: nn.Upsample2d(2, "cubic"), "mode must be 'nearest' or 'bilinear', got 'cubic'"),
        (lambda: nn.BatchNorm2d(momentum=2), "momentum must lie in [0, 1], got 2"),
        (lambda: nn.BatchNorm2d(eps="small"), "BatchNorm2d: eps must be above 0, got 'small'"),
        (lambda: nn.Dropout("half"), "Dropout: rate must lie in [0, 1), got 'half'"),
        (lambda: nn.LeakyReLU(float("nan")), "LeakyReLU: slope must be a finite number, got nan"),
        (lambda: nn.BatchNorm2d(eps=0), "BatchNorm2d: eps must be above 0, got 0"),
        (lambda: nn.Reshape(-1, 2, -1), "only one length may be -1, got (-1, 2, -1)"),
        (lambda: nn.Concat(), "Concat needs at least one branch"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


def test_numbers_from_numpy_are_numbers():
    layer = nn.Dense(np.int64(3))
    assert to_data(layer) == {"layer": "Dense", "units": 3}


# --- building -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [28, (), (28, 0, 1), (None, 28, 28)])
def test_build_wants_the_shape_of_one_image(shape):
    with pytest.raises(ValueError, match=r"input_shape must list the sizes of one image without"):
        nn.Flatten().build(shape)


def test_a_build_that_failed_can_be_repeated():
    model = nn.Sequential(nn.Conv2d(2, 3), nn.Conv2d(2, 5))
    with pytest.raises(ShapeError, match="Conv2d 'conv2': a window that reaches over 5 cells"):
        model.build((5, 5, 1))
    assert not model.built and not model[0].built
    assert model.build((9, 9, 3)) == (3, 3, 2)
    assert model["conv1"].w.shape == (3, 3, 3, 2)


def test_build_keeps_modes_and_random_state():
    model = nn.Sequential(nn.BatchNorm2d(), nn.Dropout())
    model[0].eval()
    state = tv.random.state()
    model.build((4, 4, 2), seed=5)
    assert [layer.training for layer in model] == [False, True]
    assert tv.random.state() == state


def test_parameters_that_decay():
    model = nn.Sequential(nn.Conv2d(2), nn.BatchNorm2d(), nn.Flatten(), nn.Dense(3))
    model.build((4, 4, 1))
    decay = {path: parameter.decay for path, parameter in model.named_parameters()}
    assert decay == {
        "conv1.w": True,
        "conv1.b": False,
        "norm1.gamma": False,
        "norm1.beta": False,
        "dense1.w": True,
        "dense1.b": False,
    }
    assert model.parameter_count() == 9 * 2 + 2 + 2 + 2 + 8 * 3 + 3


# --- state --------------------------------------------------------------------------------------


def test_state_goes_from_model_to_model():
    def make(seed):
        model = nn.Sequential(nn.Conv2d(2), nn.BatchNorm2d(), nn.Flatten(), nn.Dense(3))
        model.build((4, 4, 1), seed=seed)
        return model

    first, second = make(0), make(1)
    first["norm1"].running_mean.data[...] = 7
    second.load_state(first.state())
    x = numbers((2, 4, 4, 1), 0, np.float32)
    assert first.eval()(x).numpy().tobytes() == second.eval()(x).numpy().tobytes()
    assert (second["norm1"].running_mean.numpy() == 7).all()

    state = first.state()
    state["dense1.w"] = state["dense1.w"][:, :2]
    before = second.state()
    with pytest.raises(ValueError, match=r"dense1.w: the model has shape \(8, 3\), the state \(8"):
        second.load_state(state)
    state["dense2.w"] = state.pop("dense1.b")
    with pytest.raises(ValueError, match=r"missing \['dense1.b'\], left over \['dense2.w'\]"):
        second.load_state(state)
    assert all(np.array_equal(value, before[path]) for path, value in second.state().items())


def test_the_state_of_an_unbuilt_model_cannot_be_loaded():
    with pytest.raises(ValueError, match="build it first"):
        nn.Dense(3).load_state({})


# --- sharing ------------------------------------------------------------------------------------


def test_a_shared_layer_sums_the_gradients_of_its_uses():
    shared = nn.Dense(4)
    model = built(nn.Sequential(shared, nn.Tanh(), shared), (3, 4))
    assert [path for path, _ in model.named_parameters()] == ["dense1.w", "dense1.b"]
    x, dy = leaf((3, 4), 1), numbers((3, 4), 2)
    model(x).backward(dy)

    # the same network of two separate layers of equal weights
    first, second = built(nn.Dense(4), (3, 4)), built(nn.Dense(4), (3, 4))
    for layer in (first, second):
        layer.load_state({"w": shared.w.numpy(), "b": shared.b.numpy()})
    second(tv.functional.tanh(first(tv.Tensor(x.numpy())))).backward(dy)
    np.testing.assert_allclose(shared.w.grad, first.w.grad + second.w.grad, rtol=1e-12)
    np.testing.assert_allclose(shared.b.grad, first.b.grad + second.b.grad, rtol=1e-12)

    tv.gradcheck(lambda x, *p: model(x), [x, *model.parameters()])


def test_sharing_survives_saving():
    shared = nn.Dense(4)
    model = nn.Sequential(shared, nn.Tanh(), nn.Residual(shared))
    data = json.loads(json.dumps(to_data(model)))
    again = from_data(data)
    assert again[2].body is again[0]
    assert to_data(again) == data
    again.build((4,))
    assert again.parameter_count() == 4 * 4 + 4


def test_several_shared_layers_stay_apart():
    first, second = nn.Dense(4), nn.Dense(4, bias=False)
    again = from_data(to_data(nn.Sequential(first, second, second, first)))
    assert again[0] is again[3] and again[1] is again[2] and again[0] is not again[1]
    assert (again[0].bias, again[1].bias) == (True, False)


# --- layers of one's own ------------------------------------------------------------------------


@dataclass(eq=False)
class Scale(nn.Layer):
    """The example of nn/layer.py."""

    start: float = 1.0

    def setup(self, x_shape):
        self.s = self.parameter("s", (x_shape[-1],), nn.init.constant(self.start))

    def forward(self, x):
        return x * self.s


class Gate(nn.Layer):
    """No dataclass, two inputs, inner layers made in setup."""

    def __init__(self, rate=0.0):
        self.rate = rate

    def setup(self, x, context):
        self.gate = nn.Sequential(nn.Dense(x[-1]), nn.Dropout(self.rate), nn.Sigmoid())
        self.norms = [nn.LayerNorm(), nn.LayerNorm()]

    def forward(self, x, context):
        return self.norms[0](x) * self.gate(context) + self.norms[1](x)


def test_a_layer_of_ones_own():
    model = nn.Sequential(nn.Conv2d(2), Scale(start=3.0), nn.Flatten(), nn.Dense(2))
    model.build((4, 4, 1))
    assert model["scale1"].s.numpy().tolist() == [3.0, 3.0]
    data = json.loads(json.dumps(to_data(model)))
    assert data["layers"][1] == {"layer": "Scale", "name": "scale1", "start": 3.0}
    again = from_data(data)
    again.build((4, 4, 1), seed=9)
    again.load_state(model.state())
    x = numbers((2, 4, 4, 1), 0, np.float32)
    assert np.array_equal(again(x).numpy(), model(x).numpy())
    scale = built(Scale(), (3, 2))
    tv.gradcheck(lambda x, s: scale(x), [leaf((3, 2), 0), scale.s])


def test_layers_made_in_setup_are_named_and_follow_the_mode():
    layer = Gate(rate=0.5)
    layer.eval()
    x, context = numbers((3, 4), 0, np.float32), numbers((3, 5), 1, np.float32)
    layer(x, context)
    assert [path for path, _ in layer.named_parameters()] == [
        "gate.dense1.w",
        "gate.dense1.b",
        "norms1.gamma",
        "norms1.beta",
        "norms2.gamma",
        "norms2.beta",
    ]
    assert not any(inner.training for inner in layer.layers())
    assert from_data(to_data(layer)).rate == 0.5


def test_two_layers_of_one_name_are_refused():
    class Twins(nn.Layer):
        def __init__(self):
            self.first, self.second = nn.ReLU(name="act"), nn.ReLU(name="act")

        def forward(self, x):
            return self.second(self.first(x))

    try:
        with pytest.raises(ValueError, match="Twins holds two layers called 'act'"):
            Twins()(images(1, 2))
    finally:
        del LAYERS["Twins"]


def test_a_class_of_the_same_name_is_refused():
    with pytest.raises(TypeError, match=r"layer class Conv2d exists in tinyvision.nn.conv, and"):

        class Conv2d(nn.Layer):
            pass


def test_an_argument_that_is_not_kept_is_reported():
    class Forgetful(nn.Layer):
        def __init__(self, depth):
            pass

    try:
        with pytest.raises(TypeError, match="Forgetful does not keep its argument 'depth'"):
            to_data(Forgetful(3))
    finally:
        del LAYERS["Forgetful"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"layer": "Conv3d"}, r"no layer 'Conv3d' \(did you mean 'Conv2d'\?\): import the m"),
        ({"layer": "Dense", "unit": 3}, "layer 'Dense' refuses its settings"),
        ({"layer": "Dense", "units": -3}, "layer 'Dense' refuses its settings"),
        ({"layer": "Sequential"}, "layer 'Sequential' refuses its settings"),
        ({"layer": "Sequential", "layers": [3]}, "layer 'Sequential' refuses its settings"),
        ({"units": 3}, "no layer"),
        ({"shared": 7}, "no layer"),
        ({"layer": ["Dense"]}, "no layer"),
    ],
)
def test_data_that_describes_no_layer_is_refused(data, message):
    with pytest.raises(ModelFileError, match=message):
        from_data(data)


# --- watching -----------------------------------------------------------------------------------


def test_watchers_see_every_layer_with_its_path():
    model = nn.Sequential(nn.Sequential(nn.Dense(3), nn.ReLU(), name="hidden"), nn.Dense(2))
    model.build((4,))
    seen = []
    with watching(lambda layer, y: seen.append((current_path(), type(layer).__name__, y.shape))):
        model(images(5, 4))
    model(images(5, 4))
    assert seen == [
        ("hidden.dense1", "Dense", (5, 3)),
        ("hidden.relu1", "ReLU", (5, 3)),
        ("hidden", "Sequential", (5, 3)),
        ("dense1", "Dense", (5, 2)),
        ("", "Sequential", (5, 2)),
    ]
    assert current_path() == ""
