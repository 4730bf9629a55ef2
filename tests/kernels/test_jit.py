"""How kernels are compiled, cached and entered, each seen from a fresh process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tinyvision_kernels.cpu.jit import identity

TESTS = Path(__file__).parent
SOURCES = TESTS.parents[1] / "kernels" / "tinyvision_kernels"
LINE = "compiling kernels (first run only) ...\n"

# Compiles a kernel of one chunk and one of several; prints what was compiled and the results.
SILU = """
import numpy as np
from tinyvision_kernels import cpu
from tinyvision_kernels.cpu import jit

compiled = []
if {hook}:
    assert jit.set_compile_hook(compiled.append) is jit.say_compiling
for size in (3, 40_000):
    x = np.ones(size, np.float32)
    y = np.empty_like(x)
    cpu.TABLE["silu"](y, x)
    assert (y == y[0]).all()
print(sorted(set(compiled)), round(float(y[0]), 4))
"""
FRESH = "['fill', 'parallel'] 0.7311\n"  # 0.7311 = 1 / (1 + 1/e)
CACHED = "[] 0.7311\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the kernels that a test may edit."""
    skip = shutil.ignore_patterns("__pycache__", "cuda")
    shutil.copytree(SOURCES, tmp_path / "tinyvision_kernels", ignore=skip)
    return tmp_path / "tinyvision_kernels"


def python(code: str, package: Path = SOURCES, **variables: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", **variables}
    environment["PYTHONPATH"] = os.pathsep.join([str(package.parent), str(TESTS)])
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


def silu(package: Path, cache: Path, hook: bool = True, **variables: str) -> tuple[str, str]:
    code = SILU.format(hook=hook)
    done = python(code, package, TINYVISION_CACHE=str(cache), **variables)
    return done.stdout, done.stderr


def test_a_second_process_loads_what_the_first_compiled(tmp_path):
    assert silu(SOURCES, tmp_path) == (FRESH, "")
    assert silu(SOURCES, tmp_path) == (CACHED, "")
    for entry in (tmp_path / "numba").rglob("*.nbc"):
        entry.write_bytes(entry.read_bytes()[:100])
    assert silu(SOURCES, tmp_path) == (FRESH, "")  # damaged counts as missing ...
    assert silu(SOURCES, tmp_path) == (CACHED, "")  # ... and is repaired


def test_an_edit_to_a_helper_in_another_file_is_seen(package, tmp_path):
    cache = tmp_path / "cache"
    assert silu(package, cache)[0] == FRESH
    helper = package / "cpu" / "exponential.py"  # silu itself stands in activation.py
    before = "    one = constant(1, x)\n    small"
    assert helper.read_text().count(before) == 1
    helper.write_text(helper.read_text().replace(before, before.replace("1", "2")))
    assert silu(package, cache)[0] == FRESH.replace("0.7311", "0.8446")  # 2 / (2 + 1/e)


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("where a folder is needed")
    assert silu(SOURCES, tmp_path / "file") == (FRESH, "")


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
    assert python(code, TINYVISION_CACHE=str(tmp_path / "cache")).stdout == "0\n"
    assert not (tmp_path / "cache").exists()


def test_everything_runs_as_plain_python():
    code = """
import numpy as np
from agreement import assert_agrees
from cases import cases
from tinyvision_kernels import cpu

for name, kernel in cpu.TABLE.items():
    assert not hasattr(kernel, "py_func")
    work = lambda case: sum(a.size for a in case.inputs.values() if a is not None)
    finite = [c for c in cases(name) if "NaN" not in c.id and "large" not in c.id]
    for case in sorted(finite, key=work)[:2]:
        assert_agrees(case, kernel, np.float32)
print(len(cpu.TABLE))
"""
    assert int(python(code, NUMBA_DISABLE_JIT="1").stdout) > 30


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
    done = python(code, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
    failures, chosen = done.stdout.rsplit(maxsplit=1)
    assert failures == "[]"
    assert layer in ("default", chosen)


def test_kernels_are_told_apart_by_what_they_close_over():
    def make(inner):
        def kernel():
            return inner

        return kernel

    names = {identity(make(inner)) for inner in (1, 2, "1", len, test_two_threads_at_once)}
    assert len(names) == 5
    assert identity(make(make(3))) == identity(make(make(3)))
    assert identity(make(make(3))) != identity(make(make(4)))
