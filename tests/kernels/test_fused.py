"""Fused kernels: equal to the plain ones in sequence, and right by hand.

What every kernel is held to (the reference, threads, an empty batch, a strict array module) is
tested with all the others.
"""

import math
from functools import partial

import numpy as np
import pytest

from tests.kernels.case import make
from tests.kernels.cases import cases, run
from tests.kernels.sequences import SEQUENCES, in_sequence
from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS, ShapeError
from tinyvision_kernels.contract.fused_conv import OFF

TABLES = {"reference": {name: partial(kernel, np) for name, kernel in reference.TABLE.items()}}
try:
    from tinyvision_kernels import cpu
except ImportError:  # without Numba the reference is tested alone
    pass
else:
    TABLES["cpu"] = dict(cpu.TABLE)

own = [(backend, kernel) for backend, table in TABLES.items() for kernel in table]
on_each_backend = pytest.mark.parametrize("backend", TABLES)
both_precisions = pytest.mark.parametrize(
    "dtype", [np.float32, np.float64], ids=lambda dtype: dtype.__name__
)


# --- one after another ---------------------------------------------------------------------------

# Sums may be taken in another order, and so may what follows from them. All else is exact.
SUMS = {
    "conv2d_statistics": {"mean", "inv_std", "running_mean", "running_var"},
    "relu_bias_grad": {"db"},
    "relu_max_pool_bias_grad": {"db"},
    "batch_norm_relu_grad": {"dx", "dgamma", "dbeta"},
    "batch_norm_relu_max_pool_grad": {"dx", "dgamma", "dbeta"},
    "batch_norm_add_relu_grad": {"dx", "dgamma", "dbeta"},
}


@both_precisions
@pytest.mark.parametrize("backend, kernel", [pair for pair in own if pair[1] in SEQUENCES])
def test_equals_the_plain_kernels_one_after_another(backend, kernel, dtype):
    table = TABLES[backend]
    for case in cases(kernel):
        expected = in_sequence(case, table, dtype)
        for name, value in run(case, table[kernel], dtype).items():
            what = f"{kernel} [{case.id}] {name}"
            if backend == "cpu" and name in SUMS.get(kernel, ()):
                size = 1 + np.abs(expected[name]).max()
                close = 2e-5 if dtype is np.float32 else 1e-13
                np.testing.assert_allclose(value, expected[name], 0, close * size, err_msg=what)
            else:
                np.testing.assert_array_equal(value, expected[name], what)


@both_precisions
@on_each_backend
def test_batch_norm_applied_to_its_statistics_is_batch_norm(backend, dtype):
    table = TABLES[backend]
    for case in cases("batch_norm"):
        whole = run(case, table["batch_norm"], dtype)
        known = {**case.updates, **case.inputs, **case.settings}
        half = make("batch_norm_statistics", case.id, known)
        statistics = run(half, table["batch_norm_statistics"], dtype)
        other = make("batch_norm_apply", case.id, {**known, **statistics})
        applied = run(other, table["batch_norm_apply"], dtype)
        for name, value in {**statistics, **applied}.items():
            np.testing.assert_array_equal(value, whole[name], f"[{case.id}] {name}")


@both_precisions
@on_each_backend
def test_the_mask_computed_anew_is_that_of_the_output(backend, dtype):
    # y = d * scale + beta where beta was chosen to be -d * scale but for its rounding: its sign
    # hangs on whether product and sum are one operation, in both kernels or in neither.
    rng = np.random.default_rng(3)
    C = 37
    d, gamma = rng.standard_normal((2, C)).astype(dtype)
    inv_std = (rng.random(C) + 0.5).astype(dtype)
    statistics = {"mean": np.zeros(C, dtype), "inv_std": inv_std, "gamma": gamma}
    x = np.tile(d, (400, 1))
    given = {**statistics, "x": x, "dy": np.ones_like(x), "beta": -d * (gamma * inv_std)}
    y = run(
        make("batch_norm_apply_relu", "", given), TABLES[backend]["batch_norm_apply_relu"], dtype
    )
    found = run(
        make("batch_norm_relu_grad", "", given), TABLES[backend]["batch_norm_relu_grad"], dtype
    )
    np.testing.assert_array_equal(found["dbeta"], (y["y"] > 0).sum(axis=0))


