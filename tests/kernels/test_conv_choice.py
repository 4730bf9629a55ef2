"""Which algorithm computes a convolution: the rules, and how to overrule them."""

import ml_dtypes
import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tinyvision_kernels.contract import windows
from tinyvision_kernels.cpu import TABLE, pairs, tile
from tinyvision_kernels.cpu.conv import (
    choice,
    depthwise,
    direct,
    linewise,
    overlap_add,
    planar,
    pointwise,
    runwise,
    winograd,
)
from tinyvision_kernels.cpu.conv.choice import choose
from tinyvision_kernels.cpu.conv.geometry import Geometry

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
HALF = np.dtype(ml_dtypes.bfloat16)
DIRECTIONS = ("forward", "input_gradient", "weight_gradient")


@pytest.fixture(autouse=True)
def sixteen_channels_in_a_vector(monkeypatch):
    """The rules for AVX-512, whatever this processor has."""
    monkeypatch.setattr(choice, "HOST", tile.PROCESSORS["avx512f"])
    for tile_name, rows in (("TALL", 14), ("MIDDLE", 4), ("MIDDLE_SLIM", 8)):
        monkeypatch.setattr(linewise, tile_name, rows)
    choose.cache_clear()
    yield
    choose.cache_clear()


every_direction = pytest.mark.parametrize("direction", DIRECTIONS)


def geometry(
    N, size, C, O, window=(3, 3), stride=(1, 1), pad=(1, 1, 1, 1), dilation=(1, 1), groups=1
):
    positions = windows(size, window, stride, pad, dilation)
    return Geometry(N, size, positions, (C, O), window, stride, pad, dilation, groups)


def test_sixteen_patches_of_many_channels_are_transformed_but_not_for_the_weights():
    for direction, module in zip(DIRECTIONS, (winograd, winograd, direct), strict=True):
        assert choose(direction, geometry(1, (16, 16), 64, 128), SINGLE) is module
        assert choose(direction, geometry(1, (16, 16), 32, 64), SINGLE) is not winograd


@every_direction
@pytest.mark.parametrize(
    ("what", "module"),
    [
        (geometry(128, (32, 32), 16, 16), winograd),
        (geometry(1, (56, 56), 64, 64), winograd),
        (geometry(64, (26, 26), 32, 64, pad=(0, 0, 0, 0)), winograd),
        (geometry(1, (8, 8), 64, 64), direct),  # four patches do not earn the filters' transform
        (geometry(128, (3, 3), 64, 64), winograd),
        (geometry(128, (2, 2), 64, 64), direct),  # a quarter of each patch is wanted
        (geometry(32, (14, 14), 64, 64, groups=64), depthwise),
        (geometry(32, (16, 16), 64, 64, groups=2), direct),
        (geometry(32, (18, 18), 64, 64, dilation=(2, 2)), direct),
    ],
)
def test_the_rules(direction: str, what: Geometry, module):
    assert choose(direction, what, SINGLE) is module


@every_direction
def test_pairs_of_bfloat16_are_transformed_where_that_saves_more(direction: str, monkeypatch):
    full, partly = geometry(128, (8, 8), 64, 64), geometry(128, (9, 9), 64, 64)
    for native, module in [(True, direct), (False, winograd)]:
        monkeypatch.setattr(pairs, "NATIVE", native)
        choose.cache_clear()
        assert choose(direction, full, HALF) is winograd
        assert choose(direction, partly, HALF) is module
    choose.cache_clear()


