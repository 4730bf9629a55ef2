"""Recycled memory: it never serves two arrays at once, comes back, and stays bounded."""

import gc
import threading

import ml_dtypes
import numpy as np
import pytest

from tinyvision import memory
from tinyvision.backend import get

LARGE = (memory.SMALLEST // 4,)  # float32


@pytest.fixture(autouse=True)
def nothing_idle():
    gc.collect()
    memory.release()
    yield
    memory.release()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("shape", [(), (0, 7), (3,), (700, 401), (2, 3, 64, 1000)])
def test_arrays_are_like_those_of_numpy(shape: tuple[int, ...], dtype: type):
    array = memory.empty(shape, dtype)
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    array[...] = 3
    assert (array == 3).all()


def test_large_arrays_begin_on_a_cache_line():
    arrays = [memory.empty((memory.SMALLEST + 100 * i,), np.uint8) for i in range(20)]
    assert all(address(array) % memory.ALIGNMENT == 0 for array in arrays)


def test_a_dead_arrays_memory_is_lent_again():
    first = memory.empty(LARGE, np.float32)
    where = address(first)
    del first
    assert address(memory.empty((LARGE[0] // 2,), np.float64)) == where


def test_a_view_keeps_the_memory():
    first = memory.empty(LARGE, np.float32)
    first[:] = 7
    view = first[5:50].reshape(5, 9).T[::2]
    del first
    gc.collect()
    others = [memory.empty(LARGE, np.float32) for _ in range(4)]
    for other in others:
        other[:] = -1
    assert (view == 7).all()


def test_arrays_that_live_together_share_nothing():
    arrays = [memory.empty(LARGE, np.float32) for _ in range(6)]
    del arrays[::2]
    arrays += [memory.empty(LARGE, np.float32) for _ in range(6)]
    for i, array in enumerate(arrays):
        array[:] = i
    assert [set(array) for array in arrays] == [{i} for i in range(len(arrays))]


def test_many_threads_share_nothing():
    failures = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        held = []
        for step in range(300):
            array = memory.empty((int(rng.integers(1, 4)) * LARGE[0],), np.float32)
            mark = seed * 1000 + step
            array[:] = mark
            held.append((array, mark))
            if len(held) > 3:
                array, mark = held.pop(int(rng.integers(len(held))))
                if not (array == mark).all():
                    failures.append((seed, step))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_cycle_that_is_collected_gives_back_its_memory():
    holder = {"array": memory.empty(LARGE, np.float32)}
    holder["self"] = holder
    where = address(holder["array"])
    del holder
    gc.collect()
    assert address(memory.empty(LARGE, np.float32)) == where


def test_release_forgets_what_is_idle_and_only_that():
    kept, dropped = (memory.empty(LARGE, np.float32) for _ in range(2))
    kept[:] = 5
    size = memory.block_size(dropped.nbytes)
    del dropped
    assert memory.release() == size
    assert memory.release() == 0
    assert (kept == 5).all()


def test_idle_memory_is_bounded():
    size = memory.MOST_IDLE // 8 + 1
    arrays = [memory.empty((size,), np.uint8) for _ in range(9)]  # untouched: no page of it exists
    del arrays
    assert 0 < memory.release() <= memory.MOST_IDLE


def test_what_is_left_of_other_work_makes_room():
    old = [memory.empty((memory.MOST_IDLE // 8,), np.uint8) for _ in range(8)]
    del old
    size = 1 << 26  # so large that the C library returns it to the system, and new pages are zeros
    array = memory.empty((size,), np.uint8)
    array[0] = 7
    del array
    assert memory.empty((size,), np.uint8)[0] == 7
    assert memory.MOST_IDLE // 2 < memory.release() <= memory.MOST_IDLE


def test_what_is_too_large_to_be_kept_drives_out_nothing():
    kept = memory.empty(LARGE, np.float32)
    size = memory.block_size(kept.nbytes)
    large = memory.empty((memory.MOST_IDLE + 1,), np.uint8)  # untouched: no page of it exists
    del kept, large
    assert memory.release() == size


@pytest.mark.parametrize("nbytes", [memory.SMALLEST, 10**6 + 1, 33_554_432, 33_554_433, 10**9 + 7])
def test_a_block_is_hardly_larger_than_what_it_holds(nbytes: int):
    size = memory.block_size(nbytes)
    assert nbytes <= size <= nbytes * (1 + 1 / memory.SIZES)
    assert size % memory.ALIGNMENT == 0
    assert memory.block_size(size) == size


def test_kernels_write_into_recycled_memory():
    k = get("reference").kernels
    x = np.ones(LARGE, np.float32)
    first = k.relu(x)
    where = address(first)
    del first
    assert address(k.relu(x)) == where