# Which output may lie in the memory of which input
IN_PLACE = [
    ("relu_bias_grad", "dz", "dy"),
    ("relu_bias_grad", "dz", "y"),
    ("batch_norm_apply", "y", "x"),
    ("batch_norm_apply_relu", "y", "x"),
    ("batch_norm_apply_add_relu", "y", "x"),
    ("batch_norm_apply_add_relu", "y", "residual"),
    ("batch_norm_relu", "y", "x"),
    ("batch_norm_infer_relu", "y", "x"),
    ("batch_norm_relu_grad", "dx", "x"),
    ("batch_norm_relu_grad", "dx", "dy"),
    ("batch_norm_relu_max_pool_grad", "dx", "x"),
    ("batch_norm_add_relu_grad", "dx", "x"),
    ("batch_norm_add_relu_grad", "dx", "dy"),
    ("batch_norm_add_relu_grad", "dresidual", "dy"),
    ("batch_norm_add_relu_grad", "dresidual", "y"),
    ("add", "y", "x"),
    ("add", "y", "residual"),
    ("add_relu", "y", "x"),
    ("add_relu", "y", "residual"),
]


@pytest.mark.parametrize("kernel, output, place", IN_PLACE)
@on_each_backend
def test_an_output_may_lie_in_the_memory_of_an_input(backend, kernel, output, place):
    table = TABLES[backend]
    for case in cases(kernel):
        case = case.astype(np.float32)
        expected = run(case, table[kernel], np.float32)
        outputs = {
            name: np.full_like(expected[name], 0 if name == "argmax" else np.nan)
            for name in KERNELS[kernel].outputs
        }
        inputs = {name: np.array(array) for name, array in case.inputs.items()}
        updates = {name: np.array(array) for name, array in case.updates.items()}
        outputs[output] = inputs[place]
        arrays = (*outputs.values(), *updates.values(), *inputs.values())
        table[kernel](*arrays, *case.settings.values())
        for name, value in {**outputs, **updates}.items():
            np.testing.assert_array_equal(value, expected[name], f"{kernel} [{case.id}] {name}")


# --- by hand -------------------------------------------------------------------------------------


def call(table, kernel, shapes, *arguments, dtype=np.float64):
    """Call a kernel on nested lists; return its outputs of the given shapes."""
    types = [np.uint8 if name == "argmax" else dtype for name in KERNELS[kernel].outputs]
    outputs = [np.full(shape, 77, kind) for shape, kind in zip(shapes, types, strict=True)]
    given = [np.array(a, dtype) if isinstance(a, list) else a for a in arguments]
    table[kernel](*outputs, *given)
    return outputs if len(outputs) > 1 else outputs[0]


WHOLE = ((1, 1), (0, 0, 0, 0), (1, 1), 1)  # stride, padding, dilation and groups of a 1x1 window
NAN, INF = math.nan, math.inf


@on_each_backend
def test_pooling_marks_windows_without_a_positive_cell(backend):
    # Five windows side by side, each to be read as [left, right] of the upper row and the lower.
    rows = [
        [-1, -2, 1, 3, 0, -5, -1, NAN, -INF, 2],
        [-3, -4, 3, 2, 0, -1, 7, 1, 5, 5],
    ]
    x = np.array(rows, np.float64)[None, :, :, None]
    y, argmax = call(
        TABLES[backend], "conv2d_relu_max_pool", [(1, 1, 5, 1)] * 2, x, np.ones((1, 1, 1, 1)), None,
        *WHOLE,
    )  # fmt: skip
    np.testing.assert_array_equal(y.ravel(), [0, 3, 0, NAN, 5])
    assert argmax.ravel().tolist() == [OFF, 1, OFF, OFF, 2]
    ones, zeros = [1.0], [0.0]
    y, argmax = call(
        TABLES[backend], "batch_norm_apply_relu_max_pool", [(1, 1, 5, 1)] * 2, x, ones, zeros,
        zeros, ones,
    )  # fmt: skip
    np.testing.assert_array_equal(y.ravel(), [0, 3, 0, NAN, 5])
    assert argmax.ravel().tolist() == [OFF, 1, OFF, OFF, 2]


@on_each_backend
def test_unpooling_sends_nothing_where_the_relu_was_off(backend):
    # Two images of 3x2 pixels: one window each, and a row that no window covers.
    dy, argmax = np.array([5.0, 7.0]).reshape(2, 1, 1, 1), np.array([2, OFF], np.uint8)
    dz, db = call(
        TABLES[backend], "relu_max_pool_bias_grad", [(2, 3, 2, 1), (1,)], dy,
        argmax.reshape(2, 1, 1, 1), (3, 2),
    )  # fmt: skip
    assert dz.ravel().tolist() == [0, 0, 5, 0, 0, 0] + [0] * 6
    assert db.tolist() == [5]


