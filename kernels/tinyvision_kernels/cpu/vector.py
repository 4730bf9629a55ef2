"""SIMD vectors as values: what fills one register, in code that reads like arithmetic on numbers.

A processor adds 16 float32 (with AVX-512; see :data:`.tile.PROCESSORS`) as fast as one. Numba finds
such *vectors* by itself in simple loops, but not where many intermediate results must stay in
registers at once. Inside compiled functions this module offers them as values ::

    a, b = load(x, i), load(x, i + lanes)    # x[i : i + lanes], x[i + lanes : i + 2 * lanes]
    store(y, i, 4 * a - b * b)               # + - * with vectors and plain numbers

so that a formula written for numbers (``4 * a - b * b``) serves for vectors as it stands. A product
that is added is fused with the sum into one instruction, as for numbers under
:func:`.jit.inline_jit`. Arrays of bfloat16 (:mod:`.bfloat16`) are loaded as vectors of float32, and
rounded when they are stored. With ``NUMBA_DISABLE_JIT=1`` a vector is a small NumPy array.
"""

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import lower_builtin
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, models, overload, register_model

from .bfloat16 import number, stored
from .jit import Array, config
from .tile import HOST


class Vector(types.Type):
    """Numba's type of as many float32 or float64 as fill a register of the host."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = HOST.vector_bytes // (dtype.bitwidth // 8)
        super().__init__(name=f"Vector({dtype} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        number = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(number, vector.lanes))


def lane_count(array: Array) -> int:
    """How many of an array's numbers make a vector."""
    return HOST.vector_bytes // max(array.itemsize, 4)  # bfloat16 come as float32


@overload(lane_count, jit_options={"forceinline": True})
def _lane_count(array):  # type: ignore[no-untyped-def]
    # itemsize would be read from memory; with a constant, the mask of a whole vector is none
    lanes = _vector_of(array).lanes
    return lambda array: lanes


def _vector_of(array: Any) -> Vector:
    """Return the type of the vectors that an array is loaded as."""
    return Vector(types.float32 if array.dtype == types.uint16 else array.dtype)


# ----------------------------------------------------------------------------
# Between memory and registers
# ----------------------------------------------------------------------------


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), to.as_pointer())


def _splat(builder: Any, number: Any, vector: Any) -> Any:
    first = ir.Constant(ir.IntType(32), 0)
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    undefined = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(undefined, number, first)
    return builder.shuffle_vector(one, undefined, zeros)


@intrinsic
def _load(typing: Any, array: Any, at: Any) -> Any:
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = ir.VectorType(context.get_data_type(array.dtype), vector.lanes)
        array_value, at_value = arguments
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, to)
        return _widened(builder, builder.load(pointer, align=array.dtype.bitwidth // 8))

    return vector(array, types.intp), generate


@intrinsic
def _store(typing: Any, array: Any, at: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, vector = arguments
        vector = _narrowed(builder, vector, array)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, vector.type)
        builder.store(vector, pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector_of(array)), generate


def _widened(builder: Any, vector: Any) -> Any:
    """Make float32 of the bits of bfloat16: the lower halves are zero."""
    if not isinstance(vector.type.element, ir.IntType):
        return vector
    count = vector.type.count
    halves = builder.zext(vector, ir.VectorType(ir.IntType(32), count))
    bits = builder.shl(halves, ir.Constant(halves.type, [16] * count))
    return builder.bitcast(bits, ir.VectorType(ir.FloatType(), count))


def _narrowed(builder: Any, vector: Any, array: Any) -> Any:
    """Round float32 to the bits of bfloat16, if that is what the array holds.

    It is :func:`.bfloat16._narrow`, for a vector.
    """
    if array.dtype != types.uint16:
        return vector
    count = vector.type.count
    whole = ir.VectorType(ir.IntType(32), count)

    def constant(value: int) -> Any:
        return ir.Constant(whole, [value] * count)

    bits = builder.bitcast(vector, whole)
    last = builder.and_(builder.lshr(bits, constant(16)), constant(1))
    near = builder.add(builder.add(bits, constant(0x7FFF)), last)
    is_nan = builder.fcmp_unordered("uno", vector, vector)
    kept = builder.select(is_nan, constant(0x7FC0), builder.lshr(near, constant(16)))
    return builder.trunc(kept, ir.VectorType(ir.IntType(16), count))


@intrinsic
def _splat_at(typing: Any, array: Any, at: Any) -> Any:
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = ir.VectorType(context.get_data_type(array.dtype), vector.lanes)
        array_value, at_value = arguments
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, to.element)
        return _widened(builder, _splat(builder, builder.load(pointer), to))

    return vector(array, types.intp), generate


@intrinsic
def _zeros(typing: Any, array: Any) -> Any:
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(array), generate


def masked(builder: Any, name: str, vector: Any, result: Any, arguments: Any) -> Any:
    """Call LLVM's masked load or store, which never touches the memory of lanes left out."""
    number = vector.element
    element = f"i{number.width}" if isinstance(number, ir.IntType) else "f64"
    element = "f32" if number == ir.FloatType() else element
    full_name = f"llvm.masked.{name}.v{vector.count}{element}.p0"
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full_name), arguments)


