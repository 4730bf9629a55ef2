"""How the kernels of this folder are compiled, cached and entered: three decorators and one hook.

Numba compiles a function when it is first called with a new combination of argument types. That
takes from a tenth of a second to seconds. So a kernel is optimised only once, as a whole
(:mod:`.compile_once`), its machine code is kept on disk (:mod:`.cache`), and what a program will
need can be compiled by several processes before it is needed (:mod:`.ahead`).
"""

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numpy.typing import NDArray

from .cache import KernelCache, identity
from .compile_once import as_helper, as_kernel

Array = NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])

# Permission to reorder sums (so that they vectorise), to fuse multiply-adds, to multiply by a
# reciprocal and to ignore the sign of zero. Not "fast": that includes "nnan" and "ninf", with which
# LLVM deletes every test for NaN as impossible.
FAST = {"contract", "reassoc", "nsz", "arcp"}

# Numba would also make a parallel loop, with its own compilation, of every np.zeros and array sum.
_ONLY_PRANGE = {
    "prange": True,
    "fusion": False,
    "comprehension": False,
    "reduction": False,
    "inplace_binop": False,
    "setitem": False,
    "numpy": False,
    "stencil": False,
}

njit: Any = numba.njit
config: Any = numba.config
if "NUMBA_THREADING_LAYER_PRIORITY" not in os.environ:
    # Entering a parallel loop costs about 2 us with OpenMP, 70 us with Numba's own work queue.
    config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]


def _load_openmp() -> None:
    """Load OpenMP with threads that soon sleep when they wait, unless the user has decided.

    By default a thread of GNU OpenMP that waits for the others spins for about a millisecond. When
    another program needs the core, it spins instead of the thread it is waiting for, and a step
    can take thirty times as long. The library reads its settings once, while it is loaded, so they
    need not stay in the environment.
    """
    if "OMP_WAIT_POLICY" in os.environ or "GOMP_SPINCOUNT" in os.environ:
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"  # turns: some microseconds, as long as a parallel region
    try:
        with contextlib.suppress(ImportError):
            __import__("numba.np.ufunc.omppool")
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_load_openmp()


# error_model: x / 0 is infinite as in NumPy; a test for zero would keep loops from vectorising. The
# wrapper left out would let C programs call the function.
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

KERNELS: dict[str, Any] = {}  # the compiled functions that Python calls, by their identity


class Plain:
    """A kernel that is not compiled: the Python function, in a class as compiled ones have one."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        functools.update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Run the Python function."""
        return self.py_func(*arguments)


def kernel_jit(function: Function) -> Function:
    """Compile a kernel: parallel over ``prange``, the interpreter's lock released, cached on disk.

    Nothing is compiled before the first call. With ``NUMBA_DISABLE_JIT=1`` the function stays plain
    Python. A kernel is called from Python only; what kernels share is an :func:`inline_jit` helper.
    """
    compiled = _enter(function, parallel=_ONLY_PRANGE)
    return _one_at_a_time(compiled) if only_workqueue() else compiled


def body_jit(function: Function) -> Function:
    """Compile what kernels call, and Python too when one core will do; cached on disk."""
    return _enter(function)


def _enter(function: Function, **options: Any) -> Function:
    kernel: Any = Plain(function)
    if not config.DISABLE_JIT:
        kernel = as_kernel(njit(fastmath=FAST, **options, **_OPTIONS)(function))
        # where Dispatcher.enable_caching sets Numba's own
        kernel._cache = KernelCache(function, lambda name: _compile_hook(name))
    KERNELS[identity(function)] = kernel
    return kernel


def inline_jit(function: Function) -> Function:
    """Compile a helper that kernels call; the kernel's cache entry contains it.

    Called from Python it is plain Python, so that nothing is compiled for the sake of one number.
    """
    return _help(function, FAST)


def formula_jit(function: Function) -> Function:
    """Like :func:`inline_jit`, for inner loops: a call left there would keep them scalar.

    It would also cost some 30 ns, more than 50 vectors' arithmetic: for each array that is handed
    over Numba counts its references, by atomic instructions.
    """
    return _help(function, FAST, forceinline=True)


def exact_formula_jit(function: Function) -> Function:
    """Like :func:`formula_jit`, where rounding matters: only multiply-adds are fused."""
    return _help(function, {"contract"}, forceinline=True)


def _help(function: Function, fastmath: set[str], **options: Any) -> Function:
    if config.DISABLE_JIT:
        return function
    return as_helper(
        njit(fastmath=fastmath, no_cpython_wrapper=True, **options, **_OPTIONS)(function)
    )


# ----------------------------------------------------------------------------
# The line that tells a waiting user what happens
# ----------------------------------------------------------------------------


@functools.cache  # that is: once a process
def _say_compiling() -> None:
    if sys.stderr.isatty() or os.environ.get("TINYVISION_VERBOSE"):
        print("compiling kernels (first run only) ...", file=sys.stderr, flush=True)


def say_compiling(kernel: str) -> None:
    """Print one line a process to stderr, if a person looks at it or TINYVISION_VERBOSE is set."""
    _say_compiling()


_compile_hook: Callable[[str], None] = say_compiling


def set_compile_hook(hook: Callable[[str], None]) -> Callable[[str], None]:
    """Have ``hook(kernel name)`` called before each compilation that the cache cannot save.

    Parameters
    ----------
    hook : callable
        For example a progress display's; the default is :func:`say_compiling`.

    Returns
    -------
    callable
        The hook until now, to be set again afterwards.
    """
    global _compile_hook
    before, _compile_hook = _compile_hook, hook
    return before


# ----------------------------------------------------------------------------
# Entry from several threads
# ----------------------------------------------------------------------------

entry_lock = threading.Lock()  # where only Numba's work queue is there


@functools.cache
def only_workqueue() -> bool:
    """Whether Numba may take its work queue, which crashes if two threads enter it at once."""
    if config.DISABLE_JIT:
        return False
    if config.THREADING_LAYER != "default":
        return config.THREADING_LAYER in ("workqueue", "forksafe")
    for layer in config.THREADING_LAYER_PRIORITY:
        if layer == "workqueue":
            return True
        with contextlib.suppress(ImportError):
            __import__(f"numba.np.ufunc.{layer}pool")
            return False
    return True


def _one_at_a_time(kernel: Function) -> Function:
    """Let one thread at a time into the kernel (and into every other one wrapped like this)."""

    @functools.wraps(kernel)
    def enter(*arguments: Any) -> Any:
        with entry_lock:
            return kernel(*arguments)

    return enter  # type: ignore[return-value]
