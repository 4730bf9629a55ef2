"""How kernels are compiled and entered, each seen from a fresh process."""

import re

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.kernels.fresh import SOURCES, python, silu

LINE = "compiling kernels (first run only) ...\n"


def test_one_line_tells_of_compilation_when_asked_for(tmp_path):
    assert silu(SOURCES, tmp_path / "a", hook=False)[1] == ""  # stderr is no terminal here
    assert silu(SOURCES, tmp_path / "b", hook=False, TINYVISION_VERBOSE="1")[1] == LINE
    assert silu(SOURCES, tmp_path / "b", hook=False, TINYVISION_VERBOSE="1")[1] == ""


def test_import_compiles_nothing_and_touches_no_disk(tmp_path):
    code = """
from numba.core import event
with event.install_recorder("numba:compile") as recorder:
    from tinyvision_kernels import cpu
    assert cpu.TABLE
print(len(recorder.buffer))
"""
    assert python(code, TINYVISION_CACHE=str(tmp_path / "cache"))[0] == "0\n"
    assert not (tmp_path / "cache").exists()


def test_the_guide_to_the_rooms_names_each_that_is_no_family_of_kernels():
    from tinyvision_kernels import cpu

    rooms = {path.stem for path in (SOURCES / "cpu").glob("*.py")} - {"__init__"}
    families = {path.stem for path in (SOURCES / "contract").glob("*.py")}
    parts = {"global_pool", "upsample"}  # of the family in pool.py
    named = set(re.findall(r"``(\w+)``", cpu.__doc__))
    assert named == rooms - families - parts


def test_everything_runs_as_plain_python():
    code = """
import numpy as np
from tests.kernels.agreement import assert_agrees
from tests.kernels.cases import cases, dtypes
from tinyvision_kernels import cpu

for name, kernel in cpu.TABLE.items():
    assert not hasattr(kernel, "py_func")
    work = lambda case: sum(a.size for a in case.inputs.values() if a is not None)
    finite = [c for c in cases(name) if "NaN" not in c.id and "large" not in c.id]
    for case in sorted(finite, key=work)[:2]:
        for dtype in dtypes(name):
            assert_agrees(case, kernel, dtype)
print(len(cpu.TABLE))
"""
    assert int(python(code, NUMBA_DISABLE_JIT="1")[0]) > 30


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_two_threads_at_once(layer):
    code = """
import threading
import numba
import numpy as np
from tinyvision_kernels import cpu

def work(seed, failures):
    x = np.random.default_rng(seed).standard_normal(100_000)
    y, total = np.empty_like(x), np.empty(1)
    for _ in range(50):
        cpu.TABLE["relu"](y, x)
        cpu.TABLE["sum_of_squares"](total, x)
        if not (np.array_equal(y, np.maximum(x, 0)) and np.isclose(total[0], x @ x)):
            failures.append(seed)

failures = []
threads = [threading.Thread(target=work, args=(seed, failures)) for seed in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(failures, numba.threading_layer())
"""
    printed, _ = python(code, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
    failures, chosen = printed.rsplit(maxsplit=1)
    assert failures == "[]"
    assert layer in ("default", chosen)
