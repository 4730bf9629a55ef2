"""Comparing vectors, and choosing between them lane by lane (for :mod:`.vector`).

A vector has no single truth, so that ``if`` cannot ask it. Both sides are computed, and each lane
takes the one that its own comparison names::

    choose(x > 0, x, 0)        # the ReLU of a vector, or of a number

A formula written with ``choose`` serves for vectors and for numbers, whose comparisons are as false
for NaN as anywhere else.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, overload, register_model

from .jit import Array, config
from .vector import Vector, _pointer, _splat, first_lanes


class Mask(types.Type):
    """Numba's type of a comparison's result: one bit for each lane."""

    def __init__(self, lanes: int) -> None:
        self.lanes = lanes
        super().__init__(name=f"Mask({lanes})")


@register_model(Mask)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, mask: Mask) -> None:
        super().__init__(manager, mask, ir.VectorType(ir.IntType(1), mask.lanes))


# ----------------------------------------------------------------------------
# Comparisons with a vector or a number
# ----------------------------------------------------------------------------


def _typed(operation: Any) -> None:
    @infer_global(operation)
    class Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            a, b = arguments
            if not isinstance(a, Vector) or not (a == b or isinstance(b, types.Number)):
                return None
            return signature(Mask(a.lanes), a, a if a == b else a.dtype)


def _lowered(operation: Any, predicate: str) -> None:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b = arguments
        b = b if b.type == a.type else _splat(builder, b, a.type)
        return builder.fcmp_ordered(predicate, a, b)  # ordered: false if either is NaN

    for pair in ((Vector, Vector), (Vector, types.Float)):
        lower_builtin(operation, *pair)(generate)


for _operation, _predicate in ((operator.gt, ">"), (operator.le, "<="), (operator.eq, "==")):
    _typed(_operation)
    _lowered(_operation, _predicate)


# ----------------------------------------------------------------------------
# Choices
# ----------------------------------------------------------------------------


def choose(condition: Any, a: Any, b: Any) -> Any:
    """Return a where the condition holds, b elsewhere; one of both may be a plain number."""
    return np.where(condition, a, b)


@intrinsic
def _select(typing: Any, mask: Any, a: Any, b: Any) -> Any:
    vector = a if isinstance(a, Vector) else b

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = context.get_value_type(vector)
        condition, *sides = arguments
        sides = [side if side.type == to else _splat(builder, side, to) for side in sides]
        return builder.select(condition, *sides)

    return vector(mask, *(side if side == vector else vector.dtype for side in (a, b))), generate


_select_lanes: Any = _select


@overload(choose, jit_options={"forceinline": True})
def _choice(condition, a, b):  # type: ignore[no-untyped-def]
    if isinstance(condition, Mask):
        return lambda condition, a, b: _select_lanes(condition, a, b)
    # a literal is no float32: it takes the type of the other side
    to = np.float32 if types.float32 in (a, b) else np.float64
    return lambda condition, a, b: to(a) if condition else to(b)


# ----------------------------------------------------------------------------
# Vectors of small whole numbers, which are bytes in memory
# ----------------------------------------------------------------------------


@intrinsic
def _load_bytes(typing: Any, array: Any, at: Any, like: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, _ = arguments
        to = context.get_value_type(like)
        narrow = ir.VectorType(ir.IntType(8), to.count)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, narrow)
        return builder.uitofp(builder.load(pointer, align=1), to)

    return like(array, types.intp, like), generate


@intrinsic
def _store_bytes(typing: Any, array: Any, at: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, vector = arguments
        narrow = ir.VectorType(ir.IntType(8), vector.type.count)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, narrow)
        builder.store(builder.fptoui(vector, narrow), pointer, align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), generate


def _masked_bytes(builder: Any, name: str, vector: Any, result: Any, arguments: Any) -> Any:
    full_name = f"llvm.masked.{name}.v{vector.count}i8.p0"
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), arguments)


_ALIGNMENT = ir.Constant(ir.IntType(32), 1)


@intrinsic
def _load_first_bytes(typing: Any, array: Any, at: Any, count: Any, like: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, count_value, _ = arguments
        to = context.get_value_type(like)
        narrow = ir.VectorType(ir.IntType(8), to.count)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, narrow)
        mask, rest = first_lanes(builder, count_value, to), ir.Constant(narrow, None)
        operands = [pointer, _ALIGNMENT, mask, rest]
        return builder.uitofp(_masked_bytes(builder, "load", narrow, narrow, operands), to)

    return like(array, types.intp, types.intp, like), generate


@intrinsic
def _store_first_bytes(typing: Any, array: Any, at: Any, value: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, vector, count_value = arguments
        narrow = ir.VectorType(ir.IntType(8), vector.type.count)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, narrow)
        mask = first_lanes(builder, count_value, vector.type)
        operands = [builder.fptoui(vector, narrow), pointer, _ALIGNMENT, mask]
        _masked_bytes(builder, "store", narrow, ir.VoidType(), operands)
        return context.get_dummy_value()

    return types.void(array, types.intp, value, types.intp), generate


def _python_load_bytes(array: Array, at: int, like: Any) -> Any:
    return array[at : at + like.size].astype(like.dtype)


def _python_store_bytes(array: Array, at: int, value: Any) -> None:
    array[at : at + value.size] = value


def _python_load_first_bytes(array: Array, at: int, count: int, like: Any) -> Any:
    vector = np.zeros_like(like)
    vector[:count] = array[at : at + min(count, like.size)]
    return vector


def _python_store_first_bytes(array: Array, at: int, value: Any, count: int) -> None:
    array[at : at + min(count, value.size)] = value[:count]


_plain = config.DISABLE_JIT

# load_bytes(array, at, like): as many numbers of an array of uint8 as the vector ``like`` has lanes
load_bytes: Callable[..., Any] = _python_load_bytes if _plain else _load_bytes
# store_bytes(array, at, vector): write whole numbers back to such an array
store_bytes: Callable[..., Any] = _python_store_bytes if _plain else _store_bytes
# load_first_bytes(array, at, count, like): only ``count`` numbers, and zeros in the other lanes
load_first_bytes: Callable[..., Any] = _python_load_first_bytes if _plain else _load_first_bytes
# store_first_bytes(array, at, vector, count): write back only the first ``count`` lanes
store_first_bytes: Callable[..., Any] = _python_store_first_bytes if _plain else _store_first_bytes
