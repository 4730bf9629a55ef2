"""How work is cut into parallel pieces: by its size alone, so that no thread count changes a bit.

Floating-point sums depend on their order. So a reduction is summed within fixed chunks, whichever
thread takes them, and the chunks' sums are added in chunk order. Kernels without a reduction use
the same chunks: the vector loop and its scalar remainder then part at the same element every time.

In the loops, indices are unsigned (``np.uintp``): a signed one may be negative, which for Python
counts from the end, and the test for that keeps LLVM from vectorising.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import get_num_threads, prange, set_num_threads

from .bfloat16 import bits, number, stored, sum_type
from .jit import Array, Function, body_jit, config, kernel_jit

SMALLEST = 16384  # elements; below this, entering a parallel region (2 us) costs more than it saves
MOST = 128  # chunks; enough to balance many cores, few enough to add their sums up quickly

Arrays = tuple[Array, ...]
Settings = tuple[Any, ...]
Kernel = Callable[[Arrays, Settings, int, int], None]


def chunk_length(size: int, unit: int = 1) -> int:
    """Elements of each chunk (but the last) of ``size`` elements, a multiple of ``unit``."""
    length = max(SMALLEST, -(-size // MOST))
    return -(-length // unit) * unit


def chunk_rows(rows: int, width: int) -> int:
    """Rows of each chunk (but the last) of ``rows`` rows that cost ``width`` elements each."""
    return max(1, chunk_length(rows * width) // max(1, width))


def chunked(body: Kernel) -> Kernel:
    """Make a kernel that runs ``body(arrays, settings, start, stop)`` over chunks of ``0 .. size``.

    The kernel is called as ``kernel(arrays, settings, size, length)`` with C-contiguous arrays and
    numbers. ``body`` is a ``body_jit`` function: a single chunk is given to it without a detour.
    """

    @kernel_jit
    def parallel(arrays: Arrays, settings: Settings, size: int, length: int) -> None:
        for chunk in prange((size + length - 1) // length):
            body(arrays, settings, chunk * length, min(size, (chunk + 1) * length))

    def kernel(arrays: Arrays, settings: Settings, size: int, length: int) -> None:
        if size > length:
            parallel(arrays, settings, size, length)
        elif size > 0:
            body(arrays, settings, 0, size)

    return kernel


def launch(kernel: Callable[..., None], pieces: int, *arguments: Any) -> None:
    """Call a kernel whose parallel loops have so many pieces: for a single one no thread is woken.

    To wake a thread that sleeps takes up to 60 us, and it would find nothing to do.
    """
    if pieces > 1 or config.DISABLE_JIT or (threads := get_num_threads()) == 1:
        kernel(*arguments)
        return
    set_num_threads(1)
    try:
        kernel(*arguments)
    finally:
        set_num_threads(threads)


def over_images(kernel: Kernel, arrays: Arrays, settings: Settings = ()) -> None:
    """Run a kernel over chunks of whole images; the first array has one row for each."""
    N = arrays[0].shape[0]
    kernel(arrays, settings, N, chunk_rows(N, arrays[0][:1].size))


def elementwise(formula: Function, inputs: int) -> Callable[..., None]:
    """Make a kernel of ``y[i] = formula(a[i], b[i], c[i], *settings)`` with one to three inputs.

    It is called as ``kernel(y, a, ..., *settings)`` with arrays of any one shape and plain numbers.
    ``formula`` is a ``formula_jit`` function; of bfloat16 it takes and gives float32.
    """
    run = chunked((_fill_from_one, _fill_from_two, _fill_from_three)[inputs - 1](formula))

    def launch(y: Array, *inputs_and_settings: Any) -> None:
        of_type = sum_type(y).type
        arrays = tuple(bits(a).reshape(-1) for a in (y, *inputs_and_settings[:inputs]))
        settings = tuple(of_type(s) for s in inputs_and_settings[inputs:])
        run(arrays, settings, y.size, chunk_length(y.size))

    return launch


def _fill_from_one(formula: Function) -> Kernel:
    @body_jit
    def fill(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
        y, a = arrays
        for i in range(np.uintp(start), np.uintp(stop)):
            y[i] = stored(formula(number(a[i]), *settings), y)

    return fill


def _fill_from_two(formula: Function) -> Kernel:
    @body_jit
    def fill(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
        y, a, b = arrays
        for i in range(np.uintp(start), np.uintp(stop)):
            y[i] = stored(formula(number(a[i]), number(b[i]), *settings), y)

    return fill


def _fill_from_three(formula: Function) -> Kernel:
    @body_jit
    def fill(arrays: Arrays, settings: Settings, start: int, stop: int) -> None:
        y, a, b, c = arrays
        for i in range(np.uintp(start), np.uintp(stop)):
            y[i] = stored(formula(number(a[i]), number(b[i]), number(c[i]), *settings), y)

    return fill
