"""Results come in order, memory is bounded, and no way of leaving leaves a thread behind."""

import gc
import subprocess
import sys
import threading
import time

import pytest

from tinyvision.data.loader.prefetch import prefetch


def loaders():
    return [t for t in threading.enumerate() if t.name.startswith("tinyvision loader")]


def run(script):
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.fixture(autouse=True)
def no_thread_is_left():
    assert not loaders()
    yield
    assert not loaders()


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_results_come_in_the_order_of_the_jobs(workers):
    def work(i):
        time.sleep(0.003 if i % 3 == 0 else 0)  # later jobs are done earlier
        return i * i

    assert list(prefetch(iter(range(40)), work, workers, 5)) == [i * i for i in range(40)]
    assert list(prefetch(iter(()), work, workers, 5)) == []


@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_than_ahead_are_taken_before_they_are_asked_for(workers):
    taken = 0

    def jobs():
        nonlocal taken
        for i in range(100):
            taken += 1
            yield i

    results = prefetch(jobs(), lambda i: i, workers, 3)
    for i in range(10):
        assert next(results) == i
        time.sleep(0.01)  # as much as they like
        assert taken <= i + 1 + 3
    assert taken >= 10 + 1
    results.close()


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_an_error_comes_in_its_place(workers):
    def work(i):
        if i == 5:
            raise ValueError("image five")
        return i

    results = prefetch(iter(range(100)), work, workers, 8)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="image five"):
        next(results)
    assert not loaders()
    with pytest.raises(StopIteration):
        next(results)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_the_source_comes_in_its_place(workers):
    def jobs():
        yield from range(3)
        raise OSError("the disk is gone")

    results = prefetch(jobs(), lambda i: i, workers, 8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="the disk is gone"):
        next(results)


@pytest.mark.parametrize("workers", [0, 2])
def test_leaving_early_ends_the_threads_and_closes_the_source(workers):
    closed = []

    def jobs():
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    for leave in ("close", "forget", "raise"):
        results = prefetch(jobs(), lambda i: i, workers, 4)
        assert next(results) == 0
        if leave == "close":
            results.close()
        elif leave == "raise":
            with pytest.raises(KeyboardInterrupt):
                results.throw(KeyboardInterrupt)
        del results
        gc.collect()
        assert not loaders() and closed.pop()


def test_never_started_never_runs():
    results = prefetch(iter(range(3)), lambda i: i, 2, 4)
    assert not loaders()
    results.close()


def test_ctrl_c_while_waiting_ends_the_program_at_once():
    script = """
import _thread, threading, time
from tinyvision.data.loader.prefetch import prefetch
def work(i):
    time.sleep(0.2)
    return i
threading.Timer(0.5, _thread.interrupt_main).start()
try:
    for i in prefetch(iter(range(10**6)), work, 2, 4): pass
except KeyboardInterrupt:
    left = [t for t in threading.enumerate() if 'loader' in t.name]
    print('interrupted', len(left))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.split() == ["interrupted", "0"], done.stderr


def test_a_program_that_ends_in_mid_epoch_ends():
    script = """
from tinyvision.data.loader.prefetch import prefetch
kept = prefetch(iter(range(10**9)), lambda i: i, 4, 4)
print(next(kept))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
