"""The list of models: sizes, reproducible weights, saving, and clear refusals."""

import json

import numpy as np
import pytest

import tinyvision as tv
from tinyvision import models, nn
from tinyvision.errors import ShapeError, UnknownNameError
from tinyvision.nn.architecture import from_data, to_data

EACH_MODEL = pytest.mark.parametrize("name", models.names())


@pytest.fixture(autouse=True)
def reference():
    with tv.using("reference"):
        yield


# Weights and biases by hand, for images of 28 x 28 x 1 and 10 classes.
PARAMETERS = {
    "mlp": (784 * 512 + 512) + (512 * 256 + 256) + (256 * 10 + 10),
    "lenet5": 61_706,
    "small_cnn": (9 * 32 + 32) + (9 * 32 * 64 + 64) + (12 * 12 * 64 * 128 + 128) + (128 * 10 + 10),
    "vgg_small": 9 * (1 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256)
    + 2 * 2 * (64 + 128 + 256)  # gamma and beta of two batch norms a stage
    + (3 * 3 * 256 * 256 + 256)
    + (256 * 10 + 10),
    "resnet20": 269_722 - 9 * 2 * 16,  # He et al., table 6: 0.27 M for three channels
}


@EACH_MODEL
def test_parameters_counted_by_hand(name):
    model = models.create(name, (28, 28, 1), 10)
    assert model.parameter_count() == PARAMETERS[name]


@EACH_MODEL
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 48, 3), (33, 40, 4)])
def test_sensible_images_are_taken(name, shape):
    model = models.create(name, shape, 7)
    assert isinstance(model, nn.Sequential)
    assert model.eval()(np.zeros((1, *shape), np.float32)).shape == (1, 7)


def test_the_dense_layer_of_small_cnn_stays_small_for_photos():
    counts = {
        side: models.create("small_cnn", (side, side, 3), 10).parameter_count()
        for side in (64, 128, 224)
    }
    # sides after each pool: 64 -> 30 -> 14; 128 -> 62 -> 30 -> 14; 224 -> 110 -> 54 -> 26 -> 12
    assert counts[64] == 896 + 18_496 + 36_928 + (14 * 14 * 64 * 128 + 128) + 1290
    assert counts[128] == counts[64] + 36_928
    assert counts[224] == 896 + 18_496 + 3 * 36_928 + (12 * 12 * 64 * 128 + 128) + 1290


@EACH_MODEL
def test_the_seed_decides_the_weights(name):
    first, again, other = (models.create(name, (12, 12, 1), 2, seed=s).state() for s in (4, 4, 5))
    assert all(first[path].tobytes() == again[path].tobytes() for path in first)
    assert any(first[path].tobytes() != other[path].tobytes() for path in first)


@EACH_MODEL
def test_architecture_and_state_survive_saving(name):
    model = models.create(name, (16, 16, 3), 5, seed=1)
    data = json.loads(json.dumps(to_data(model)))
    again = from_data(data)
    assert to_data(again) == data
    again.build((16, 16, 3), seed=2)
    again.load_state(model.state())
    x = np.random.default_rng(0).random((2, 16, 16, 3), np.float32)
    assert model.eval()(x).numpy().tobytes() == again.eval()(x).numpy().tobytes()


@EACH_MODEL
def test_every_parameter_gets_a_gradient(name):
    model = models.create(name, (16, 16, 3), 5)
    x = np.random.default_rng(0).random((4, 16, 16, 3), np.float32)
    nn.CrossEntropy()(model(x), [0, 1, 4, 2]).backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None and np.abs(parameter.grad).max() > 0, path


@EACH_MODEL
def test_about_is_a_sentence(name):
    text = models.about(name)
    assert text.endswith(".") and 20 < len(text) < 100


@pytest.mark.parametrize("ask", [models.about, lambda name: models.create(name, (28, 28, 1), 10)])
def test_an_unknown_name_gets_the_nearest(ask):
    with pytest.raises(UnknownNameError, match="there is no model 'lenet'; did you mean 'lenet5'"):
        ask("lenet")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("lenet5", (11, 28, 1), "lenet5 needs images of at least 12 x 12 pixels, these have 11 x"),
        ("small_cnn", (28, 5, 1), "small_cnn needs images of at least 6 x 6 pixels, these have 28"),
        ("vgg_small", (7, 7, 3), "vgg_small needs images of at least 8 x 8 pixels"),
        ("resnet20", (7, 7, 3), "resnet20 needs images of at least 8 x 8 pixels"),
        ("mlp", (28, 28), r"mlp takes images \(H, W, C\), such as \(28, 28, 1\); got \(28, 28\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(name, shape, message):
    with pytest.raises(ShapeError, match=message):
        models.create(name, shape, 10)


@pytest.mark.parametrize(
    ("name", "least"),
    [("mlp", 1), ("lenet5", 12), ("small_cnn", 6), ("vgg_small", 8), ("resnet20", 8)],
)
def test_the_smallest_image_works(name, least):
    models.create(name, (least, least, 1), 2)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes, got 1"):
        models.create("mlp", (28, 28, 1), 1)
