"""Functions on tensors: how settings are read, what is refused, and PyTorch's opinion."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinyvision import backend, functional, random
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import ShapeError

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def on_reference() -> Any:
    with backend.using("reference"):
        yield


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


# --- padding --------------------------------------------------------------------------------------

ONES = np.ones((1, 1, 3, 1))  # a window of three cells in a row: y counts the cells inside


@pytest.mark.parametrize(
    ("pad", "counts"),
    [
        ("valid", [3, 3]),
        ("same", [2, 3, 3, 2]),
        (0, [3, 3]),
        ((0, 1), [2, 3, 3, 2]),
        ((0, 0, 2, 0), [1, 2, 3, 3]),
        ([0, 0, 0, 1], [3, 3, 2]),
    ],
)
def test_pads_of_convolution(pad: Any, counts: list[int]) -> None:
    w = ONES.reshape(1, 3, 1, 1)
    y = functional.conv2d(np.ones((1, 1, 4, 1)), w, pad=pad)
    np.testing.assert_array_equal(y.numpy().reshape(-1), counts)


def test_one_number_pads_all_four_sides() -> None:
    y = functional.conv2d(np.ones((1, 2, 3, 1)), np.ones((3, 3, 1, 1)), pad=1)
    np.testing.assert_array_equal(y.numpy()[0, :, :, 0], [[4, 6, 4], [4, 6, 4]])


@pytest.mark.parametrize("size", [1, 2, 5, 6, 7, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize(("window", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 1), (3, 2)])
def test_same_gives_ceil_of_size_over_stride(
    size: int, stride: int, window: int, dilation: int
) -> None:
    x, w = normal(1, size, size + 1, 2), normal(window, window, 2, 3)
    y = functional.conv2d(x, w, stride=stride, pad="same", dilation=dilation)
    assert y.shape == (1, -(-size // stride), -(-(size + 1) // stride), 3)


def test_same_puts_the_odd_cell_at_the_end() -> None:
    # size 4, window 3, stride 2: one zero, at the end (TensorFlow, ONNX's SAME_UPPER)
    x = np.arange(1.0, 5.0).reshape(1, 1, 4, 1)
    y = functional.conv2d(x, ONES.reshape(1, 3, 1, 1), stride=2, pad="same")
    np.testing.assert_array_equal(y.numpy().reshape(-1), [1 + 2 + 3, 3 + 4])
    pooled = functional.max_pool2d(x, (1, 2), 1, pad="same")
    np.testing.assert_array_equal(pooled.numpy().reshape(-1), [2, 3, 4, 4])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pad": "sane"}, r"pad must be 'valid', 'same', .* got 'sane'"),
        ({"pad": (1, 2, 3)}, r"pad must be .* got \(1, 2, 3\)"),
        ({"pad": -1}, r"pad must be a whole number of at least 0, got -1"),
        ({"pad": 1.5}, r"pad must be a whole number .* got 1\.5"),
        ({"stride": 0}, r"stride must be a whole number of at least 1, got 0"),
        ({"stride": (1, 2, 3)}, r"stride must be a number or a pair .* got \(1, 2, 3\)"),
        ({"dilation": (1, 0)}, r"dilation must be a whole number of at least 1, got 0"),
        ({"groups": 0}, r"groups must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        functional.conv2d(normal(1, 5, 5, 2), normal(3, 3, 2, 4), **settings)


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, w = normal(1, 5, 5, 2), normal(3, 3, 2, 4)
    with pytest.raises(ShapeError, match=r"x must be \(N, H, W, C\), it is \(5, 5, 2\)"):
        functional.conv2d(x[0], w)
    with pytest.raises(ShapeError, match=r"w must be \(KH, KW, C/groups, O\), it is \(3, 3, 2\)"):
        functional.conv2d(x, w[..., 0])
    with pytest.raises(ShapeError, match=r"input has C=2 channels, weight expects 4; x is"):
        functional.conv2d(x, w, groups=2)
    with pytest.raises(ShapeError, match=r"bias must be \(4,\), it is \(3,\)"):
        functional.conv2d(x, w, normal(3))
    with pytest.raises(ShapeError, match=r"bias must be \(2,\), it is \(4,\)"):
        functional.conv_transpose2d(normal(1, 5, 5, 4), w, normal(4))
    with pytest.raises(ShapeError, match=r"x must be \(N, H, W, C\)"):
        functional.max_pool2d(x[0], 2)
    with pytest.raises(ShapeError, match=r"reaches over 7 cells does not fit 5"):
        functional.avg_pool2d(x, 7)


# --- transposed convolution -----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "other"), [("cpu", "winograd"), ("reference", "loops")])
def test_an_algorithm_by_name_computes_the_same_in_both_directions(name: str, other: str) -> None:
    images, filters = (normal(*shape).astype("f4") for shape in ((1, 7, 6, 2), (3, 3, 2, 4)))
    with backend.using(name):
        results = []
        for algorithm in ("auto", other):
            x, w = Tensor(images, requires_grad=True), Tensor(filters, requires_grad=True)
            y = functional.conv2d(x, w, pad="same", algorithm=algorithm)
            y.backward(np.cos(np.arange(y.size, dtype=np.float32)).reshape(y.shape))
            results.append((y.numpy(), x.grad, w.grad))
        for auto, named in zip(*results, strict=True):
            np.testing.assert_allclose(named, auto, rtol=0, atol=1e-5 * np.abs(auto).max())
            assert name == "reference" or (named != auto).any()  # it did take another way
        with pytest.raises(ValueError, match=f"the {name} backend has no .* 'fft'"):
            functional.conv2d(x, w, algorithm="fft")


@pytest.mark.parametrize(
    ("stride", "pad", "output_pad", "dilation"),
    [(1, 0, 0, 1), (2, 1, 1, 1), ((2, 3), (1, 0), (0, 2), 1), (3, 2, 0, 2), (2, 0, 1, 3)],
)
def test_transposed_convolution_agrees_with_pytorch(
    stride: Any, pad: Any, output_pad: Any, dilation: int
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, w, b = normal(2, 4, 5, 6), normal(3, 3, 2, 6), normal(4)
    settings = {"stride": stride, "output_pad": output_pad, "dilation": dilation, "groups": 2}
    y = functional.conv_transpose2d(x, w, b, pad=pad, **settings)
    peer = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x).movedim(-1, 1),
        torch.from_numpy(w).permute(3, 2, 0, 1),  # (KH, KW, O/groups, C) -> (C, O/groups, KH, KW)
        torch.from_numpy(b),
        stride,
        pad,
        output_pad,
        2,
        dilation,
    )
    np.testing.assert_allclose(y.numpy(), peer.movedim(1, -1).numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2, 3, (2, 3)])
@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_same_multiplies_the_size_by_the_stride(window: int, stride: Any) -> None:
    x, w = normal(1, 4, 5, 3), normal(window, window, 2, 3)
    y = functional.conv_transpose2d(x, w, stride=stride, pad="same")
    sh, sw = stride if isinstance(stride, tuple) else (stride, stride)
    assert y.shape == (1, 4 * sh, 5 * sw, 2)
    # <conv(z), x> = <z, transpose(x)>: it is the transpose of the convolution of the same settings
    z = normal(*y.shape)
    there = functional.conv2d(z, w, stride=stride, pad="same").numpy()
    assert np.sum(there * x) == pytest.approx(np.sum(z * y.numpy()), rel=1e-12)


def test_transposed_convolutions_without_sense_are_refused() -> None:
    x, w = normal(1, 2, 2, 3), normal(3, 3, 2, 3)
    with pytest.raises(ValueError, match=r"output_pad \(2, 2\) must be smaller than the stride"):
        functional.conv_transpose2d(x, w, stride=2, output_pad=2)
    with pytest.raises(ValueError, match="leave output_pad at 0"):
        functional.conv_transpose2d(x, w, stride=2, pad="same", output_pad=1)
    with pytest.raises(ShapeError, match="cuts the whole output away: it would be 0 x 0"):
        functional.conv_transpose2d(x, w, pad=2)


# --- pooling and resizing -------------------------------------------------------------------------


def test_pooling_steps_by_its_window_unless_told() -> None:
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    assert functional.max_pool2d(x, 2).numpy().reshape(-1).tolist() == [5, 7, 13, 15]
    assert functional.avg_pool2d(x, (4, 1)).numpy().reshape(-1).tolist() == [6, 7, 8, 9]
    assert functional.max_pool2d(x, 2, 1).shape == (1, 3, 3, 1)
    assert functional.max_pool2d(x, 3, (1, 2), pad=1).shape == (1, 4, 2, 1)
    assert functional.global_avg_pool2d(x).numpy().tolist() == [[7.5]]


def test_upsampling_repeats_or_interpolates() -> None:
    x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    nearest = functional.upsample2d(x, (1, 2))
    assert nearest.numpy().reshape(-1).tolist() == [0, 0, 4, 4]
    # centres of the four pixels lie at -1/4, 1/4, 3/4, 5/4 of the two
    bilinear = functional.upsample2d(x, (1, 2), "bilinear")
    assert bilinear.numpy().reshape(-1).tolist() == [0, 1, 3, 4]
    assert functional.resize2d(x, (3, 5)).shape == (1, 3, 5, 1)
    with pytest.raises(ValueError, match="mode must be 'nearest' or 'bilinear', got 'cubic'"):
        functional.upsample2d(x, 2, "cubic")


# --- normalisation and dropout --------------------------------------------------------------------


def test_batch_norm_follows_the_statistics_in_training_alone() -> None:
    x = 2 * normal(4, 3, 3, 2) + 5
    mean, var = Tensor(np.zeros(2)), Tensor(np.ones(2))
    gamma, beta = np.ones(2), np.zeros(2)
    y = functional.batch_norm(x, gamma, beta, mean, var, momentum=0.1).numpy()
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(mean.numpy(), 0.1 * x.mean(axis=(0, 1, 2)))
    unbiased = x.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(var.numpy(), 0.9 + 0.1 * unbiased)
    kept = mean.numpy().copy()
    y = functional.batch_norm(x, gamma, beta, mean, var, training=False, eps=0.0)
    np.testing.assert_allclose(y.numpy(), (x - mean.numpy()) / np.sqrt(var.numpy()))
    np.testing.assert_array_equal(mean.numpy(), kept)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    random.seed(1)
    x = Tensor(np.ones((400, 500), np.float32), requires_grad=True)
    y = functional.dropout(x, 0.3)
    values = np.unique(y.numpy())
    np.testing.assert_allclose(values, [0, 1 / 0.7], rtol=1e-6)
    assert np.mean(y.numpy() == 0) == pytest.approx(0.3, abs=5e-3)  # five standard deviations
    dy = normal(400, 500).astype(np.float32)
    y.backward(dy)
    np.testing.assert_array_equal(x.grad, np.where(y.numpy() > 0, dy / np.float32(0.7), 0))


def test_dropout_draws_afresh_and_again_from_a_seed() -> None:
    x = np.ones((8, 8), np.float32)
    random.seed(3)
    first, second = functional.dropout(x, 0.5).numpy(), functional.dropout(x, 0.5).numpy()
    assert (first != second).any()
    state = random.state()
    third = functional.dropout(x, 0.5).numpy()
    random.restore(state)
    np.testing.assert_array_equal(functional.dropout(x, 0.5).numpy(), third)
    random.seed(3)
    np.testing.assert_array_equal(functional.dropout(x, 0.5).numpy(), first)


def test_dropout_rests_outside_training() -> None:
    x, before = Tensor(np.ones(4, np.float32)), random.state()
    assert functional.dropout(x, 0.5, training=False) is x
    assert functional.dropout(x, 0.0) is x
    assert random.state() == before
    for rate in (1.0, -0.1):
        with pytest.raises(ValueError, match=rf"rate must lie in \[0, 1\), got {rate}"):
            functional.dropout(x, rate)


# --- losses ---------------------------------------------------------------------------------------


def test_cross_entropy_by_hand() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    y = functional.cross_entropy(logits, [0, 2])
    assert y.item() == pytest.approx(-(np.log(0.7) + np.log(0.5)) / 2)
    y = functional.cross_entropy(logits, [0, 2], weights=[3, 1, 2])
    assert y.item() == pytest.approx(-(3 * np.log(0.7) + 2 * np.log(0.5)) / 5)
    y = functional.cross_entropy(logits, [0, 2], smoothing=0.3)
    wanted = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    assert y.item() == pytest.approx(-np.sum(wanted * logits) / 2)


def test_cross_entropy_of_shares_by_hand() -> None:
    logits = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    y = functional.cross_entropy(logits, np.array([[0.5, 0.5, 0], [0, 0, 1]]))
    assert y.item() == pytest.approx(-(0.5 * np.log(0.7) + 0.5 * np.log(0.2) + np.log(0.5)) / 2)


@pytest.mark.parametrize("settings", [{}, {"weights": [3.0, 1.0, 2.0]}, {"smoothing": 0.3}])
def test_whole_shares_are_labels(settings: dict[str, Any]) -> None:
    logits, labels = normal(4, 3), np.array([2, 0, 0, 1])
    expected = functional.cross_entropy(logits, labels, **settings).item()
    assert functional.cross_entropy(logits, np.eye(3)[labels], **settings).item() == (
        pytest.approx(expected, rel=1e-12)
    )
    with pytest.raises(ShapeError, match=r"weights must be \(3,\)"):
        functional.cross_entropy(logits, np.eye(3)[labels], weights=[2.0])


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
def test_labels_may_be_any_integers(dtype: Any) -> None:
    logits, labels = normal(3, 4), np.array([3, 0, 2])
    expected = functional.cross_entropy(logits, labels).item()
    assert functional.cross_entropy(logits, labels.astype(dtype)).item() == expected
    assert functional.cross_entropy(logits, Tensor(labels.astype(dtype))).item() == expected
    assert functional.cross_entropy(logits, labels.tolist()).item() == expected


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([0, 4], ValueError, r"label 4 is none of the K=4 classes .* must lie in 0 \.\. 3"),
        ([-1, 0], ValueError, r"label -1 is none of the K=4 classes"),
        ([0.0, 1.0], TypeError, r"labels must be integers, they are float64; .*argmax"),
        ([True, False], TypeError, r"labels must be integers, they are bool"),
        ([0, 1, 2], ShapeError, r"logits \(2, 4\) need labels \(2,\), .* are \(3,\)"),
        ([[0], [1]], ShapeError, r"need labels \(2,\), .* are \(2, 1\)"),
    ],
)
def test_labels_that_are_none_are_refused(labels: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        functional.cross_entropy(normal(2, 4), labels)


def test_loss_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"smoothing must lie in \[0, 1\], got 1\.5"):
        functional.cross_entropy(normal(2, 4), [0, 1], smoothing=1.5)
    with pytest.raises(ShapeError, match=r"weights must be \(4,\)"):
        functional.cross_entropy(normal(2, 4), [0, 1], weights=[1.0, 2.0])
    with pytest.raises(ShapeError, match=r"\(2, 4\) and \(2,\) differ in shape"):
        functional.bce_with_logits(normal(2, 4), [0, 1])


def test_bce_takes_answers_of_any_kind() -> None:
    logits = normal(2, 3).astype(np.float32)
    answers = np.array([[1, 0, 1], [0, 0, 1]])
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = -np.mean(answers * np.log(p) + (1 - answers) * np.log(1 - p))
    for targets in (answers, answers.astype(bool), answers.astype(float), answers.tolist()):
        y = functional.bce_with_logits(logits, targets)
        assert y.dtype == np.float32
        assert y.item() == pytest.approx(expected, rel=1e-6)


def test_losses_of_enormous_logits_are_finite() -> None:
    logits = Tensor(np.array([[1e4, -1e4], [-1e4, 1e4]], np.float32), requires_grad=True)
    y = functional.cross_entropy(logits, [1, 1])
    y.backward()
    assert y.item() == 1e4  # (2e4 + 0) / 2
    np.testing.assert_array_equal(logits.grad, [[0.5, -0.5], [0, 0]])
    assert functional.bce_with_logits(logits, [[0, 0], [0, 1]]).item() == 2500


# --- choosing and joining -------------------------------------------------------------------------


def test_numbers_take_the_dtype_of_the_tensor_beside_them() -> None:
    x = Tensor(np.array([-1.0, 2.0], np.float32))
    for y, expected in (
        (functional.maximum(x, 0), [0, 2]),
        (functional.maximum(0.5, x), [0.5, 2]),
        (functional.minimum(x, 0.5), [-1, 0.5]),
        (functional.where(x > 0, x, 0.25), [0.25, 2]),
        (functional.where(x > 0, 0, x), [-1, 0]),
        (functional.where(np.array([True, False]), 1.5, 2.5), [1.5, 2.5]),
    ):
        assert y.dtype == np.float32
        np.testing.assert_array_equal(y.numpy(), expected)


def test_ties_share_the_gradient() -> None:
    for function in (functional.maximum, functional.minimum):
        a = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
        b = Tensor(np.array([1.0, 3.0, 2.0]), requires_grad=True)
        function(a, b).backward(np.array([4.0, 6.0, 8.0]))
        larger = function is functional.maximum
        np.testing.assert_array_equal(a.grad, [2, 0, 8] if larger else [2, 6, 0])
        np.testing.assert_array_equal(b.grad, [2, 6, 0] if larger else [2, 0, 8])


def test_where_wants_a_boolean_condition() -> None:
    with pytest.raises(TypeError, match=r"condition must be boolean \(x > 0, say\), it is float32"):
        functional.where(Tensor([1.0, 0.0]), 1.0, 2.0)


def test_joining() -> None:
    a, b = np.zeros((2, 3)), np.ones((2, 3))
    assert functional.concat([a, b]).shape == (2, 6)
    assert functional.concat((a, b), axis=0).shape == (4, 3)
    for axis in (0, 1, 2, -1, -2):
        np.testing.assert_array_equal(
            functional.stack([a, b], axis).numpy(), np.stack([a, b], axis)
        )
    with pytest.raises(ValueError, match="nothing to join"):
        functional.concat([])
    with pytest.raises(ValueError, match="nothing to join"):
        functional.stack([])
    with pytest.raises(ShapeError, match=r"Concat: \(2, 3\) and \(3, 3\) differ beyond axis -1"):
        functional.concat([a, np.zeros((3, 3))])
    with pytest.raises(ShapeError, match=r"stack: \(2, 3\) and \(2, 4\) must be equal"):
        functional.stack([a, np.zeros((2, 4))])


# --- activations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (functional.relu, lambda x: np.where(x > 0, x, 0)),
        (functional.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
        (functional.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
        (functional.silu, lambda x: x / (1 + np.exp(-x))),
        (functional.tanh, np.tanh),
        (functional.softmax, lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)),
        (functional.log_softmax, lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True))),
    ],
)
def test_activations_are_their_formulas(function: Any, expected: Callable[..., Any]) -> None:
    x = normal(2, 3, 4)
    np.testing.assert_allclose(function(x).numpy(), expected(x), rtol=1e-12)


@pytest.mark.parametrize(
    "function", [functional.softmax, lambda x: functional.dense(x, normal(3, 2))]
)
def test_what_works_on_rows_refuses_a_single_number(function: Any) -> None:
    with pytest.raises(ShapeError, match=r"at least one axis"):
        function(Tensor(np.array(1.5)))


def test_dense_takes_any_number_of_axes() -> None:
    x, w, b = normal(2, 3, 4), normal(4, 5), normal(5)
    np.testing.assert_allclose(functional.dense(x, w, b).numpy(), x @ w + b)
    np.testing.assert_allclose(functional.dense(x[0, 0], w).numpy(), x[0, 0] @ w)
    with pytest.raises(ShapeError, match=r"input has I=4 features, weight expects 5"):
        functional.dense(x, normal(5, 2))


def test_cross_entropy_says_that_its_weights_get_no_gradient() -> None:
    weights = Tensor(np.ones(4), requires_grad=True)
    with pytest.raises(ValueError, match=r"weights get no gradient; pass weights\.detach\(\)"):
        functional.cross_entropy(normal(2, 4), [0, 1], weights=weights)