@pytest.mark.parametrize(
    ("what", "module"),
    [
        (geometry(64, (28, 28), 1, 32), planar),
        (geometry(128, (32, 32), 3, 64), planar),
        (geometry(16, (224, 224), 3, 64, (7, 7), (2, 2), (3, 3, 3, 3)), planar),
        (geometry(64, (28, 28), 2, 2), planar),
        (geometry(64, (28, 28), 8, 16, window=(5, 5)), planar),
        (geometry(64, (14, 14), 6, 16, window=(5, 5)), overlap_add),  # short rows of pixels
        (geometry(64, (28, 28), 8, 4, window=(5, 5)), direct),  # little to multiply, much to add
        (geometry(64, (28, 28), 8, 16, (5, 5), (2, 1)), overlap_add),
        (geometry(128, (32, 32), 16, 32, stride=(2, 2)), overlap_add),
        (geometry(32, (56, 56), 64, 128, stride=(2, 2)), overlap_add),
        (geometry(64, (28, 28), 16, 32, window=(5, 5)), overlap_add),  # one vector, a slim tile
        (geometry(64, (28, 28), 33, 32, window=(5, 5)), overlap_add),  # three vectors, half empty
        (geometry(64, (28, 28), 32, 32, window=(5, 5)), direct),
        (geometry(64, (28, 28), 30, 32, window=(5, 5)), direct),
        (geometry(64, (28, 28), 4, 32, stride=(2, 2), groups=2), direct),
    ],
)
def test_the_gradient_of_few_channels_and_of_strides(what: Geometry, module):
    assert choose("input_gradient", what, SINGLE) is module


@pytest.mark.parametrize(
    ("what", "module"),
    [
        (geometry(64, (28, 28), 1, 32), runwise),
        (geometry(64, (28, 28), 1, 6, (5, 5)), runwise),
        (geometry(64, (14, 14), 6, 16, (5, 5), pad=(0, 0, 0, 0)), runwise),
        (geometry(128, (32, 32), 16, 32, stride=(2, 2)), runwise),
        (geometry(64, (28, 28), 3, 16, dilation=(2, 2)), runwise),  # three channels are a run
        (geometry(64, (28, 28), 1, 16, dilation=(2, 2)), direct),  # neighbours lie apart
        (geometry(64, (28, 28), 4, 16, (4, 4)), direct),  # neither threes nor fives
        (geometry(64, (28, 28), 64, 128, stride=(2, 2)), direct),  # many taps
        (geometry(64, (28, 28), 6, 16, groups=2), direct),
    ],
)
def test_the_gradient_of_weights_in_runs(what: Geometry, module):
    for dtype in (SINGLE, DOUBLE):
        assert choose("weight_gradient", what, dtype) is module
    assert choose("weight_gradient", what, HALF) is direct


def test_one_pixel_is_a_dense_layer():
    for dtype in (SINGLE, DOUBLE, HALF):
        what = geometry(32, (14, 14), 256, 64, (1, 1), pad=(0, 0, 0, 0))
        assert choose("weight_gradient", what, dtype) is direct
        for direction in ("forward", "input_gradient"):
            assert choose(direction, what, dtype) is pointwise
            for more in ({"stride": (2, 2)}, {"pad": (0, 0, 1, 0)}, {"groups": 2}):
                other = geometry(32, (14, 14), 256, 64, (1, 1), **{"pad": (0, 0, 0, 0), **more})
                assert choose(direction, other, dtype) is not pointwise


@pytest.mark.parametrize(
    ("what", "module"),
    [
        (geometry(64, (28, 28), 1, 32, pad=(0, 0, 0, 0)), linewise),
        (geometry(128, (32, 32), 3, 64), linewise),  # 14 + 14 + 4 positions
        (geometry(64, (56, 56), 3, 64, (7, 7), (2, 2), (3, 3, 3, 3)), linewise),
        (geometry(64, (16, 16), 3, 32), linewise),  # two positions twice, but short sums
        (geometry(64, (16, 16), 64, 64, (5, 5), pad=(2, 2, 2, 2)), direct),  # two of sixteen twice
        (geometry(64, (28, 28), 64, 64, (5, 5), pad=(2, 2, 2, 2)), linewise),  # nothing twice
        (geometry(64, (14, 14), 6, 16, (5, 5), pad=(0, 0, 0, 0)), direct),  # six of ten twice
        (geometry(64, (9, 9), 6, 16, (5, 5)), direct),  # lines of less than a tile
        (geometry(64, (28, 28), 64, 64, groups=2), linewise),
    ],
)
def test_lines_that_fill_tiles_and_short_sums(what: Geometry, module):
    assert choose("forward", what, SINGLE) is module


