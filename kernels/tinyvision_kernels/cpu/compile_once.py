"""Optimise a kernel once, as a whole: it takes half the time of doing so piece by piece.

Numba puts each function into a *library* of its own: a helper, the body of a parallel loop, two
wrappers around that body, and the kernel itself. It optimises each of them, makes machine code of
it, and then links it into the library of whoever calls it, which is optimised and made machine code
of in turn. So the instructions of a helper in a parallel loop pass four times through LLVM, where
most of the time goes, but only what the last pass has made is ever run or kept on disk.

Here, the libraries that a kernel will contain (:class:`Part`) are left as they were written until
the kernel is linked. That asks two things of the rest. A part has no address in memory, so Python
must not enter it: see :class:`Helper`. And the *environment* of a function (where it finds its
globals if it has to raise an error) can be filled in only when the kernel is there.

All of this stands on Numba's internals, so it is done with the versions of Numba that the tests
have seen (:data:`TESTED`). With any other, kernels compile Numba's own way: slower, to the same
results.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher, cpu_target

from .alone import enter_alone

TESTED = ((0, 61), (0, 68))  # the first and the last


def applies() -> bool:
    """Whether this Numba is one that the tests have seen."""
    return TESTED[0] <= numba.version_info.short <= TESTED[1]


class Part(JITCodeLibrary):
    """A library that will be linked into a kernel's: not optimised, not made machine code of."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return no address: there is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """Take environments in the place of the machine, which has no use for them yet."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Do nothing: :meth:`Kernel.add_overload` will."""


class Helper(CPUDispatcher):
    """A compiled function that kernels call. Called from Python it is plain Python."""

    def __call__(self, *arguments: Any) -> Any:
        """Run the Python function."""
        return self.py_func(*arguments)


class Kernel(CPUDispatcher):
    """A compiled function that Python calls: everything it calls becomes a part of it."""

    def compile(self, sig: Any) -> Any:
        """Load or compile the function for these argument types, and return its entry."""
        enter_alone()
        with _parts_of(self.py_func.__qualname__):
            return super().compile(sig)

    def add_overload(self, cres: Any) -> None:
        """Take in what was compiled: its parts' environments can be filled in now."""
        for environment in cres._find_referenced_environments():
            cres.library.codegen.set_env(environment.env_name, environment)
        super().add_overload(cres)


@contextmanager
def _parts_of(kernel: str) -> Iterator[None]:
    """Make every library that comes to be in this block a part, but the kernel's own."""
    codegen = cpu_target.target_context.codegen()

    def create_library(name: str, **options: Any) -> JITCodeLibrary:
        return (JITCodeLibrary if name == kernel else Part)(codegen, name, **options)

    with global_compiler_lock:  # nobody else compiles meanwhile
        outer = vars(codegen).get("create_library")  # of a kernel that calls this one
        codegen.create_library = create_library
        try:
            yield
        finally:
            del codegen.create_library
            if outer is not None:
                codegen.create_library = outer


def as_kernel(dispatcher: Any) -> Any:
    """Let a function that Numba has decorated compile as a whole, where that :func:`applies`."""
    if applies():
        dispatcher.__class__ = Kernel
    return dispatcher


def as_helper(dispatcher: Any) -> Any:
    """Let a function that Numba has decorated be a helper."""
    dispatcher.__class__ = Helper
    return dispatcher
