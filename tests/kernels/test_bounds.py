"""No kernel reads or writes a byte that is not its own: all run between forbidden pages of memory.

What a vector reads beyond the end of an array mostly goes unnoticed: the bytes there belong to some
other array. So here every array, and all working memory, ends where a page of memory ends, and the
next page may not be touched: the processor stops a program that does. In a second round they begin
where a page begins. Working memory is full of NaN, which shows whether it is read before it is
written.
"""

import ctypes
import mmap
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache, partial

import numpy as np
import pytest
from hypothesis import given, settings

from tests.kernels.agreement import assert_agrees
from tests.kernels.case import Case, dtypes
from tests.kernels.cases import cases, conv_case, run

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from tests.kernels import test_cpu_conv_algorithms as algorithms
from tests.kernels import test_cpu_dense as dense
from tests.kernels import test_fused_algorithms as fused
from tests.kernels.fresh import start
from tests.kernels.geometries import CONV, Conv, conv_geometries
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import scratch

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="forbids pages by Linux's mprotect"),
    pytest.mark.skipif(numba.config.DISABLE_JIT, reason="NumPy checks the bounds of plain Python"),
]


def fenced(shape: tuple[int, ...], dtype: np.dtype, side: str) -> np.ndarray:
    """An array between two forbidden pages, one of which it touches: at its "end" or "start"."""
    size = int(np.prod(shape)) * dtype.itemsize
    room = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    pages = np.frombuffer(mmap.mmap(-1, room + 2 * mmap.PAGESIZE), np.uint8)
    for page in (0, mmap.PAGESIZE + room):
        address = ctypes.c_void_p(pages.ctypes.data + page)
        assert ctypes.CDLL(None).mprotect(address, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    at = mmap.PAGESIZE + (room - size if side == "end" else 0)
    return pages[at : at + size].view(dtype).reshape(shape)


def copied(array: np.ndarray, side: str) -> np.ndarray:
    copy = fenced(array.shape, array.dtype, side)
    copy[...] = array
    return copy


def every_call() -> Iterator[tuple[Case, dict[str, str], type]]:
    """All cases in all types, and convolutions by every algorithm, some large enough to be cut."""
    for name in cpu.TABLE:
        for case in cases(name):
            for dtype in dtypes(name):
                yield case, {}, dtype
    for kernel in dense.KERNELS:
        for size in dense.SIZES:
            for dtype in dtypes(kernel):
                yield dense.case_of(kernel, size), {}, dtype
    rng = np.random.default_rng(0)
    for kernel, direction in algorithms.KERNELS.items():
        for geometry in (*CONV, *algorithms.LARGE, *random_geometries()):
            case = conv_case(kernel, geometry, rng)
            for name, module in algorithms.ALGORITHMS.items():
                for dtype in dtypes(kernel) if hasattr(module, direction) else ():
                    if algorithms.applies(name, case, dtype):
                        yield case, {"algorithm": name}, dtype
    for kernel in fused.KERNELS:
        for geometry in (*CONV, *algorithms.LARGE, *fused.MORE, *random_geometries()):
            if min(geometry.positions()) < 2:
                continue  # no window of 2x2
            case = conv_case(kernel, geometry, rng)
            for name in fused.ALGORITHMS:
                for dtype in dtypes(kernel):
                    if fused.fits(name, case, dtype):
                        yield case, {"algorithm": name}, dtype


@lru_cache
def random_geometries() -> list[Conv]:
    drawn: list[Conv] = []

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(conv_geometries())
    def draw(geometry: Conv) -> None:
        drawn.append(geometry)
        if geometry.groups == 1:  # for the algorithms that take 3 x 3 windows and steps of 1 only
            drawn.append(Conv("random 3x3", geometry.x, (3, 3), geometry.O, pad=(2, 3, 3, 2)))

    draw()
    return drawn


def run_everything(side: str) -> None:
    """Print each call before it is made, for the last one to be known."""

    def borrow(name: str, size: int, dtype: np.dtype) -> np.ndarray:
        memory = fenced((size,), np.dtype(dtype), side)
        memory.view(np.uint8)[:] = 0xFF  # NaN in every type
        return memory

    for module in list(sys.modules.values()):
        if getattr(module, "borrow", None) is scratch.borrow:
            module.borrow = borrow
    for case, how, dtype in every_call():
        print(f"{case.kernel} [{case.id}] {dtype.__name__} {how}", flush=True)
        kernel = partial(cpu.TABLE[case.kernel], **how)
        to_device = partial(copied, side=side)
        with np.errstate(all="ignore"):
            if how == {"algorithm": "winograd"}:  # whose rounding is another one
                for array in run(case, kernel, dtype, to_device=to_device).values():
                    assert np.isfinite(array.astype(np.float32)).all()
            else:
                assert_agrees(case, kernel, dtype, to_device=to_device)


@pytest.mark.parametrize("side", ["end", "start"])
def test_kernels_touch_nothing_beyond_their_arrays(side: str):
    code = f"import tests.kernels.test_bounds as t; t.run_everything({side!r})"
    # of one thread's working memory the other threads' would be the neighbour
    process = start(code, NUMBA_NUM_THREADS="1")
    out, err = process.communicate()
    calls = out.splitlines()
    assert process.returncode == 0, f"{calls[-1:]} ended with {process.returncode}: {err}"
    assert len(calls) > 3000


@pytest.mark.parametrize(("side", "at"), [("end", 12), ("start", -1)])
def test_the_fence_stops_a_program(side: str, at: int):
    code = f"""
import ctypes, numpy as np, tests.kernels.test_bounds as t
array = t.fenced((3,), np.dtype(np.float32), {side!r})
array[:] = 1
print(ctypes.string_at(array.ctypes.data + {at % 12}, 1), flush=True)
print(ctypes.string_at(array.ctypes.data + {at}, 1), flush=True)
"""
    process = start(code)
    out, _ = process.communicate()
    assert process.returncode == -signal.SIGSEGV
    assert len(out.splitlines()) == 1
