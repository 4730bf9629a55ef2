"""Asking for memory before it is needed.

A load that misses the caches waits a hundred nanoseconds for the memory. The processor sees such
loads coming where a loop walks straight through an array, and fetches ahead by itself. A loop over
several rows at once looks to it like many short walks, of which it follows none to the end: summing
the columns of 64 MiB took 2.5 times as long as with a word in time.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import Array, config


@intrinsic
def _prefetch(typing: Any, array: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        form = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        instruction = builder.module.declare_intrinsic("llvm.prefetch", [byte], form)
        place = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
        to_be_read, keep_it, as_data = (ir.Constant(number, value) for value in (0, 3, 1))
        builder.call(instruction, [place, to_be_read, keep_it, as_data])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _python_prefetch(array: Array, at: int) -> None:
    """Do nothing: plain Python has slower things to wait for."""


# prefetch(array, at): have the cache line (64 bytes) of array[at] brought to the nearest cache, and
# go on meanwhile. The place may lie beyond the array: nothing happens then.
prefetch: Any = _python_prefetch if config.DISABLE_JIT else _prefetch