@on_each_backend
def test_nan_goes_through_each_relu_and_its_gradient_stops_there(backend):
    table = TABLES[backend]
    x, one, zero = [[NAN, 1.0], [-2.0, 3.0]], [1.0, 1.0], [0.0, 0.0]
    shape = (2, 2)
    np.testing.assert_array_equal(call(table, "add_relu", [shape], x, x), [[NAN, 2], [0, 6]])
    expected = [[NAN, 1], [0, 3]]
    vectors = (one, zero, zero, one)
    y = call(table, "batch_norm_apply_relu", [shape], x, *vectors)
    np.testing.assert_array_equal(y, expected)
    nothing = np.zeros(shape)
    y = call(table, "batch_norm_apply_add_relu", [shape], x, nothing, *vectors)
    np.testing.assert_array_equal(y, expected)
    y = call(table, "batch_norm_infer_relu", [shape], x, one, zero, zero, one, 0.0)
    np.testing.assert_array_equal(y, expected)
    y = call(table, "dense_relu", [shape], x, [[1.0, 0.0], [0.0, 1.0]], None)
    assert np.isnan(y[0]).all() and y[1].tolist() == [0, 3]  # 0 * NaN is NaN
    dz, db = call(table, "relu_bias_grad", [shape, (2,)], [[5.0, 6.0], [7.0, 8.0]], y)
    assert (dz.tolist(), db.tolist()) == ([[0, 0], [0, 8]], [0, 8])


@on_each_backend
def test_given_statistics_keep_to_its_own_cell_what_is_not_finite(backend):
    dy, x = [[INF], [NAN], [2.0], [3.0]], [[1.0], [2.0], [3.0], [4.0]]
    given = dy, x, [2.0], [0.0], [0.25]  # gamma, mean and variance
    dx, *_ = call(TABLES[backend], "batch_norm_infer_grad", [(4, 1), (1,), (1,)], *given, 0.0)
    np.testing.assert_array_equal(dx.ravel(), [INF, NAN, 8, 12])


@on_each_backend
def test_a_residual_blocks_end_by_hand(backend):
    x = [[1.0], [5.0]]  # mean 3, variance 4
    y = call(
        TABLES[backend], "batch_norm_apply_add_relu", [(2, 1)], x, [[1.5], [-0.5]], [2.0], [0.25],
        [3.0], [0.5],
    )  # fmt: skip
    assert y.tolist() == [[0], [1.75]]  # -2 + 0.25 + 1.5 and 2 + 0.25 - 0.5


@both_precisions
@pytest.mark.parametrize("kernel", ["batch_norm_statistics", "conv2d_statistics"])
@on_each_backend
def test_the_variance_survives_a_large_mean(backend, kernel, dtype):
    rng = np.random.default_rng(4)
    x = 1000 + rng.standard_normal((9, 31, 29, 21)).astype(dtype)
    given = {
        "x": x,
        "w": np.eye(21).reshape(1, 1, 21, 21),  # a convolution that changes nothing
        "b": np.zeros(21),
        **dict(zip(("stride", "pad", "dilation", "groups"), WHOLE, strict=True)),
        "running_mean": np.zeros(21),
        "running_var": np.ones(21),
        "eps": 0.0,
        "momentum": 1.0,
    }
    found = run(make(kernel, "large mean", given), TABLES[backend][kernel], dtype)
    exact = x.reshape(-1, 21).astype(np.float64)
    close = 1e-5 if dtype is np.float32 else 1e-12
    np.testing.assert_allclose(found["inv_std"], 1 / exact.std(axis=0), close)
    np.testing.assert_allclose(found["running_var"], exact.var(axis=0, ddof=1), close)
    # NumPy adds 8,000 numbers in float32, one after another; the compiled kernels know better.
    closer = close if backend == "reference" else close / 100
    np.testing.assert_allclose(found["mean"], exact.mean(axis=0), closer)


# --- the contract --------------------------------------------------------------------------------

X, V, UNIT = (2, 6, 6, 4), (4,), (1, 1)
SAME = (1, 1, 1, 1)
W = (3, 3, 4, 8)

