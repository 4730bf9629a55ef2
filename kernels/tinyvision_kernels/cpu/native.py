"""Call compiled kernels from machine code, without Python.

Numba compiles a kernel to a C function ``int32 f(result*, error**, arguments ...)``, in which each
array has become seven numbers or more, and a tuple those of its elements. A call that is to be
repeated is kept as a *record* of 8 bytes a number, the function's address in front. For ``f(x)``::

    record   | address | nobody | nobody | size | itemsize | data | shape | strides | ...

Machine code that knows the types, but not the function, reads the numbers and calls it: a
*trampoline*, of which one serves all functions with the same types in the same order. A *walker*
calls one trampoline after the other. Both are written here as LLVM's assembly: some lines each,
compiled in half a millisecond.

What this relies on, Numba's way of calling functions, is as internal as what
:mod:`.compile_once` relies on, so it is used with the same versions of Numba.
"""

import ctypes
import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from llvmlite import binding
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel

from .assembly import addresses
from .compile_once import applies
from .jit import config, only_workqueue

_MASK = (1 << 64) - 1


@functools.cache
def possible() -> bool:
    """Whether kernels have addresses, and may be entered by any thread."""
    return applies() and not config.DISABLE_JIT and not only_workqueue()


class Record(NamedTuple):
    """What machine code needs for one call of a kernel."""

    types: str  # of the arguments, as LLVM names them: what a trampoline is compiled for
    numbers: list[int]  # the function's address, and an entry for each argument


def record(kernel: Any, arguments: tuple[Any, ...]) -> Record:
    """Turn a call of a kernel into numbers; compile the kernel or load it, if need be.

    Only the addresses of arrays are noted: someone else has to keep them alive.

    Raises
    ------
    TypeError
        The kernel returns something, or takes what cannot be turned into numbers.
    """
    signature = tuple(kernel.typeof_pyval(argument) for argument in arguments)
    if signature not in kernel.overloads:
        kernel.compile(signature)
    compiled = kernel.overloads[signature]
    described, context = compiled.fndesc, compiled.target_context
    numbers = [
        number
        for argument, its_type in zip(arguments, signature, strict=True)
        for number in _numbers(argument, its_type)
    ]
    # An address travels as an integer does, so that arrays of all types share a trampoline.
    kinds = context.get_arg_packer(described.argtypes).argument_types
    names = ["i64" if getattr(kind, "is_pointer", False) else str(kind) for kind in kinds]
    if described.restype != types.none or len(names) != len(numbers):
        raise TypeError(f"a call of {kernel.__name__} cannot be recorded: {signature}")
    address = compiled.library.get_pointer_to_function(described.llvm_func_name)
    return Record(" ".join(names), [address, *numbers])


def _numbers(value: Any, its_type: Any) -> Iterator[int]:
    """Yield the bits of what Numba passes for a value, as unsigned numbers."""
    match its_type:
        case types.Array():
            # Nobody counts references to it, as no owner is named.
            yield from (0, 0, value.size, value.itemsize, value.ctypes.data)
            yield from (*value.shape, *(step & _MASK for step in value.strides))
        case types.BaseTuple():
            elements: Any = its_type  # a sequence of types, which Numba's stubs do not say
            for element, element_type in zip(value, elements, strict=True):
                yield from _numbers(element, element_type)
        case types.Float(bitwidth=32):
            yield struct.unpack("=I", struct.pack("=f", value))[0]
        case types.Float(bitwidth=64):
            yield struct.unpack("=Q", struct.pack("=d", value))[0]
        case types.Integer() | types.Boolean():
            yield int(value) & _MASK
        case types.NoneType():
            yield 0
        case _:
            raise TypeError(f"an argument of type {its_type} cannot be recorded")


# ----------------------------------------------------------------------------
# Machine code
# ----------------------------------------------------------------------------

_trampolines: dict[str, int] = {}  # the addresses, by the types


def trampolines(wanted: Iterable[str]) -> dict[str, int]:
    """Return the addresses of all trampolines so far, after compiling those that are missing."""
    with global_compiler_lock:
        missing = sorted(set(wanted) - _trampolines.keys())
        if missing:
            source = "\n".join(_trampoline(f"f{i}", kinds) for i, kinds in enumerate(missing))
            names = [f"f{i}" for i in range(len(missing))]
            _trampolines.update(zip(missing, addresses(source, *names), strict=True))
        return _trampolines


