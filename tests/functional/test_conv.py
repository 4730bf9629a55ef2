"""Convolution: padding, settings that are refused, algorithms by name."""

import re
from typing import Any

import numpy as np
import pytest

from tests.functional.draws import normal
from tinyvision import backend, functional
from tinyvision.tensor import Tensor
from tinyvision_kernels.contract import ShapeError

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


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("cpu", ["direct", "depthwise", "winograd", "linewise", "planar", "pointwise"]),
        ("reference", ["im2col", "loops"]),
    ],
)
def test_an_unknown_algorithm_is_answered_with_the_known_ones(name: str, known: list[str]) -> None:
    x, w = normal(1, 5, 5, 2), normal(3, 3, 2, 4)
    with backend.using(name), pytest.raises(ValueError) as caught:
        functional.conv2d(x, w, algorithm="fft")
    assert not isinstance(caught.value, ShapeError)
    sentence = str(caught.value)
    assert sentence.startswith(f"the {name} backend has no convolution algorithm 'fft': try 'auto'")
    assert sorted(re.findall(r"'(\w+)'", sentence)) == sorted(["fft", "auto", *known])
    for algorithm in known:
        assert f'"{algorithm}"' in (functional.conv2d.__doc__ or "")


def test_an_algorithm_that_does_not_fit_is_no_fault_of_the_shapes() -> None:
    x, w = normal(1, 5, 5, 2), normal(1, 1, 2, 4)
    with (
        backend.using("cpu"),
        pytest.raises(ValueError, match="'winograd' cannot compute") as caught,
    ):
        functional.conv2d(x, w, algorithm="winograd")
    assert not isinstance(caught.value, ShapeError)