SHAPES = [
    ("conv2d_relu", [X, W, None, UNIT, SAME, UNIT, 1], [(2, 6, 6, 8)]),
    ("conv2d_relu_max_pool", [X, W, (8,), UNIT, (0, 1, 1, 1), UNIT, 1], [(2, 2, 3, 8)] * 2),
    (
        "conv2d_statistics",
        [(8,), (8,), X, W, None, (2, 2), SAME, UNIT, 1, 1e-5, 0.1],
        [(2, 3, 3, 8), (8,), (8,)],
    ),
    ("dense_relu", [(4, 6), (6, 3), (3,)], [(4, 3)]),
    ("relu_bias_grad", [(2, 5, 5, 7)] * 2, [(2, 5, 5, 7), (7,)]),
    ("relu_max_pool_bias_grad", [(2, 3, 3, 4)] * 2 + [(7, 6)], [(2, 7, 6, 4), V]),
    ("batch_norm_statistics", [V, V, X, 1e-5, 0.1], [V, V]),
    ("batch_norm_apply_relu_max_pool", [(2, 7, 6, 4), V, V, V, V], [(2, 3, 3, 4)] * 2),
    ("batch_norm_relu", [V, V, X, V, V, 1e-5, 0.1], [X, V, V]),
    ("batch_norm_add_relu_grad", [X, X, X, V, V, V], [X, X, V, V]),
]


@pytest.mark.parametrize("kernel, arguments, expected", SHAPES)
def test_shapes_worked_out_by_hand(kernel, arguments, expected):
    assert list(KERNELS[kernel].shapes(*arguments)) == expected


STATISTICS = [X, W, None, UNIT, SAME, UNIT, 1, 1e-5, 0.1]
ONE_VALUE = [(1, 3, 3, 4), W, None, UNIT, (0, 0, 0, 0), UNIT, 1, 1e-5, 0.1]
MISFITS = [
    ("conv2d_relu", [X, (3, 3, 5, 8), None, UNIT, SAME, UNIT, 1], "C=4 channels, weight expects 5"),
    ("conv2d_relu_max_pool", [X, W, (7,), UNIT, SAME, UNIT, 1], "bias must be (8,)"),
    (
        "conv2d_relu_max_pool",
        [X, (6, 3, 4, 8), None, UNIT, (0, 0, 0, 0), UNIT, 1],
        "reaches over 2 cells does not fit 1 cells",
    ),
    ("conv2d_statistics", [(8,), V, *STATISTICS], "running_var must be (8,), it is (4,)"),
    ("conv2d_statistics", [(8,), (8,), *ONE_VALUE], "one value a channel has no variance"),
    ("dense_relu", [(4, 6), (5, 3), None], "I=6 features, weight expects 5"),
    ("relu_bias_grad", [X, (2, 6, 6, 8)], "differ in shape"),
    ("relu_max_pool_bias_grad", [X, X, (6, 6)], "dy must be (N, 3, 3, C)"),
    ("batch_norm_statistics", [V, V, V, 1e-5, 0.1], "x must be (..., C), it is (4,)"),
    ("batch_norm_statistics", [V, (5,), X, 1e-5, 0.1], "running_var must be (4,), it is (5,)"),
    ("batch_norm_statistics", [V, V, (1, 4), 1e-5, 0.1], "one value a channel has no variance"),
    ("batch_norm_apply", [X, V, (3,), V, V], "beta must be (4,), it is (3,)"),
    ("batch_norm_apply_relu", [X, V, V, V, (3,)], "inv_std must be (4,), it is (3,)"),
    ("batch_norm_apply_relu_max_pool", [(9, 4), V, V, V, V], "x must be (N, H, W, C)"),
    ("batch_norm_apply_relu_max_pool", [X, V, V, (3,), V], "mean must be (4,), it is (3,)"),
    ("batch_norm_apply_add_relu", [X, (2, 6, 4, 6), V, V, V, V], "residual (2, 6, 4, 6) and x"),
    ("batch_norm_relu", [V, V, X, (5,), V, 1e-5, 0.1], "gamma must be (4,), it is (5,)"),
    ("batch_norm_infer_relu", [X, V, V, V, (3,), 1e-5], "var must be (4,), it is (3,)"),
    ("batch_norm_relu_grad", [X, X, V, (3,), V, V], "beta must be (4,), it is (3,)"),
    ("batch_norm_relu_max_pool_grad", [X, X, X, V, V, V], "dy must be (N, 3, 3, C)"),
    ("batch_norm_relu_max_pool_grad", [V, V, V, V, V, V], "x must be (N, H, W, C)"),
    ("batch_norm_add_relu_grad", [X, V, X, V, V, V], "dy (2, 6, 6, 4) and y (4,) differ"),
    ("add", [X, V], "differ in shape"),
    ("add_relu", [X, V], "differ in shape"),
]


@pytest.mark.parametrize("kernel, arguments, words", MISFITS, ids=lambda value: str(value)[:40])
def test_misfits_are_refused_in_words(kernel, arguments, words):
    with pytest.raises(ShapeError) as refusal:
        KERNELS[kernel].shapes(*arguments)
    assert words in str(refusal.value)
