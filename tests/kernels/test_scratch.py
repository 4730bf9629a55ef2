"""Working memory: the same bytes for the same name and thread, and for nobody else."""

import threading

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tinyvision_kernels.cpu.scratch import ALIGNMENT, borrow


def test_a_name_gets_the_same_bytes_again():
    first = borrow("test", 1000, np.float32)
    assert first.shape == (1000,)
    assert first.dtype == np.float32
    again = borrow("test", 500, np.float64)
    assert again.shape == (500,)
    assert again.ctypes.data == first.ctypes.data
    assert borrow("test", 2000, np.float64).size == 2000  # more than there was


def test_names_share_nothing():
    assert not np.shares_memory(borrow("test", 100, np.uint8), borrow("test 2", 100, np.uint8))


def test_threads_share_nothing():
    borrowed = []
    thread = threading.Thread(target=lambda: borrowed.append(borrow("test", 100, np.uint8)))
    thread.start()
    thread.join()
    assert not np.shares_memory(borrowed[0], borrow("test", 100, np.uint8))


def test_it_begins_on_a_cache_line():
    sizes = range(1, 4000, 90)
    assert {borrow(f"test {n}", n, np.uint8).ctypes.data % ALIGNMENT for n in sizes} == {0}
