"""The list of kernels: complete tables, shape rules that refuse misfits, window arithmetic."""

import inspect

import numpy as np
import pytest

from tests.kernels.cases import cases
from tinyvision_kernels import reference
from tinyvision_kernels.contract import KERNELS, ShapeError, window_count, windows
from tinyvision_kernels.contract.registry import Shape, kernel


def test_the_reference_table_is_complete():
    assert set(reference.TABLE) == set(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
def test_the_reference_takes_the_contracts_arguments_in_order(name):
    contract = KERNELS[name]
    arguments = [*contract.outputs, *contract.updates, *contract.inputs, *contract.settings]
    assert list(inspect.signature(reference.TABLE[name]).parameters) == ["xp", *arguments]


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_has_cases_of_legal_shapes_and_a_formula(name):
    contract = KERNELS[name]
    assert contract.formula
    some = cases(name)
    assert some and len({case.id for case in some}) == len(some)
    for case in some:
        shapes = case.output_shapes()
        assert len(shapes) == len(contract.outputs)
        assert all(isinstance(size, int) and size > 0 for shape in shapes for size in shape)


def test_cases_are_the_same_in_every_run():
    first, second = (cases("conv2d")[3].inputs["x"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


SAME = (1, 1, 1, 1)
NONE = (0, 0, 0, 0)
UNIT = (1, 1)

# kernel, arguments, expected output shapes: worked out by hand
SHAPES = [
    ("conv2d", [(2, 32, 32, 3), (3, 3, 3, 8), (8,), UNIT, SAME, UNIT, 1], [(2, 32, 32, 8)]),
    ("conv2d", [(1, 7, 8, 4), (3, 2, 2, 6), None, (2, 3), NONE, UNIT, 2], [(1, 3, 3, 6)]),
    ("conv2d", [(1, 7, 7, 1), (3, 3, 1, 1), None, UNIT, NONE, (3, 2), 1], [(1, 1, 3, 1)]),
    ("conv2d_dx", [(1, 3, 3, 6), (3, 2, 2, 6), (8, 8), (2, 3), NONE, UNIT, 2], [(1, 8, 8, 4)]),
    ("conv2d_dw", [(1, 7, 8, 4), (1, 3, 3, 6), (3, 2), (2, 3), NONE, UNIT, 2], [(3, 2, 2, 6)]),
    ("bias_grad", [(2, 5, 5, 7)], [(7,)]),
    ("dense", [(4, 6), (6, 3), (3,)], [(4, 3)]),
    ("dense_dx", [(4, 3), (6, 3)], [(4, 6)]),
    ("dense_dw", [(4, 6), (4, 3)], [(6, 3)]),
    ("max_pool2d", [(2, 7, 9, 4), (3, 3), (2, 2), SAME], [(2, 4, 5, 4)] * 2),
    ("avg_pool2d", [(2, 64, 64, 4), (64, 64), UNIT, NONE], [(2, 1, 1, 4)]),
    ("max_pool2d_dx", [(2, 4, 5, 4)] * 2 + [(7, 9), (3, 3), (2, 2), SAME], [(2, 7, 9, 4)]),
    ("global_avg_pool2d_dx", [(2, 4), (5, 6)], [(2, 5, 6, 4)]),
    ("upsample2d", [(2, 4, 5, 3), (2, 3)], [(2, 8, 15, 3)]),
    ("upsample2d_dx", [(2, 8, 15, 3), (2, 3)], [(2, 4, 5, 3)]),
    ("pad_shortcut", [(2, 5, 4, 3), (2, 2), (1, 2)], [(2, 3, 2, 6)]),
    ("pad_shortcut_dx", [(2, 3, 2, 6), (5, 4), (2, 2), (1, 2)], [(2, 5, 4, 3)]),
    ("batch_norm", [(3,)] * 2 + [(2, 4, 4, 3), (3,), (3,), 1e-5, 0.1], [(2, 4, 4, 3), (3,), (3,)]),
    ("layer_norm", [(5, 8), (8,), (8,), 1e-5], [(5, 8), (5,), (5,)]),
    ("group_norm", [(2, 4, 4, 6), (6,), (6,), 3, 1e-5], [(2, 4, 4, 6), (2, 3), (2, 3)]),
    ("softmax_cross_entropy", [(5, 10), (5,), (10,), 0.1], [(5,), (5, 10)]),
    ("random_bits", [12, 0, 0, 0], [(12,)]),
    ("sum_of_squares", [(99,)], [(1,)]),
    ("random_bits_at", [(5,), 0, 0, 0], [(5, 4)]),
    ("crop_images", [(2, 5, 6, 3), (2, 4), (2, 7), (3,), (2, 1, 4), (3, 256)], [(2, 4, 7, 3)]),
    ("resize_images", [(2, 5, 6, 3), (2, 4), 4, 7], [(2, 4, 7, 3)]),
]


@pytest.mark.parametrize("name, arguments, expected", SHAPES)
def test_shapes_worked_out_by_hand(name, arguments, expected):
    assert list(KERNELS[name].shapes(*arguments)) == expected


X, DY = (2, 6, 6, 4), (2, 6, 6, 8)
W = (3, 3, 4, 8)
STEP = [0.1, 0.9, False, 0.0, 1.0, 0.9]
V = (4,)

# kernel, arguments, what the refusal must say
MISFITS = [
    (
        "conv2d",
        [(6, 6, 4), W, None, UNIT, SAME, UNIT, 1],
        "x must be (N, H, W, C), it is (6, 6",
    ),
    ("conv2d", [X, (3, 3, 4), None, UNIT, SAME, UNIT, 1], "w must be (KH, KW, C, O)"),
    ("conv2d", [X, (3, 3, 5, 8), None, UNIT, SAME, UNIT, 1], "C=4 channels, weight expects 5"),
    ("conv2d", [X, (3, 3, 2, 9), None, UNIT, SAME, UNIT, 2], "O=9 channels do not divide into 2"),
    ("conv2d", [X, W, (7,), UNIT, SAME, UNIT, 1], "bias must be (8,), it is (7,)"),
    ("conv2d", [X, (9, 3, 4, 8), None, UNIT, SAME, UNIT, 1], "does not fit 6 cells padded by 1"),
    ("conv2d", [X, W, None, (0, 1), SAME, UNIT, 1], "stride 0"),
    ("conv2d", [X, W, None, UNIT, (-1, 0, 0, 0), UNIT, 1], "padding -1"),
    ("conv2d", [X, W, None, UNIT, SAME, UNIT, 0], "groups must be at least 1, not 0"),
    ("conv2d_dx", [(2, 5, 6, 8), W, (6, 6), UNIT, SAME, UNIT, 1], "dy must be (N, 6, 6, 8)"),
    ("conv2d_dx", [DY, W, (6, 6), UNIT, SAME, UNIT, 0], "groups must be at least 1, not 0"),
    ("conv2d", [(2, 6, 6, 0), (3, 3, 0, 5), None, UNIT, SAME, UNIT, 1], "C=0: a convolution takes"),
    ("conv2d", [X, (3, 3, X[3], 0), None, UNIT, SAME, UNIT, 1], "O=0: a convolution takes"),
    ("conv2d_dx", [DY, (3, 3, 0, DY[3]), (6, 6), UNIT, SAME, UNIT, 1], "C=0: a convolution takes"),
    ("conv2d_dw", [(2, 6, 6, 0), DY, (3, 3), UNIT, SAME, UNIT, 1], "C=0: a convolution takes"),
    ("conv2d_dw", [X, (2, 6, 6, 0), (3, 3), UNIT, SAME, UNIT, 1], "O=0: a convolution takes"),
    ("conv2d_dw", [X, (3, 6, 6, 8), (3, 3), UNIT, SAME, UNIT, 1], "dy must be (2, 6, 6, O)"),
    ("conv2d_dw", [X, DY, (3, 3), UNIT, SAME, UNIT, 3], "C=4 channels do not divide into 3"),
    ("bias_grad", [()], "last axis"),
    ("dense", [(4, 6, 1), (6, 3), None], "x must be (N, I)"),
    ("dense", [(4, 6), (5, 3), None], "I=6 features, weight expects 5"),
    ("dense", [(4, 6), (6, 3), (4,)], "bias must be (3,), it is (4,)"),
    ("dense_dx", [(4, 2), (6, 3)], "dy must be (N, 3), it is (4, 2)"),
    ("dense_dw", [(4, 6), (5, 3)], "x (4, 6) and dy (5, 3) have different N"),
    ("relu_dx", [(2, 3), (3, 2)], "(2, 3) and (3, 2) differ"),
    ("softmax", [(2, 3, 4)], "x must be (M, K), it is (2, 3, 4)"),
    ("softmax_dx", [V, V], "must be (M, K)"),
    ("max_pool2d", [X, (17, 16), UNIT, NONE], "window (17, 16) has more than 256 cells"),
    ("max_pool2d", [X, (2, 2), UNIT, (2, 0, 0, 0)], "must be smaller than the window (2, 2)"),
    ("avg_pool2d", [X, (2, 2), UNIT, (0, 0, 0, 3)], "must be smaller than the window (2, 2)"),
    ("max_pool2d_dx", [DY, X, (6, 6), UNIT, UNIT, NONE], "differ in shape"),
    ("avg_pool2d_dx", [DY, (7, 6), UNIT, UNIT, NONE], "dy must be (N, 7, 6, C)"),
    ("global_avg_pool2d", [V], "x must be (N, H, W, C)"),
    ("global_avg_pool2d_dx", [X, (6, 6)], "dy must be (N, C)"),
    ("upsample2d", [X, (0, 1)], "factor must be at least 1"),
    ("upsample2d_dx", [X, (4, 1)], "no image enlarged by (4, 1)"),
    ("pad_shortcut", [X, (0, 1), (0, 0)], "stride must be at least 1"),
    ("pad_shortcut", [X, (1, 1), (-1, 0)], "must not be negative"),
    ("pad_shortcut_dx", [X, (9, 9), (2, 2), (0, 0)], "dy must be (N, 5, 5, C)"),
    ("pad_shortcut_dx", [(1, 2, 2, 4), (4, 4), (2, 2), (2, 2)], "no channels but the (2, 2)"),
    ("batch_norm", [V, V, X, (5,), V, 1e-5, 0.1], "gamma must be (4,), it is (5,)"),
    ("batch_norm", [(1,), V, X, V, V, 1e-5, 0.1], "running_mean must be (4,), it is (1,)"),
    ("batch_norm", [V, V, (1, 1, 1, 4), V, V, 1e-5, 0.1], "one value a channel has no variance"),
    ("batch_norm_grad", [DY, X, V, V, V], "dy (2, 6, 6, 8) and x (2, 6, 6, 4) differ"),
    ("batch_norm_infer", [X, V, V, V, (3,), 1e-5], "var must be (4,), it is (3,)"),
    ("batch_norm_infer_grad", [X, X, V, V, (3,), 1e-5], "var must be (4,), it is (3,)"),
    ("layer_norm", [X, V, V, 1e-5], "x must be (M, D)"),
    ("layer_norm_grad", [(5, 4), (5, 4), V, V, V], "mean must be (5,), it is (4,)"),
    ("group_norm", [(2, 5, 6, 0), (0,), (0,), 1, 1e-5], "x has no channels"),
    ("batch_norm_statistics", [(0,), (0,), (8, 0), 1e-5, 0.1], "x has no channels"),
    ("batch_norm_apply", [(8, 0), (0,), (0,), (0,), (0,)], "x has no channels"),
    ("bias_grad", [(8, 0)], "dy has no channels"),
    ("group_norm", [X, V, V, 3, 1e-5], "C=4 channels do not divide into 3 groups"),
    ("group_norm_grad", [X, X, V, (2, 4), (2, 2), 2], "mean must be (2, 2), it is (2, 4)"),
    ("softmax_cross_entropy", [(5, 3), (4,), None, 0.0], "labels must be (5,), they are (4,)"),
    ("softmax_cross_entropy", [(5, 3), (5,), (5,), 0.0], "weights must be (3,), not (5,)"),
    ("softmax_cross_entropy_dx", [(4,), (5, 3), (5,), None, 0.0], "dlosses must be (5,)"),
    ("bce_with_logits", [(5,), (5, 1)], "(5,) and (5, 1) differ"),
    ("bce_with_logits_dx", [(5,), (5,), (5, 1)], "(5,) and (5, 1) differ"),
    ("dropout", [X, (4,), 1.0], "rate must be in [0, 1), it is 1.0"),
    ("dropout", [X, (3,), 0.5], "stream must be (4,), it is (3,)"),
    ("sgd_step", [(5,), (5,), None, (6,), *STEP], "g must be (5,), it is (6,)"),
    ("sgd_step", [(5,), (5,), (6,), (5,), *STEP], "average must be (5,), it is (6,)"),
    ("adam_step", [V, V, (3,), V, V, *[0] * 9], "v must be (4,), it is (3,)"),
    ("crop_images", [X, (3, 6), (2, 6), V, (2, 1, 4), (4, 256)], "a row for each of 2 images"),
    ("crop_images", [X, (2, 6), (2, 6), V, (2, 4), (4, 256)], "holes must be (2, B, 4)"),
    ("warp_images", [X, (2, 6), (6,), (18,), V, (2, 0, 4), (2, 4, 5), V, V], "rows must be (18,)"),
    ("resize_images", [X, (3, 4), 5, 5], "boxes must be (2, 4), it is (3, 4)"),
    ("resize_images", [X, (2, 4), 5, 0], "resized to 1 x 1 or more, not 5 x 0"),
    ("resize_images", [(2, 0, 6, 3), (2, 4), 5, 5], "must have pixels"),
    ("blur_images", [X, (2, 0)], "the weight at distance 0"),
    ("noise_images", [X, (2,), (3,), 0, 0, 0], "positions must be (2,), it is (3,)"),
    ("retone_images", [X, (2, 3), (2, 2, 256)], "tables must be (2, 3, 256), it is (2, 2, 256)"),
    ("retone_images", [X, (3, 1), (3, 1, 256)], "kinds must be (2, 1), it is (3, 1)"),
    ("sharpen_images", [X, (3,)], "amounts must be (2,), it is (3,)"),
    ("mix_images", [X, (2,), (2,), (2, 5)], "boxes must be (2, 4), it is (2, 5)"),
    ("rmsprop_step", [V, (3,), V, None, V, *[0] * 7], "square must be (4,), it is (3,)"),
]


@pytest.mark.parametrize("name, arguments, words", MISFITS, ids=lambda value: str(value)[:40])
def test_misfits_are_refused_in_words(name, arguments, words):
    with pytest.raises(ShapeError) as refusal:
        KERNELS[name].shapes(*arguments)
    assert words in str(refusal.value)


def test_a_refusal_names_the_layer_once_it_is_known():
    refusal = ShapeError("input has C=3 channels, weight expects 4")
    refusal.place = "Conv2d 'conv2'"
    assert str(refusal) == "Conv2d 'conv2': input has C=3 channels, weight expects 4"
    assert isinstance(refusal, ValueError)


def test_window_count_equals_counting():
    for size in range(1, 9):
        for window in range(1, 5):
            for stride in range(1, 4):
                for before, after, dilation in [(0, 0, 1), (1, 1, 1), (0, 2, 2), (3, 1, 3)]:
                    reach = dilation * (window - 1)
                    starts = range(-before, size + after - reach, stride)
                    arguments = (size, window, stride, before, after, dilation)
                    if len(starts):
                        assert window_count(*arguments) == len(starts)
                    else:
                        with pytest.raises(ShapeError, match=f"reaches over {reach + 1} cells"):
                            window_count(*arguments)


def test_windows_takes_height_from_top_and_bottom_and_width_from_left_and_right():
    assert windows((5, 7), (3, 2), (1, 2), (1, 0, 2, 3)) == (4, 6)
    assert windows((9, 9), (3, 3), (1, 1), (0, 0, 0, 0), (4, 2)) == (1, 5)


def test_a_kernel_with_an_array_after_a_setting_cannot_be_entered():
    def muddled(x: Shape, rate: float, y: Shape) -> tuple[Shape, ...]:
        return (x,)

    with pytest.raises(TypeError, match="muddled: arrays come before settings"):
        kernel("z")(muddled)
    assert "muddled" not in KERNELS
