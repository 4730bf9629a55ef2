"""Compiling ahead: what is noted is what is called, and the processes do what they are told."""

import json
import os
import signal
import subprocess
import threading
import time

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba
from numba import typeof

from tests.kernels.case import run
from tests.kernels.cases import cases
from tests.kernels.fresh import CACHED, SOURCES, python, silu, start
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import ahead
from tinyvision_kernels.cpu.ahead import Need, compile_all, describe, example, rehearsal
from tinyvision_kernels.cpu.noting import Noted

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def silu_needs() -> list[Need]:
    with rehearsal() as needs:
        for size in (3, 40_000):
            x = np.ones(size, np.float32)
            cpu.TABLE["silu"](np.empty_like(x), x)
    return needs


def test_a_need_has_the_types_of_the_call(monkeypatch):
    seen = set()

    def compare(kernel, *arguments):
        for argument in arguments:
            words = json.loads(json.dumps(describe(argument)))
            assert typeof(example(words)) == typeof(argument)
        seen.add(kernel)

    monkeypatch.setattr(Noted, "__call__", compare)
    for name in cpu.TABLE:
        for case in cases(name):
            with rehearsal(), np.errstate(all="ignore"):
                run(case, cpu.TABLE[name], np.float32)
    assert len(seen) > 50


@pytest.mark.parametrize("value", [np.ones((4, 4))[:, :2], {1: 2}, "word", slice(3)])
def test_what_there_are_no_words_for_is_refused(value):
    with pytest.raises(TypeError, match="no words for"):
        describe(value)


def test_kernels_rest_while_they_rehearse():
    x, y = np.ones(3, np.float32), np.full(3, 7, np.float32)
    with rehearsal() as needs:
        cpu.TABLE["silu"](y, x)
        cpu.TABLE["silu"](y, x)
    assert y.tolist() == [7, 7, 7]
    assert [need.name for need in needs] == ["activation._silu"]
    with pytest.raises(ZeroDivisionError), rehearsal() as needs:
        cpu.TABLE["tanh"](y, x)
        _ = 1 / 0
    assert [need.name for need in needs] == ["exponential.tanh"]
    cpu.TABLE["silu"](y, x)
    assert y == pytest.approx([0.7311] * 3, abs=1e-4)


def relu() -> list[float]:
    y = np.full(3, 7, np.float32)
    cpu.TABLE["relu"](y, np.ones(3, np.float32))
    return y.tolist()


def test_only_the_thread_that_rehearses_rests():
    computed = []
    thread = threading.Thread(target=lambda: computed.append(relu()))
    with rehearsal() as needs:
        thread.start()
        thread.join()
        assert relu() == [7, 7, 7]
    assert computed == [[1, 1, 1]]
    assert len(needs) == 1


def test_rehearsals_of_two_threads_leave_the_kernels_working():
    seen, end = [], threading.Event()

    def another():
        with rehearsal() as needs:
            seen.append(relu())
            end.wait(10)
        seen.append([need.name for need in needs])

    thread = threading.Thread(target=another)
    with rehearsal() as needs:
        thread.start()
        thread.join(0.2)  # time to begin, if it could
        cpu.TABLE["tanh"](np.zeros(3), np.zeros(3))
    end.set()
    thread.join()
    assert [need.name for need in needs] == ["exponential.tanh"]
    assert seen == [[7, 7, 7], ["activation._relu"]]
    assert relu() == [1, 1, 1]


def test_what_was_compiled_ahead_is_there(store):
    needs = silu_needs()
    assert len(needs) == 2
    assert ahead.missing(needs) == needs
    told: list[ahead.Compiled] = []
    results = compile_all(needs, 2, told.append)
    assert results == told
    assert {one.need for one in results} == set(needs)
    assert {one.error for one in results} == {""}
    assert ahead.missing(needs) == []
    assert silu(SOURCES, store) == (CACHED, "")


def test_a_kernel_that_cannot_be_compiled_stops_no_other(store):
    needs = silu_needs()[:1]
    wrong = needs[0]._replace(arguments='["int", "int", "int", "int"]')
    results = {one.need: one.error for one in compile_all([wrong, *needs], 1)}
    assert results[needs[0]] == ""
    assert results[wrong].startswith("TypingError: ")


def test_a_cache_that_keeps_nothing_is_told_of(store):
    store.write_text("where a folder is needed")
    errors = [one.error for one in compile_all(silu_needs()[:1], 1)]
    assert errors == [f"compiled, but cannot be kept in {store / 'numba'}"]


def test_processes_that_end_too_soon_are_told_of(store, monkeypatch):
    monkeypatch.setattr(ahead.sys, "executable", "false")  # a program that ends with 1
    errors = [one.error for one in compile_all(silu_needs(), 1)]
    assert errors == [
        "the compiling process ended with 1",
        "no process is left to compile it",
    ]


def test_an_interrupt_ends_all_processes_at_once(store, monkeypatch):
    started = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        ahead.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )

    def interrupt(one):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_all(silu_needs(), 2, interrupt)
    assert [process.poll() is not None for process in started] == [True, True]


def test_no_process_outlives_a_parent_that_was_killed(store):
    code = """
import subprocess
from tests.kernels.test_ahead import silu_needs
from tinyvision_kernels.cpu import ahead

class Told(subprocess.Popen):
    def __init__(self, *a, **k):
        super().__init__(*a, **k)
        print(self.pid, flush=True)

subprocess.Popen = Told
ahead.compile_all(silu_needs(), 2)
"""
    parent = start(code)
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    end = time.monotonic() + 60
    while any(alive(worker) for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a process that has ended and whose new parent has not asked for its end is none
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        return file.read().rpartition(")")[2].split()[0] != "Z"


def test_without_a_compiler_there_is_nothing_to_compile():
    code = """
import numpy as np
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import ahead

with ahead.rehearsal() as needs:
    x = np.ones(3)
    cpu.TABLE["relu"](x, -x)
print(needs, x, ahead.compile_all(needs, 2))
"""
    assert python(code, NUMBA_DISABLE_JIT="1")[0] == "[] [0. 0. 0.] []\n"
