"""A fresh Python process with kernels of its own to run: what a first start is tested with."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "kernels" / "tinyvision_kernels"

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


def copy_of_the_kernels(folder: Path) -> Path:
    """Copy the package into a folder, for a test to edit."""
    skip = shutil.ignore_patterns("__pycache__", "cuda")
    shutil.copytree(SOURCES, folder / "tinyvision_kernels", ignore=skip)
    return folder / "tinyvision_kernels"


def start(code: str, package: Path = SOURCES, **variables: str) -> subprocess.Popen[str]:
    """Start a program; what it prints can be read from it."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", **variables}
    environment["PYTHONPATH"] = os.pathsep.join([str(package.parent), str(ROOT)])
    command = [sys.executable, "-W", "error", "-c", code]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def python(code: str, package: Path = SOURCES, **variables: str) -> tuple[str, str]:
    """Run a program to its end; return what it printed to stdout and to stderr."""
    process = start(code, package, **variables)
    out, err = process.communicate()
    assert process.returncode == 0, err
    return out, err


def in_a_new_process(code: str, **variables: str) -> str:
    """Run a program on the kernels of this checkout; return what it printed."""
    return python(code, **variables)[0].strip()


def assert_same_bits(function: Callable[..., object], *arguments: object, setup: str = "") -> None:
    """Hold a test module's function to one answer, here and on 1, 2, 3 and 7 threads elsewhere.

    ``setup`` is a line of code that is run before, with the module as ``t``.
    """
    code = (
        f"import numba, {function.__module__} as t\n"
        f"{setup}\n"
        "def bits(n):\n"
        "    numba.set_num_threads(n)\n"
        f"    return t.{function.__name__}(*{arguments!r})\n"
        "one = bits(1)\n"
        "for n in (2, 3, 7):\n"
        "    assert bits(n) == one, (n, bits(n), one)\n"
        "print(one)"
    )
    assert in_a_new_process(code, NUMBA_NUM_THREADS="7") == str(function(*arguments))


def in_plain_python(function: Callable[..., object], *arguments: object, setup: str = "") -> None:
    """Run a test module's function with kernels that are not compiled."""
    code = f"import {function.__module__} as t\n{setup}\nt.{function.__name__}(*{arguments!r})"
    in_a_new_process(code, NUMBA_DISABLE_JIT="1")


def silu(package: Path, cache: Path, hook: bool = True, **variables: str) -> tuple[str, str]:
    """Run ``SILU`` with a cache of its own."""
    return python(SILU.format(hook=hook), package, TINYVISION_CACHE=str(cache), **variables)
