"""Recorded programs: what they note, keep and repeat, and where they run without machine code."""

import gc
import os
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba
from numba.np.ufunc import get_thread_id

from tests.kernels.fresh import in_a_new_process
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu.ahead import rehearsal
from tinyvision_kernels.cpu.jit import body_jit, kernel_jit
from tinyvision_kernels.cpu.program import Program
from tinyvision_kernels.cpu.scratch import borrow

compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


@body_jit
def take_anything(y, pair, nothing, empty, yes, small, large, half, third, matrix):
    y[:] = 0
    y[0], y[1] = pair[0][0], pair[1]
    y[2] = len(empty) + (nothing is None) + 2 * yes
    y[3], y[4], y[5], y[6] = small, large, half, third
    y[7] = matrix[1, 2]
    y[8] = matrix.shape[0] * 10 + matrix.shape[1]


@kernel_jit
def name_threads(y):
    for i in numba.prange(y.size):
        y[i] = get_thread_id()


@body_jit
def refuse(x):
    if x[0] > 0:
        raise ValueError("too much")


def program_of(*calls) -> Program:
    program = Program()
    with program.recording():
        for launcher, *arguments in calls:
            launcher(*arguments)
    return program


def relu_program() -> tuple[Program, np.ndarray, np.ndarray]:
    x, y = np.array([-1, 2, -3], np.float32), np.full(3, 7, np.float32)
    return program_of((cpu.TABLE["relu"], y, x)), y, x


def test_a_call_is_noted_and_made_when_the_program_runs():
    program, y, x = relu_program()
    assert y.tolist() == [7, 7, 7]
    program.run()
    assert y.tolist() == [0, 2, 0]
    x[:] = 4
    program.run()
    assert y.tolist() == [4, 4, 4]


def test_arguments_of_all_types_arrive():
    matrix = np.arange(6, dtype=np.int32).reshape(2, 3)
    y = np.empty(9)
    pair = (np.array([2.5]), -3)
    numbers = (np.int16(-5), np.uint64(2**63 + 2**20), np.float32(0.5), 1 / 3)
    program_of((take_anything, y, pair, None, (), True, *numbers, matrix)).run()
    assert y.tolist() == [2.5, -3, 3, -5, 2**63 + 2**20, 0.5, 1 / 3, 5, 23]


def test_parts_run_by_themselves():
    x, y, z = np.array([-1.0, 2.0]), np.zeros(2), np.zeros(2)
    program = Program()
    with program.recording():
        cpu.TABLE["relu"](y, x)
        assert program.mark() == 1
        cpu.TABLE["tanh"](z, x)
    assert len(program) == 2
    assert program.names == ["activation._relu", "exponential.tanh"]
    program.run(0, 0)
    program.run(1)
    assert (y.tolist(), z.tolist()) == ([0, 0], pytest.approx(np.tanh(x).tolist()))
    program.run(0, 1)
    assert y.tolist() == [0, 2]
    with program.recording():
        cpu.TABLE["relu"](z, y)
    program.run(2, 3)
    assert z.tolist() == [0, 2]


@pytest.mark.parametrize("part", [(-1, 1), (1, 0), (0, 2)])
def test_calls_that_are_not_there_are_refused(part):
    program = relu_program()[0]
    with pytest.raises(ValueError, match=r"calls .* are not in a program of 1 calls"):
        program.run(*part)
    with pytest.raises(ValueError, match=r"calls .* are not in a program of 1 calls"):
        program.threads(*part, 1)


def test_other_threads_compute_as_usual():
    computed = []

    def compute():
        y = np.empty(2)
        cpu.TABLE["relu"](y, np.array([-1.0, 2.0]))
        computed.append(y.tolist())

    thread, program = threading.Thread(target=compute), Program()
    with program.recording():
        thread.start()
        thread.join()
    assert computed == [[0, 2]]
    assert len(program) == 0


@compiled
def test_calls_run_on_as_many_threads_as_they_are_told():
    code = """
import numba, numpy as np
from tests.kernels.test_program import Program, name_threads
y = np.zeros((4, 12))
program = Program()
with program.recording():
    for row in y:
        name_threads(row)
def counts():
    return [len(set(row)) for row in y]
program.threads(1, 3, 1)
program.run()
print(counts(), numba.get_num_threads())
program.threads(0, 2, 2)
program.threads(2, 4, 0)
numba.set_num_threads(1)
program.run()
print(counts(), numba.get_num_threads())
program.run(0, 1)
print(numba.get_num_threads())
"""
    lines = in_a_new_process(code, NUMBA_NUM_THREADS="3").splitlines()
    assert lines == ["[3, 1, 1, 3] 3", "[2, 2, 1, 1] 1", "1"]


@compiled
def test_a_single_piece_of_work_wakes_no_thread_recorded_or_not():
    code = """
import numba, numpy as np
from tests.kernels.test_program import Program, name_threads
from tinyvision_kernels.cpu.chunks import launch
y = np.zeros((4, 12))
program = Program()
launch(name_threads, 1, y[0])
launch(name_threads, 2, y[1])
with program.recording():
    launch(name_threads, 1, y[2])
    launch(name_threads, 2, y[3])
program.run()
print([len(set(row)) for row in y], numba.get_num_threads())
"""
    assert in_a_new_process(code, NUMBA_NUM_THREADS="3") == "[1, 3, 1, 3] 3"


@compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only a forked process tells OpenMP's threads")
def test_one_thread_runs_without_openmp():
    # GNU OpenMP cannot be entered in a child that was forked after it: Numba ends that child.
    code = """
import numba, numpy as np, os, warnings
from tests.kernels.test_program import Program, name_threads
y = np.zeros(12)
name_threads(y)
program = Program()
with program.recording():
    name_threads(y)
for count in (1, 2):
    program.threads(0, 1, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the process has threads
        child = os.fork()
    if child == 0:
        program.run()
        os._exit(7 if not y.any() else 0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7)
print(numba.threading_layer())
"""
    if (lines := in_a_new_process(code, NUMBA_NUM_THREADS="2").splitlines())[-1] == "omp":
        assert lines == ["True", "False", "omp"]


@pytest.mark.parametrize("count", [-1, 10**6])
def test_threads_that_are_not_there_are_refused(count):
    with pytest.raises(ValueError, match=f"or 0 for all, not on {count}"):
        relu_program()[0].threads(0, 1, count)


@compiled
def test_a_kernel_that_raises_an_error_is_named():
    x, y, z = np.ones(1), np.zeros(1), np.zeros(1)
    relu = cpu.TABLE["relu"]
    program = program_of((relu, y, x), (refuse, x), (relu, z, x))
    with pytest.raises(RuntimeError, match=r"kernel .*test_program.refuse, call 1, has raised an"):
        program.run()
    assert (y[0], z[0]) == (1, 0)
    x[0] = -1
    program.run()
    assert y[0] == 0


def test_it_keeps_its_arrays_alive():
    program, y, x = relu_program()
    last = weakref.ref(x.base if x.base is not None else x)
    del x
    gc.collect()
    assert last() is not None
    program.run()
    assert y.tolist() == [0, 2, 0]
    del program
    gc.collect()
    assert last() is None


def test_an_error_while_recording_leaves_the_program_as_it_was():
    program, y, x = relu_program()
    with pytest.raises(ZeroDivisionError), program.recording():
        cpu.TABLE["tanh"](y, x)
        _ = 1 / 0
    assert program.names == ["activation._relu"]
    cpu.TABLE["tanh"](x, np.zeros(3, np.float32))  # kernels are themselves again
    assert x.tolist() == [0, 0, 0]


def test_calls_share_working_memory_of_the_programs_own():
    program, of_thread = Program(), borrow("test", 8, np.uint8)
    with program.measuring():
        for size in (10, 30, 20):
            borrow("test", size, np.float32)
    assert program.scratch_bytes == 0
    with program.recording():
        borrowed = [borrow("test", size, np.float32) for size in (10, 30, 20)]
        borrow("another", 5, np.uint8)
    assert program.scratch_bytes == 4 * 30 + 5
    assert {array.ctypes.data for array in borrowed} == {borrowed[0].ctypes.data}
    assert not np.shares_memory(borrowed[0], of_thread)
    assert np.shares_memory(of_thread, borrow("test", 8, np.uint8))
    with program.recording():
        borrow("test", 31, np.float32)  # larger than it was measured: the old one stays
    assert program.scratch_bytes == 4 * 30 + 5 + 4 * 31


def test_measuring_notes_and_computes_nothing():
    program, y = Program(), np.full(3, 7.0)
    with program.measuring():
        cpu.TABLE["relu"](y, np.ones(3))
    assert len(program) == 0
    assert y.tolist() == [7, 7, 7]


@compiled
def test_in_a_rehearsal_its_calls_are_needs_and_nothing_runs():
    earlier, y, _ = relu_program()
    with rehearsal() as needs:
        program = Program()
        with program.measuring(), program.recording():
            cpu.TABLE["tanh"](np.zeros(3), np.zeros(3))
        program.run()
        earlier.run()
    assert [need.name for need in needs] == ["exponential.tanh"]
    assert len(program) == 0
    assert y.tolist() == [7, 7, 7]
    earlier.run()
    assert y.tolist() == [0, 2, 0]


CHECK = """
import numpy as np
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import compile_once, native
{setup}
from tinyvision_kernels.cpu.program import Program

rng = np.random.default_rng(0)
x, w = rng.standard_normal((2, 4, 5, 8)), rng.standard_normal((3, 3, 8, 6))
y, z, expected = np.zeros((2, 4, 5, 6)), np.zeros((2, 4, 5, 6)), np.zeros((2, 4, 5, 6))
settings = (1, 1), (1, 1, 1, 1), (1, 1), 1
program = Program()
with program.recording():
    cpu.TABLE["conv2d"](y, x, w, None, *settings)
    cpu.TABLE["relu"](z, y)
assert not y.any()
x *= 2
program.threads(0, 1, 1)
program.run()
cpu.TABLE["conv2d"](expected, x, w, None, *settings)
assert expected.any()
assert (y == expected).all()
assert (z == np.maximum(expected, 0)).all()
print(native.possible(), len(program) > 2)
"""


@pytest.mark.parametrize(
    ("variables", "setup"),
    [
        ({"NUMBA_DISABLE_JIT": "1"}, ""),
        ({"NUMBA_THREADING_LAYER": "workqueue"}, ""),
        ({}, "compile_once.TESTED = ((0, 1), (0, 2))"),
    ],
    ids=["plain Python", "work queue", "another Numba"],
)
def test_where_kernels_have_no_addresses_python_calls_them(variables, setup):
    assert in_a_new_process(CHECK.format(setup=setup), **variables) == "False True"


@compiled
def test_kernels_loaded_from_disk_have_addresses(tmp_path):
    setup = "from tinyvision_kernels.cpu import jit; jit.set_compile_hook(lambda name: {})"
    variables = {"TINYVISION_CACHE": str(tmp_path)}
    assert in_a_new_process(CHECK.format(setup=""), **variables) == "True True"
    refuse_to_compile = setup.format("1 / 0")
    assert in_a_new_process(CHECK.format(setup=refuse_to_compile), **variables) == "True True"
