"""How the kernels of this folder are compiled, cached and entered: three decorators and one hook.

Numba compiles a function when it is first called with a new combination of argument types. That
takes from a tenth of a second to seconds, so the machine code is kept on disk. Numba's own
``cache=True`` watches only the file of the decorated function: after an edit to a helper in another
file it goes on running the old code (Numba issue 1833). Here one hash over all sources of this
folder stands for "the code", so that any edit to any kernel is seen; Numba itself adds its version,
the CPU's name and its instruction sets to the key.
"""

import contextlib
import functools
import hashlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numpy.typing import NDArray

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


def kernel_jit(function: Function) -> Function:
    """Compile a kernel: parallel over ``prange``, the interpreter's lock released, cached on disk.

    Nothing is compiled before the first call. With ``NUMBA_DISABLE_JIT=1`` the function stays plain
    Python. A kernel is called from Python only; what kernels share is an :func:`inline_jit` helper.
    """
    if config.DISABLE_JIT:
        return function
    # error_model: x / 0 is infinite as in NumPy; a test for zero would keep loops from vectorising.
    options = {"nogil": True, "fastmath": FAST, "error_model": "numpy"}
    compiled = njit(parallel=_ONLY_PRANGE, **options)(function)
    compiled._cache = _KernelCache(function)  # where Dispatcher.enable_caching sets Numba's own
    return _one_at_a_time(compiled) if _only_workqueue() else compiled


def inline_jit(function: Function) -> Function:
    """Compile a helper that kernels call; the kernel's cache entry contains it."""
    return njit(nogil=True, fastmath=FAST, error_model="numpy")(function)


def body_jit(function: Function) -> Function:
    """Like :func:`inline_jit`, cached on disk too: Python calls it when one core will do."""
    compiled = inline_jit(function)
    if not config.DISABLE_JIT:
        compiled._cache = _KernelCache(function)  # type: ignore[attr-defined]
    return compiled


def formula_jit(function: Function) -> Function:
    """Like :func:`inline_jit`, for inner loops: a call left there would keep them scalar.

    It would also cost some 30 ns, more than 50 vectors' arithmetic: for each array that is handed
    over Numba counts its references, by atomic instructions.
    """
    return njit(nogil=True, fastmath=FAST, error_model="numpy", forceinline=True)(function)


def exact_formula_jit(function: Function) -> Function:
    """Like :func:`formula_jit`, where rounding matters: only multiply-adds are fused."""
    return njit(nogil=True, fastmath={"contract"}, error_model="numpy", forceinline=True)(function)


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
# The cache on disk
# ----------------------------------------------------------------------------


def cache_directory() -> Path:
    """Return the folder of machine code, ``numba`` in $TINYVISION_CACHE or ~/.cache/tinyvision."""
    root = os.environ.get("TINYVISION_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "tinyvision") / "numba"


@functools.cache
def source_stamp() -> str:
    """Hash every Python file of this folder: the identity of the code that the cache holds."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        # name and length come first, so that text moved from one file to the next is a change
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


class _Locator(_CacheLocator):
    """Says where a kernel's files lie and which code they are valid for."""

    def __init__(self, function: Callable[..., Any], file: str) -> None:
        self._py_file = file  # Numba names it in a warning
        self._line = function.__code__.co_firstlineno
        # One folder for each installation: two of them side by side keep their own code.
        self._directory = cache_directory() / self.get_suitable_cache_subpath(file)

    def get_cache_path(self) -> str:
        return str(self._directory)

    def get_source_stamp(self) -> str:
        return source_stamp()

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> "_Locator":
        return cls(function, file)


class _KernelCacheImpl(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_Locator]  # noqa: RUF012


class _KernelCache(FunctionCache):
    """Numba's cache of compiled functions, with our stamp, that never stands in the way.

    A damaged entry counts as missing, and a disk that is full or read-only costs a compilation in
    each process, not an error.
    """

    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling half a file may raise
            found = None
            with contextlib.suppress(OSError):
                self.flush()
        if found is None:
            _compile_hook(self._py_func.__name__)
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        # Numba would pickle what the function closes over, and a pickled helper carries a number
        # that is new in each process: such a kernel would never load. Names say as much, because
        # the bodies behind them are part of the source stamp.
        return sig, codegen.magic_tuple(), identity(self._py_func)


def identity(value: Any) -> str:
    """Describe a function by its name and by what it closes over, the same in every process."""
    # what a dispatcher or an intrinsic wraps, or the value itself
    function = getattr(value, "py_func", getattr(value, "_defn", value))
    if not hasattr(function, "__code__"):
        return repr(value)
    cells = ", ".join(identity(cell.cell_contents) for cell in function.__closure__ or ())
    return f"{function.__module__}.{function.__qualname__}({cells})"


# ----------------------------------------------------------------------------
# Entry from several threads
# ----------------------------------------------------------------------------

_entry = threading.Lock()


@functools.cache
def _only_workqueue() -> bool:
    """Whether Numba may take its work queue, which crashes if two threads enter it at once."""
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
        with _entry:
            return kernel(*arguments)

    return enter  # type: ignore[return-value]
