"""What is special to the compiled products: vector edges, threads, working memory, other widths.

That they compute the right thing in general is held by ``test_cpu_parity.py``.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.fresh import assert_same_bits, in_a_new_process
from tests.kernels.processors import each_older_processor, on_an_older_processor
from tinyvision_kernels.contract import KERNELS
from tinyvision_kernels.cpu import TABLE, scratch, tile
from tinyvision_kernels.cpu.conv.bands import backward_axes, cut_bands, forward_axis
from tinyvision_kernels.cpu.panels import filter_panels
from tinyvision_kernels.cpu.tile import PROCESSORS

SAME = ((1, 1), (1, 1, 1, 1), (1, 1), 1)  # stride, pad, dilation, groups of a plain 3 x 3


def integers(rng: np.random.Generator, *shape: int, dtype: type = np.float32) -> np.ndarray:
    """Small integers, whose sums are exact in any order: results must be equal, not close."""
    return rng.integers(-4, 5, shape).astype(dtype)


def conv_by_taps(x, w, stride, pad, dilation, groups):
    """The formula, cell of the window by cell, for all images at once."""
    top, bottom, left, right = pad
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    KH, KW, C, O = w.shape
    OH = (padded.shape[1] - dilation[0] * (KH - 1) - 1) // stride[0] + 1
    OW = (padded.shape[2] - dilation[1] * (KW - 1) - 1) // stride[1] + 1
    y = np.zeros((x.shape[0], OH, OW, O), x.dtype)
    for r in range(KH):
        for s in range(KW):
            h, q = r * dilation[0], s * dilation[1]
            seen = padded[:, h : h + (OH - 1) * stride[0] + 1 : stride[0]]
            seen = seen[:, :, q : q + (OW - 1) * stride[1] + 1 : stride[1]]
            for g in range(groups):
                of, to = slice(g * C, (g + 1) * C), slice(g * O // groups, (g + 1) * O // groups)
                y[..., to] += seen[..., of] @ w[r, s, :, to]
    return y


def call(kernel: str, *arguments):
    """Allocate what the contract says, full of NaN, and run the kernel."""
    shapes = [a.shape if isinstance(a, np.ndarray) else a for a in arguments]
    contract, one = KERNELS[kernel], arguments[0].dtype
    outputs = [
        np.full(shape, np.nan, contract.dtype(name, one))
        for name, shape in zip(contract.outputs, contract.shapes(*shapes), strict=True)
    ]
    TABLE[kernel](*outputs, *arguments)
    return outputs[0]


def check_conv(rng, N, H, W, C, O, window, stride, pad, dilation, groups, dtype=np.float32):
    """Check all three kernels; y is linear in x and in w, which fixes the derivatives exactly."""
    how = (stride, pad, dilation, groups)
    x = integers(rng, N, H, W, C, dtype=dtype)
    w, b = integers(rng, *window, C // groups, O, dtype=dtype), integers(rng, O, dtype=dtype)
    y = conv_by_taps(x, w, *how)
    np.testing.assert_array_equal(call("conv2d", x, w, b, *how), y + b)
    dy = integers(rng, *y.shape, dtype=dtype)
    dx = call("conv2d_dx", dy, w, (H, W), *how)
    dw = call("conv2d_dw", x, dy, window, *how)
    for _ in range(3):  # <conv(e, w), dy> = <e, dx> for every e, and likewise for dw
        e = integers(rng, *x.shape, dtype=dtype)
        assert np.vdot(conv_by_taps(e, w, *how), dy) == np.vdot(e, dx)
        e = integers(rng, *w.shape, dtype=dtype)
        assert np.vdot(conv_by_taps(x, e, *how), dy) == np.vdot(e, dw)


# --- edges ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("O", [1, 7, 8, 15, 16, 17, 31, 32, 33, 48, 70])
@pytest.mark.parametrize("C", [1, 3, 16, 33])
def test_channels_at_the_edges_of_vectors(C: int, O: int):
    check_conv(np.random.default_rng(C * 100 + O), 2, 6, 5, C, O, (3, 2), *SAME)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_groups_whose_channels_fill_no_vector(groups: int):
    rng = np.random.default_rng(groups)
    shape = (2, 7, 6, groups * 3, groups * 17)
    check_conv(rng, *shape, (3, 3), (2, 1), (1, 0, 2, 1), (1, 2), groups)


@pytest.mark.parametrize("C", [1, 5, 16, 37])
def test_depthwise(C: int):
    rng = np.random.default_rng(C)
    check_conv(rng, 3, 9, 8, C, C, (3, 2), (2, 1), (0, 1, 2, 0), (1, 2), C)


def test_groups_with_two_outputs_for_one_input():
    check_conv(np.random.default_rng(4), 2, 5, 6, 6, 12, (3, 3), *SAME[:3], 6)


def test_several_images_in_a_band_and_a_last_band_that_is_shorter():
    down = across = forward_axis(4, 3, 1, 1, 1)
    assert cut_bands(down, across, 8, 1, 4).cut[0] > 1
    check_conv(np.random.default_rng(5), 37, 4, 4, 8, 20, (3, 3), *SAME)


def test_a_single_image_is_cut_into_more_bands():
    down, across = forward_axis(16, 3, 1, 1, 1), forward_axis(16, 3, 1, 1, 1)
    assert cut_bands(down, across, 8, 1, 4).cut == (1, 16)
    assert cut_bands(down, across, 8, 1, 4, images_in_all=1).cut == (1, 2)
    assert cut_bands(down, across, 8, 1, 4, images_in_all=64).cut == (1, 16)


def test_filters_stay_where_they_stand_if_they_are_used_few_times():
    w = np.zeros((3, 3, 5, 256), np.float32)
    assert np.shares_memory(filter_panels(w, 1, 64).numbers, w)
    assert not np.shares_memory(filter_panels(w, 1, 10_000).numbers, w)
    narrow = np.zeros((3, 3, 5, 64), np.float32)
    assert np.shares_memory(filter_panels(narrow, 1, 10_000).numbers, narrow)
    assert not np.shares_memory(filter_panels(narrow, 2, 64).numbers, narrow)


def test_several_bands_in_an_image_and_a_last_band_that_is_shorter():
    down, across = forward_axis(23, 3, 1, 1, 1), forward_axis(40, 3, 1, 1, 1)
    images, rows = cut_bands(down, across, 4, 1, 4).cut
    assert images == 1
    assert 23 % rows != 0
    check_conv(np.random.default_rng(6), 2, 23, 40, 4, 9, (3, 3), *SAME)


def test_pixels_between_windows_get_no_gradient():
    # windows of 1 pixel, 3 apart: only pixels 0, 3 and 6 are ever read
    dy = np.ones((1, 3, 3, 2), np.float32)
    dx = call(
        "conv2d_dx", dy, np.ones((1, 1, 4, 2), np.float32), (8, 7), (3, 3), (0,) * 4, (1, 1), 1
    )
    expected = np.zeros((1, 8, 7, 4))
    expected[:, ::3, ::3] = 2
    np.testing.assert_array_equal(dx, expected)


def test_backward_axes_list_each_pair_of_pixel_and_window_once():
    size, window, stride, before, dilation = 11, 3, 2, 2, 3
    found = []
    for axis in backward_axes(size, window, stride, before, dilation):
        for k in range(axis.windows):
            for r, offset in zip(axis.taps, axis.offsets, strict=True):
                found.append((axis.first + k * axis.every, r, k * axis.step + offset))
    every = [
        (i * stride + r * dilation - before, r, i) for i in range(-9, 99) for r in range(window)
    ]
    assert sorted(found) == sorted(pair for pair in every if 0 <= pair[0] < size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("N", "I", "O"), [(1, 1, 1), (1, 600, 33), (57, 5, 16), (130, 1100, 70)])
def test_dense_at_the_edges_of_strips_and_vectors(N: int, I: int, O: int, dtype: type):
    rng = np.random.default_rng(N)
    x, w, b, dy = (integers(rng, *s, dtype=dtype) for s in ((N, I), (I, O), (O,), (N, O)))
    np.testing.assert_array_equal(call("dense", x, w, b), x @ w + b)
    np.testing.assert_array_equal(call("dense", x, w, None), x @ w)
    np.testing.assert_array_equal(call("dense_dx", dy, w), dy @ w.T)
    np.testing.assert_array_equal(call("dense_dw", x, dy), x.T @ dy)
    np.testing.assert_array_equal(call("bias_grad", dy), dy.sum(0))


# --- NaN and working memory ----------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 6])
def test_nan_reaches_its_windows_through_zero_weights_and_no_others(groups: int):
    x = np.ones((2, 6, 7, 6), np.float32)
    x[1, 2, 0] = np.nan
    w = np.zeros((3, 3, 6 // groups, 6), np.float32)
    y = call("conv2d", x, w, None, *SAME[:3], groups)
    expected = np.zeros((2, 6, 7, 6), bool)
    expected[1, 1:4, 0:2] = True
    np.testing.assert_array_equal(np.isnan(y), expected)
    assert np.isnan(call("conv2d_dw", x, np.zeros_like(y), (3, 3), *SAME[:3], groups)[:, :2]).all()


@pytest.mark.parametrize("groups", [1, 2])
def test_nan_in_one_channel_of_dy_reaches_the_weights_of_no_other(groups: int):
    # the tile multiplies neighbouring channels along, to fill its vectors
    rng = np.random.default_rng(11)
    x, dy = integers(rng, 3, 20, 15, 4), integers(rng, 3, 20, 15, 10)
    expected = call("conv2d_dw", x, dy, (3, 3), *SAME[:3], groups)
    dy[..., 5] = np.nan
    dw = call("conv2d_dw", x, dy, (3, 3), *SAME[:3], groups)
    assert np.isnan(dw[..., 5]).all()
    np.testing.assert_array_equal(np.delete(dw, 5, -1), np.delete(expected, 5, -1))


def test_what_a_call_leaves_in_working_memory_cannot_be_seen():
    rng = np.random.default_rng(7)
    poison = np.full((3, 9, 9, 40), np.nan, np.float32)
    window = np.full((3, 3, 40, 40), np.nan, np.float32)
    call("conv2d", poison, window, None, *SAME)
    call("conv2d_dw", poison, poison, (3, 3), *SAME)
    call("dense_dx", poison.reshape(-1, 40), window.reshape(-1, 40))
    check_conv(rng, 2, 6, 5, 3, 5, (3, 3), *SAME)
    x, w = integers(rng, 9, 20), integers(rng, 20, 5)
    np.testing.assert_array_equal(call("dense", x, w, None), x @ w)


def test_scratch_is_aligned_reused_and_apart_by_name():
    first = scratch.borrow("test a", 100, np.float32)
    assert first.shape == (100,)
    assert first.ctypes.data % 64 == 0
    assert np.shares_memory(first, scratch.borrow("test a", 50, np.float64))
    assert not np.shares_memory(first, scratch.borrow("test b", 100, np.float32))


def test_two_threads_may_convolve_at_once():
    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(5):
            check_conv(rng, 2, 9, 8, 4 + seed, 20 + seed, (3, 3), *SAME)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_inputs_may_be_read_only():
    rng = np.random.default_rng(8)
    x, w = integers(rng, 1, 5, 5, 2), integers(rng, 3, 3, 2, 3)
    x.flags.writeable = False
    np.testing.assert_array_equal(call("conv2d", x, w, None, *SAME), conv_by_taps(x, w, *SAME))


# --- threads, other processors, the cache --------------------------------------------------------


def all_kernels() -> dict[str, np.ndarray]:
    """Every kernel once, on work of several bands, strips and slices, of numbers that do round."""
    rng = np.random.default_rng(9)
    x, dy, w, b = (
        rng.standard_normal(shape).astype(np.float32)
        for shape in ((6, 20, 18, 5), (6, 20, 18, 21), (3, 3, 5, 21), (21,))
    )
    deep, flat, wide = rng.standard_normal((3, 3, 1, 5)), x.reshape(-1, 90), dy.reshape(-1, 189)
    deep = deep.astype(np.float32)
    return {
        "conv2d": call("conv2d", x, w, b, *SAME),
        "conv2d_dx": call("conv2d_dx", dy, w, (20, 18), *SAME),
        "conv2d_dw": call("conv2d_dw", x, dy, (3, 3), *SAME),
        "bias_grad": call("bias_grad", dy),
        "depthwise": call("conv2d", x, deep, b[:5], *SAME[:3], 5),
        "depthwise_dx": call("conv2d_dx", x, deep, (20, 18), *SAME[:3], 5),
        "depthwise_dw": call("conv2d_dw", x, x, (3, 3), *SAME[:3], 5),
        "dense": call("dense", flat, wide[:90], None),
        "dense_dx": call("dense_dx", flat, np.ascontiguousarray(wide[:, :90])),
        "dense_dw": call("dense_dw", flat, wide[:120]),
    }


def digests() -> dict[str, str]:
    results = all_kernels()
    return {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in results.items()}


def test_same_bits_for_any_number_of_threads():
    assert_same_bits(digests)


def test_a_second_process_compiles_nothing():
    all_kernels()  # compiled by now, and so in the cache
    code = (
        "from tinyvision_kernels.cpu.jit import set_compile_hook\n"
        "compiled = []\n"
        "set_compile_hook(compiled.append)\n"
        "import tests.kernels.test_cpu_conv as t\n"
        "t.all_kernels()\n"
        "print(compiled)"
    )
    assert in_a_new_process(code) == "[]"


CHECK = (
    "import numpy as np, tests.kernels.test_cpu_conv as t\n"
    "from tinyvision_kernels.cpu import tile\n"
    "assert tile.HOST == tile.PROCESSORS[{name!r}], tile.HOST\n"
    "rng = np.random.default_rng(10)\n"
    "t.check_conv(rng, 2, 5, 4, 3, {O}, (3, 2), *t.SAME)\n"
    "t.check_conv(rng, 1, 5, 4, 3, 3, (2, 2), *t.SAME[:3], 3)\n"
    "x, w = t.integers(rng, 3, 8), t.integers(rng, 8, {O})\n"
    "np.testing.assert_array_equal(t.call('dense', x, w, None), x @ w)\n"
)


@each_older_processor
def test_kernels_compiled_for_an_older_processor(name: str):
    on_an_older_processor(name, CHECK.format(name=name, O=21))


def test_kernels_in_plain_python():
    name = list(PROCESSORS)[list(PROCESSORS.values()).index(tile.HOST)]
    in_a_new_process(CHECK.format(name=name, O=3), NUMBA_DISABLE_JIT="1")
