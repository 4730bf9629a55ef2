"""Initial weights: their statistics, orthogonality, and bits."""

import numpy as np
import pytest

import tinyvision as tv
from tinyvision import nn
from tinyvision.errors import UnknownNameError
from tinyvision.nn import init
from tinyvision.nn.architecture import from_data, to_data

CONV = (3, 3, 32, 64)  # 18,432 weights; fan_in 3 * 3 * 32 = 288, fan_out 3 * 3 * 64 = 576


@pytest.mark.parametrize(
    ("name", "shape", "variance"),
    [
        ("he", CONV, 2 / 288),
        ("he_uniform", CONV, 2 / 288),
        ("glorot", CONV, 2 / (288 + 576)),
        ("glorot_normal", CONV, 2 / (288 + 576)),
        ("he", (200, 100), 2 / 200),
        ("glorot", (200, 100), 2 / (200 + 100)),
    ],
)
def test_mean_and_variance(name, shape, variance):
    weights = init.get(name)(shape, 0, "test")
    n = weights.size
    assert weights.shape == shape and weights.dtype == np.float64
    assert abs(weights.mean()) < 4 * np.sqrt(variance / n)
    # the relative error of a variance from n draws is sqrt((kurtosis - 1) / n) <= sqrt(2 / n)
    assert weights.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / n))


def test_uniform_and_normal_have_their_shapes():
    flat, bell = init.uniform(0.5)(CONV, 0, "test"), init.normal(0.5)(CONV, 0, "test")
    assert -0.5 <= flat.min() < -0.499 and 0.499 < flat.max() < 0.5
    # share within one standard deviation: 1 / sqrt(3) for the uniform, erf(1 / sqrt(2)) = 0.6827
    assert (np.abs(flat) < 0.5 / np.sqrt(3)).mean() == pytest.approx(0.5774, abs=0.015)
    assert (np.abs(bell) < 0.5).mean() == pytest.approx(0.6827, abs=0.015)


@pytest.mark.parametrize("shape", [(50, 20), (20, 50), (3, 3, 4, 20), (3, 3, 2, 40), (6, 6)])
def test_orthogonal_matrices_are_orthonormal(shape):
    matrix = init.orthogonal(shape, 0, "test").reshape(-1, shape[-1])  # (fan_in, O)
    product = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_orthogonal_has_no_preferred_sign():
    # with R's diagonal made positive, Q's first column is uniform over the sphere
    first = [init.orthogonal((8, 8), seed, "test")[0, 0] for seed in range(200)]
    assert abs(np.mean(first)) < 4 * np.sqrt(1 / 8 / 200)


def test_constants():
    assert (init.zeros((2, 3), 0, "") == 0).all() and (init.ones((2, 3), 0, "") == 1).all()
    assert (init.get(0.25)((2, 3), 0, "") == 0.25).all()


def test_groups_have_fans_of_their_own():
    # Each output of a depthwise convolution sums 3 * 3 cells of one channel, whatever C is.
    layer = nn.DepthwiseConv2d(3)
    layer.build((3, 3, 2000))
    assert layer.w.numpy().var() == pytest.approx(2 / 9, rel=4 * np.sqrt(2 / 18000))
    # In 8 groups an input feeds 3 * 3 * 64 / 8 = 72 outputs, an output sums 3 * 3 * 4 = 36 inputs.
    grouped = nn.Conv2d(64, 3, groups=8, init="glorot")
    grouped.build((3, 3, 32))
    weights = grouped.w.numpy()
    assert weights.var() == pytest.approx(2 / (72 + 36), rel=4 * np.sqrt(2 / weights.size))
    assert len(np.unique(weights)) > 0.99 * weights.size  # no group repeats another


def test_a_transposed_convolution_sums_over_its_input_channels():
    layer = nn.ConvTranspose2d(4, 3)
    layer.build((2, 2, 500))
    assert layer.w.shape == (3, 3, 4, 500)
    assert layer.w.numpy().var() == pytest.approx(2 / 4500, rel=4 * np.sqrt(2 / 18000))


def test_same_seed_same_bits():
    def weights(seed):
        model = tv.models.create("lenet5", (28, 28, 1), 10, seed=seed)
        return b"".join(value.tobytes() for value in model.state().values())

    assert weights(0) == weights(0)
    assert weights(0) != weights(1)


def test_layers_of_one_shape_start_apart():
    model = nn.Sequential(nn.Dense(5), nn.Dense(5))
    model.build((5,))
    assert not np.array_equal(model[0].w.numpy(), model[1].w.numpy())


def test_the_first_weights_of_lenet5_are_pinned():
    # A change of these bits breaks the promise that a seed reproduces a published result.
    model = tv.models.create("lenet5", (28, 28, 1), 10, seed=0)
    w = model["conv1"].w.numpy().reshape(-1)[:3]
    assert w.dtype == np.float32
    np.testing.assert_allclose(w, [0.0078400727, -0.035768617, -0.30668387], rtol=1e-6)


def test_an_unknown_name_is_refused_at_once():
    with pytest.raises(UnknownNameError, match="no initializer 'orthogonel'; did you mean 'orth"):
        nn.Dense(3, init="orthogonel")


def test_an_initializer_of_ones_own_is_saved_by_name():
    @init.register
    def halves(shape, seed, purpose):
        return np.full(shape, 0.5)

    try:
        data = to_data(nn.Dense(3, init=halves))
        assert data == {"layer": "Dense", "units": 3, "init": "halves"}
        again = from_data(data)
        again.build((2,))
        assert (again.w.numpy() == 0.5).all()
    finally:
        del init.INITIALIZERS["halves"]


def test_an_initializer_without_a_name_cannot_be_saved():
    layer = nn.Dense(3, init=init.normal(0.01))
    layer.build((500,))
    assert layer.w.numpy().std() == pytest.approx(0.01, rel=0.1)
    with pytest.raises(TypeError, match=r"has no name that a model file could keep.*@nn.init.reg"):
        to_data(layer)