def _trampoline(name: str, kinds: str) -> str:
    """Write ``int32 name(int64 record[])``, which calls record[0] with the numbers behind it."""
    loads = "".join(_LOADS.get(kind, _LOAD).format(i=i, kind=kind) for i, kind in _each(kinds))
    return _TRAMPOLINE.format(
        name=name,
        types="".join(f", {kind}" for _, kind in _each(kinds)),
        loads=loads,
        arguments="".join(f", {kind} %a{i}" for i, kind in _each(kinds)),
    )


def _each(kinds: str) -> Iterable[tuple[int, str]]:
    return enumerate(kinds.split(), start=1)


_TRAMPOLINE = """
define i32 @{name}(i64* %record) {{
  %result = alloca i64
  %error = alloca i64
  %address = load i64, i64* %record
  %function = inttoptr i64 %address to i32 (i64*, i64*{types})*
{loads}
  %status = call i32 %function(i64* %result, i64* %error{arguments})
  ret i32 %status
}}
"""
_LOAD = """
  %p{i} = getelementptr i64, i64* %record, i64 {i}
  %n{i} = load i64, i64* %p{i}
  %a{i} = trunc i64 %n{i} to {kind}
"""
_LOADS = {
    "i64": """
  %p{i} = getelementptr i64, i64* %record, i64 {i}
  %a{i} = load i64, i64* %p{i}
""",
    "double": """
  %p{i} = getelementptr i64, i64* %record, i64 {i}
  %n{i} = load i64, i64* %p{i}
  %a{i} = bitcast i64 %n{i} to double
""",
    "float": """
  %p{i} = getelementptr i64, i64* %record, i64 {i}
  %n{i} = load i64, i64* %p{i}
  %m{i} = trunc i64 %n{i} to i32
  %a{i} = bitcast i32 %m{i} to float
""",
}

ROW = 3  # numbers for each call in the walker's table: trampoline, record, threads

# A row's threads stay set for the rows behind it that have as many; 0 stands for the caller's own.
# A kernel's status is 0 if it has raised no error.
_WALKER = """
define i64 @walk(i64* %table, i64 %start, i64 %stop) {{
  %count = inttoptr i64 {get_num_threads} to i32 ()*
  %set = inttoptr i64 {set_num_threads} to void (i32)*
  %usual = call i32 %count()
  br label %next
next:
  %i = phi i64 [%start, %0], [%after, %done]
  %set_to = phi i32 [%usual, %0], [%threads, %done]
  %more = icmp slt i64 %i, %stop
  br i1 %more, label %call, label %end
call:
  %at = mul i64 %i, 3
  %row = getelementptr i64, i64* %table, i64 %at
  %second = getelementptr i64, i64* %row, i64 1
  %third = getelementptr i64, i64* %row, i64 2
  %address = load i64, i64* %row
  %number = load i64, i64* %second
  %wanted = load i64, i64* %third
  %function = inttoptr i64 %address to i32 (i64*)*
  %record = inttoptr i64 %number to i64*
  %narrow = trunc i64 %wanted to i32
  %own = icmp eq i32 %narrow, 0
  %threads = select i1 %own, i32 %usual, i32 %narrow
  %same = icmp eq i32 %threads, %set_to
  br i1 %same, label %enter, label %change
change:
  call void %set(i32 %threads)
  br label %enter
enter:
  %status = call i32 %function(i64* %record)
  %after = add i64 %i, 1
  %good = icmp eq i32 %status, 0
  br i1 %good, label %done, label %end
done:
  br label %next
end:
  %last = phi i32 [%set_to, %next], [%threads, %enter]
  %back = icmp eq i32 %last, %usual
  br i1 %back, label %leave, label %restore
restore:
  call void %set(i32 %usual)
  br label %leave
leave:
  ret i64 %i
}}
"""


@functools.cache
def walker() -> Callable[[int, int, int], int]:
    """Return ``walk(table, start, stop)``, which calls the rows from start to stop.

    The table is the address of int64 (rows, ``ROW``): trampoline, address of a record, threads.
    The result is stop, or the row whose kernel has raised an error. Python's lock is released.
    """
    parallel._launch_threads()  # which also gives names to the addresses asked for here
    names = ("get_num_threads", "set_num_threads")
    source = _WALKER.format(**{name: binding.address_of_symbol(name) for name in names})
    number = ctypes.c_int64
    walk: Callable[[int, int, int], int] = ctypes.CFUNCTYPE(number, number, number, number)(
        *addresses(source, "walk")
    )
    return walk