def first_lanes(builder: Any, count: Any, vector: Any) -> Any:
    """Make the mask of lanes 0 .. count-1; any count may be negative or too large."""
    numbers = ir.VectorType(count.type, vector.count)
    lanes = ir.Constant(numbers, list(range(vector.count)))
    return builder.icmp_signed("<", lanes, _splat(builder, count, numbers))


@intrinsic
def _load_first(typing: Any, array: Any, at: Any, count: Any) -> Any:
    vector = _vector_of(array)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to = ir.VectorType(context.get_data_type(array.dtype), vector.lanes)
        array_value, at_value, count_value = arguments
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, to)
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        mask, rest = first_lanes(builder, count_value, to), ir.Constant(to, None)
        return _widened(builder, masked(builder, "load", to, to, [pointer, align, mask, rest]))

    return vector(array, types.intp, types.intp), generate


@intrinsic
def _store_first(typing: Any, array: Any, at: Any, value: Any, count: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_value, at_value, vector, count_value = arguments
        vector = _narrowed(builder, vector, array)
        pointer = _pointer(context, builder, signature.args[0], array_value, at_value, vector.type)
        align = ir.Constant(ir.IntType(32), array.dtype.bitwidth // 8)
        mask = first_lanes(builder, count_value, vector.type)
        masked(builder, "store", vector.type, ir.VoidType(), [vector, pointer, align, mask])
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector_of(array), types.intp), generate


def _python_load(array: Array, at: int) -> Any:
    return np.array([number(value) for value in array[at : at + lane_count(array)]])


def _python_store(array: Array, at: int, value: Any) -> None:
    _python_store_first(array, at, value, lane_count(array))


def _python_splat(array: Array, at: int) -> Any:
    return np.full(lane_count(array), number(array[at]))


def _python_zeros(array: Array) -> Any:
    return np.zeros(lane_count(array), array.dtype if array.itemsize > 2 else np.float32)


def _python_load_first(array: Array, at: int, count: int) -> Any:
    vector = _python_zeros(array)
    for lane in range(min(count, lane_count(array))):
        vector[lane] = number(array[at + lane])
    return vector


def _python_store_first(array: Array, at: int, value: Any, count: int) -> None:
    for lane in range(min(count, lane_count(array))):
        array[at + lane] = stored(value[lane], array)


_plain = config.DISABLE_JIT

# load(array, at): the vector of the numbers from ``at`` on
load: Any = _python_load if _plain else _load
# store(array, at, vector): write them back
store: Any = _python_store if _plain else _store
# load_first(array, at, count): only ``count`` numbers, and zeros in the lanes after them
load_first: Any = _python_load_first if _plain else _load_first
# store_first(array, at, vector, count): write back only the first ``count`` lanes
store_first: Any = _python_store_first if _plain else _store_first
# splat(array, at): a vector whose lanes all hold array[at]
splat: Any = _python_splat if _plain else _splat_at
# zeros(array): a vector of zeros of the array's type
zeros: Any = _python_zeros if _plain else _zeros


# ----------------------------------------------------------------------------
# Arithmetic
# ----------------------------------------------------------------------------

_FUSE = ("contract",)  # a product and a sum may become one instruction


def _typed(operation: Any) -> None:
    @infer_global(operation)
    class Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            vectors = [a for a in arguments if isinstance(a, Vector)]
            others = [a for a in arguments if not isinstance(a, Vector)]
            if not vectors or len(set(vectors)) > 1:
                return None
            if not all(isinstance(a, types.Number) for a in others):
                return None
            # a number takes the type of the vector's: 4 * a stays in single precision
            one = vectors[0]
            return signature(one, *(a if a is one else one.dtype for a in arguments))


def _lowered(operation: Any, instruction: str) -> None:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(signature.return_type)
        a, b = (v if v.type == vector else _splat(builder, v, vector) for v in arguments)
        return getattr(builder, instruction)(a, b, flags=_FUSE)

    for pair in ((Vector, Vector), (Vector, types.Float), (types.Float, Vector)):
        lower_builtin(operation, *pair)(generate)


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
):
    _typed(_operation)
    _lowered(_operation, _instruction)