@pytest.mark.parametrize(
    ("what", "module"),
    [
        (geometry(64, (28, 28), 1, 6, (5, 5), pad=(2, 2, 2, 2)), planar),
        (geometry(64, (28, 28), 1, 1, (5, 5), pad=(2, 2, 2, 2)), planar),
        (geometry(64, (28, 28), 1, 12, (5, 5), pad=(2, 2, 2, 2)), linewise),  # fill most lanes
        (geometry(64, (28, 28), 1, 8), linewise),  # short sums
        (geometry(64, (14, 14), 1, 6, (5, 5), pad=(2, 2, 2, 2)), linewise),  # rows half full
        (geometry(64, (28, 28), 3, 6, (5, 5), pad=(2, 2, 2, 2)), linewise),
        (geometry(64, (56, 56), 1, 6, (5, 5), (2, 2), (2, 2, 2, 2)), linewise),
    ],
)
def test_few_filters_over_one_channel(what: Geometry, module):
    assert choose("forward", what, SINGLE) is module


@every_direction
def test_double_precision_is_never_transformed(direction: str):
    assert choose(direction, geometry(128, (16, 16), 64, 64), DOUBLE) is direct


@every_direction
def test_an_algorithm_of_one_direction_is_refused_for_others(direction: str):
    for module in (linewise, overlap_add, planar, runwise):
        if hasattr(module, direction):
            assert choose(direction, geometry(1, (9, 9), 64, 4), SINGLE, name(module)) is module
        else:
            with pytest.raises(ValueError, match=f"has no {direction.replace('_', ' ')}; try"):
                choose(direction, geometry(1, (9, 9), 64, 4), SINGLE, name(module))


def name(module) -> str:
    return module.__name__.rsplit(".", 1)[1]


@every_direction
def test_a_name_overrules_the_rules(direction: str):
    large, deep = geometry(128, (32, 32), 64, 64), geometry(1, (9, 9), 4, 4, groups=4)
    assert choose(direction, large, SINGLE, "direct") is direct
    assert choose(direction, deep, SINGLE, "direct") is direct
    assert choose(direction, geometry(1, (3, 3), 1, 1), SINGLE, "winograd") is winograd


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no convolution algorithm 'fft': try 'auto', 'direct'"):
        choose("forward", geometry(1, (9, 9), 4, 4), SINGLE, "fft")
    with pytest.raises(ValueError, match=r"no convolution algorithm 'fft'") as refused:
        choose("forward", geometry(1, (9, 9), 4, 4), SINGLE, "fft")
    assert "overlap_add" not in str(refused.value)  # which has no forward pass


@pytest.mark.parametrize(
    ("what", "dtype"),
    [
        (geometry(1, (9, 9), 4, 4, window=(5, 5)), SINGLE),
        (geometry(1, (9, 9), 4, 4, stride=(2, 1)), SINGLE),
        (geometry(1, (9, 9), 4, 4, dilation=(1, 2)), SINGLE),
        (geometry(1, (9, 9), 4, 4, groups=2), SINGLE),
        (geometry(1, (9, 9), 4, 4), DOUBLE),
    ],
)
def test_an_algorithm_that_cannot_compute_it_is_refused(what: Geometry, dtype: np.dtype):
    with pytest.raises(ValueError, match="'winograd' cannot compute this convolution in float"):
        choose("forward", what, dtype, "winograd")


def test_kernels_take_the_name():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 9, 9, 4)), rng.standard_normal((3, 3, 4, 4))
    y = np.empty((1, 9, 9, 4))
    with pytest.raises(ValueError, match="winograd"):
        TABLE["conv2d"](y, x, w, None, (1, 1), (1, 1, 1, 1), (1, 1), 1, algorithm="winograd")
