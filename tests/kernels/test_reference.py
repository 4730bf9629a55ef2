"""The reference kernels against definitions, identities and numbers worked out by hand.

No other library is asked here: these tests say by themselves what right is.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kernels import geometries
from tests.kernels.cases import cases, conv_case, run
from tests.kernels.gradients import GRADIENTS, gradients
from tinyvision_kernels import reference

TABLE = {name: partial(kernel, np) for name, kernel in reference.TABLE.items()}


def call(name, shape, *arguments, dtype=np.float64):
    """Call a kernel of one output on nested lists."""
    out = np.full(shape, np.nan, dtype)
    given = [np.array(a, dtype) if isinstance(a, list) else a for a in arguments]
    TABLE[name](out, *given)
    return out


# --- convolution ---------------------------------------------------------------------------------

SMALL = [g for g in geometries.CONV if np.prod(g.x) * np.prod(g.window) * g.O / g.groups < 60_000]


def by_algorithm(case, name):
    return replace(case, settings={**case.settings, "algorithm": name})


@pytest.mark.parametrize("geometry", SMALL, ids=lambda geometry: geometry.id)
@pytest.mark.parametrize("name", ["conv2d", "conv2d_dx", "conv2d_dw"])
def test_matrix_product_equals_the_seven_loops(name, geometry):
    case = conv_case(name, geometry, np.random.default_rng(0))
    expected = run(by_algorithm(case, "loops"), TABLE[name], np.float64)
    for output, value in run(by_algorithm(case, "im2col"), TABLE[name], np.float64).items():
        np.testing.assert_allclose(value, expected[output], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["conv2d", "conv2d_dx", "conv2d_dw"])
def test_an_unknown_algorithm_is_refused_with_the_known_ones(name):
    case = by_algorithm(conv_case(name, SMALL[0], np.random.default_rng(0)), "fft")
    with pytest.raises(ValueError, match="no convolution algorithm 'fft': try 'auto', 'im2col'"):
        run(case, TABLE[name], np.float64)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(geometries.conv_geometries(), st.integers(0, 2**32 - 1))
def test_the_three_convolutions_are_one_trilinear_form(geometry, seed):
    # <dy, conv(x, w)> = <dx(dy, w), x> = <dw(x, dy), w>: each gradient is the exact transpose.
    forward = conv_case("conv2d", geometry, np.random.default_rng(seed), bias=False)
    outputs = run(forward, TABLE["conv2d"], np.float64)
    dy = np.random.default_rng(seed + 1).standard_normal(outputs["y"].shape)
    found = gradients(forward, outputs, dy, TABLE, np.float64)
    value = np.vdot(dy, outputs["y"])
    size = 1 + np.linalg.norm(dy) * np.linalg.norm(outputs["y"])
    for owner in ("x", "w"):
        assert abs(np.vdot(found[owner], forward.inputs[owner]) - value) < 1e-12 * size


def test_conv2d_by_hand():
    x = [[[[1.0], [2.0]], [[3.0], [4.0]]]]  # one image, 2x2, one channel
    w = [[[[1.0, 0.0]], [[10.0, 0.0]]], [[[100.0, 0.0]], [[1000.0, 1.0]]]]  # two filters, 2x2
    # Filter 1 reads the window as decimal digits; filter 2 picks its lower right cell.
    y = call("conv2d", (1, 2, 2, 2), x, w, [0.5, 0.0], (1, 1), (0, 1, 0, 1), (1, 1), 1)
    assert y[0, :, :, 0].tolist() == [[4321.5, 402.5], [43.5, 4.5]]
    assert y[0, :, :, 1].tolist() == [[4, 0], [0, 0]]


# --- every gradient against a difference quotient ------------------------------------------------


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_equal_difference_quotients(name):
    # Along a random direction v: <dy, f(x + h v) - f(x - h v)> / 2h = <dx, v>.
    rng = np.random.default_rng(2)
    for case in cases(name):
        if case.id in ("zeros", "large") or "NaN" in case.id or "-inf" in case.id:
            continue  # kinks and infinities have no slope
        if name == "max_pool2d":  # nor have ties
            x = case.inputs["x"]
            case = replace(
                case, inputs={"x": rng.permutation(1.0 * np.arange(x.size)).reshape(x.shape)}
            )
        outputs = run(case, TABLE[name], np.float64)
        first = next(iter(outputs))
        dy = rng.standard_normal(outputs[first].shape)
        found = gradients(case, outputs, dy, TABLE, np.float64)
        for owner, gradient in found.items():
            direction = rng.standard_normal(gradient.shape) / math.sqrt(gradient.size)
            ends = []
            for h in (1e-5, -1e-5):
                moved = {**case.inputs, owner: case.inputs[owner] + h * direction}
                ends.append(run(replace(case, inputs=moved), TABLE[name], np.float64)[first])
            slope = np.vdot(dy, ends[0] - ends[1]) / 2e-5
            size = 1 + np.linalg.norm(gradient)
            error = abs(slope - np.vdot(gradient, direction))
            assert error < 1e-5 * size, f"{name} [{case.id}]: gradient of {owner}, off by {error}"


# --- pooling -------------------------------------------------------------------------------------


def max_pool(rows, window, stride=(1, 1), pad=(0, 0, 0, 0), shape=(1, 1)):
    x = np.array(rows, np.float64)[None, :, :, None]
    y, argmax = np.full((1, *shape, 1), np.nan), np.full((1, *shape, 1), 77, np.uint8)
    TABLE["max_pool2d"](y, argmax, x, window, stride, pad)
    return y[0, :, :, 0].tolist(), argmax[0, :, :, 0].tolist()


def test_max_pool_takes_the_first_of_equals():
    assert max_pool([[1, 5], [5, 5]], (2, 2)) == ([[5]], [[1]])


def test_max_pool_counts_its_cells_from_the_corner_of_the_window():
    y, argmax = max_pool([[1, 2], [3, 4]], (2, 2), (1, 1), (1, 0, 1, 0), (2, 2))
    assert y == [[1, 2], [3, 4]]
    assert argmax == [[3, 3], [3, 3]]


def test_max_pool_never_lets_padding_win():
    lowest = -math.inf
    y, argmax = max_pool([[lowest, lowest]], (2, 2), (1, 1), (1, 0, 1, 0), (1, 2))
    assert y == [[lowest, lowest]]
    assert argmax == [[3, 2]]  # the first cell inside the image


def test_max_pool_passes_nan_on_and_names_the_first():
    y, argmax = max_pool([[math.inf, math.nan, math.nan]], (1, 3))
    assert math.isnan(y[0][0]) and argmax == [[1]]


def test_max_pool_gradient_adds_up_where_a_cell_wins_twice():
    argmax = np.array([[[[1], [0]]]], np.uint8)  # windows of two cells: both take the middle one
    dx = np.full((1, 1, 3, 1), np.nan)
    dy = np.array([[[[10.0], [1.0]]]])
    TABLE["max_pool2d_dx"](dx, dy, argmax, (1, 3), (1, 2), (1, 1), (0, 0, 0, 0))
    assert dx.ravel().tolist() == [0, 11, 0]


def test_avg_pool_does_not_count_padding():
    x = [[[[6.0], [2.0], [4.0]]]]
    y = call("avg_pool2d", (1, 1, 2, 1), x, (1, 3), (1, 2), (0, 0, 1, 1))
    assert y.ravel().tolist() == [4, 3]  # (6 + 2) / 2 and (2 + 4) / 2


def test_upsample_repeats_pixels():
    y = call("upsample2d", (1, 2, 4, 1), [[[[1.0], [2.0]]]], (2, 2))
    assert y[0, :, :, 0].tolist() == [[1, 1, 2, 2]] * 2


# --- activations and losses ----------------------------------------------------------------------


def test_relu_keeps_nan_and_its_gradient_stops_there():
    values = [math.nan, -1.0, 0.0, 2.0]
    np.testing.assert_array_equal(call("relu", 4, values), [math.nan, 0, 0, 2])
    assert call("relu_dx", 4, [5.0] * 4, values).tolist() == [0, 0, 0, 5]
    assert call("leaky_relu", 4, values, 0.5)[1:].tolist() == [-0.5, 0, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_and_its_relatives_survive_large_inputs(dtype):
    x = [-1e4, 0.0, 1e4]
    assert call("sigmoid", 3, x, dtype=dtype).tolist() == [0, 0.5, 1]
    assert call("silu", 3, x, dtype=dtype).tolist() == [0, 0, 1e4]
    assert call("gelu", 3, x, dtype=dtype).tolist() == [0, 0, 1e4]
    losses = call("bce_with_logits", 3, x, [1.0, 1.0, 1.0], dtype=dtype)
    np.testing.assert_allclose(losses, [1e4, math.log(2), 0], rtol=1e-6)


def test_softmax_by_hand():
    logs = [[math.log(1), math.log(2), math.log(5)]]
    np.testing.assert_allclose(call("softmax", (1, 3), logs), [[1 / 8, 2 / 8, 5 / 8]])
    expected = np.log([[1 / 8, 2 / 8, 5 / 8]])
    np.testing.assert_allclose(call("log_softmax", (1, 3), logs), expected)


def test_softmax_survives_large_inputs():
    assert call("softmax", (1, 3), [[1e4, 0.0, 1e4]]).tolist() == [[0.5, 0, 0.5]]
    assert call("log_softmax", (1, 2), [[1e4, -1e4]]).tolist() == [[0, -2e4]]


def cross_entropy(logits, labels, weights=None, smoothing=0.0):
    logits = np.array(logits, np.float64)
    losses, probs = np.full(len(logits), np.nan), np.full(logits.shape, np.nan)
    weights = None if weights is None else np.array(weights, np.float64)
    TABLE["softmax_cross_entropy"](losses, probs, logits, np.array(labels), weights, smoothing)
    return losses, probs


def test_cross_entropy_by_hand():
    logits = np.log([[1.0, 2.0, 5.0]])  # probabilities 1/8, 2/8, 5/8
    logs = np.log([1 / 8, 2 / 8, 5 / 8])
    assert cross_entropy(logits, [1])[0] == pytest.approx([-logs[1]])
    assert cross_entropy(logits, [1], [9, 3, 9])[0] == pytest.approx([-3 * logs[1]])
    # q = 0.7 * (0, 1, 0) + 0.1
    smooth = -(0.1 * logs[0] + 0.8 * logs[1] + 0.1 * logs[2])
    assert cross_entropy(logits, [1], smoothing=0.3)[0] == pytest.approx([smooth])
    weighted = -(2 * 0.1 * logs[0] + 0.8 * logs[1] + 4 * 0.1 * logs[2])
    assert cross_entropy(logits, [1], [2, 1, 4], 0.3)[0] == pytest.approx([weighted])


def test_cross_entropy_of_an_impossible_class_and_of_nan():
    losses, probs = cross_entropy([[0.0, -math.inf, 0.0], [0.0, math.nan, 0.0]], [0, 2])
    assert losses[0] == pytest.approx(math.log(2))
    assert probs[0].tolist() == [0.5, 0, 0.5]
    assert math.isnan(losses[1])


# --- normalisation -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "group_norm"])
def test_normalised_values_have_mean_zero_and_variance_one(name):
    for case in cases(name):
        C = case.inputs["x"].shape[-1]
        plain = {**case.inputs, "gamma": np.ones(C), "beta": np.zeros(C)}
        exact = replace(case, inputs=plain, settings={**case.settings, "eps": 0.0})
        y = run(exact, TABLE[name], np.float64)["y"]
        if name == "batch_norm":
            rows = y.reshape(-1, C).T
        else:
            groups = case.settings.get("groups", 1)
            split = y.reshape(len(y), -1, groups, C // groups)  # (N, H*W, G, C/G)
            rows = split.transpose(0, 2, 1, 3).reshape(len(y) * groups, -1)
        np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(rows.var(axis=1), 1, atol=1e-10)


def test_batch_norm_by_hand():
    x = np.array([[1.0], [5.0]])  # mean 3, variance 4, or 8 with M - 1
    y, mean, inv_std = np.full((2, 1), np.nan), np.full(1, np.nan), np.full(1, np.nan)
    running_mean, running_var = np.array([10.0]), np.array([20.0])
    gamma, beta = np.array([2.0]), np.array([7.0])
    TABLE["batch_norm"](y, mean, inv_std, running_mean, running_var, x, gamma, beta, 0.0, 0.25)
    assert y.ravel().tolist() == [5, 9]
    assert (mean.tolist(), inv_std.tolist()) == ([3], [0.5])
    assert running_mean.tolist() == [8.25]  # 10 + (3 - 10) / 4
    assert running_var.tolist() == [17]  # 20 + (8 - 20) / 4


# --- updates and random numbers ------------------------------------------------------------------


def test_sgd_by_hand():
    w, velocity, g = np.array([1.0]), np.array([2.0]), np.array([6.0])
    TABLE["sgd_step"](w, velocity, None, g, 0.1, 0.5, False, 0.25, 0.5, 0.0)
    assert velocity == pytest.approx([4.25])  # 0.5 * 2 + (0.5 * 6 + 0.25 * 1)
    assert w == pytest.approx([0.575])  # 1 - 0.1 * 4.25
    w, velocity = np.array([1.0]), np.array([2.0])
    TABLE["sgd_step"](w, velocity, None, g, 0.1, 0.5, True, 0.25, 0.5, 0.0)
    assert w == pytest.approx([0.4625])  # 1 - 0.1 * (3.25 + 0.5 * 4.25)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradient():
    w, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    g = np.array([1e-3, -7.0, 1e5])
    TABLE["adam_step"](w, m, v, None, g, 0.1, 0.9, 0.999, 0.0, 0.0, False, 1, 1.0, 0.0)
    np.testing.assert_allclose(w, [-0.1, 0.1, -0.1])


def test_decoupled_decay_shrinks_the_weight_apart_from_the_gradient():
    w, m, v = np.full(1, 8.0), np.zeros(1), np.zeros(1)
    TABLE["adam_step"](w, m, v, None, np.zeros(1), 0.5, 0.9, 0.999, 1e-8, 0.25, True, 1, 1.0, 0.0)
    assert w.tolist() == [7.0]  # 8 * (1 - 0.5 * 0.25)
    assert m.tolist() == [0.0]


def test_the_average_follows_the_weights_just_updated():
    w, velocity, average = np.array([3.0]), np.array([0.0]), np.array([5.0])
    TABLE["sgd_step"](w, velocity, average, np.ones(1), 2.0, 0.0, False, 0.0, 1.0, 0.75)
    assert (w.tolist(), average.tolist()) == ([1.0], [4.0])  # 0.75 * 5 + 0.25 * 1


def test_sum_of_squares_adds_in_float64():
    g = np.array([4096.0, 1.0], np.float32)  # 2^24 + 1 is no float32
    total = np.full(1, np.nan)
    TABLE["sum_of_squares"](total, g)
    assert total.tolist() == [16_777_217.0]


def draw(seed, purpose, step):
    return np.array([seed % 2**32, seed // 2**32, step, purpose], np.uint64)


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(rate):
    x = np.full((400, 250), 3.0, np.float32)
    y = np.full_like(x, np.nan)
    TABLE["dropout"](y, x, draw(7, 1, 2), rate)
    assert np.unique(y).tolist() == ([0] if rate else []) + [np.float32(3 / (1 - rate))]
    # The share of 100,000 coin tosses: within five standard deviations.
    assert abs((y == 0).mean() - rate) <= 5 * math.sqrt(rate * (1 - rate) / x.size)


def test_dropout_draws_anew_for_each_seed_purpose_and_step():
    x, masks = np.ones(4096), []
    for numbers in [(7, 1, 2), (8, 1, 2), (7, 2, 2), (7, 1, 3), (7, 1, 2)]:
        y = np.full_like(x, np.nan)
        TABLE["dropout"](y, x, draw(*numbers), 0.5)
        masks.append(y > 0)
    agreement = [(mask == masks[0]).mean() for mask in masks]
    assert agreement[-1] == 1
    assert all(abs(share - 0.5) < 5 * 0.5 / 64 for share in agreement[1:-1])


def test_dropout_compares_words_with_the_rate():
    words, y = np.empty(1000, np.uint32), np.full(1000, np.nan)
    TABLE["random_bits"](words, 1000, 5, 6, 7)
    TABLE["dropout"](y, np.ones(1000), draw(5, 6, 7), 0.3)
    np.testing.assert_array_equal(y == 0, words / 2**32 < 0.3)
