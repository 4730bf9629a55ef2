"""A stand-in for CuPy that runs anywhere: NumPy arrays behind CuPy's manners.

``xp`` has only functions that CuPy has too, and its arrays refuse what a GPU array refuses: turning
into a NumPy array unasked, meeting one in an operation, being handed to a function of NumPy. They
also refuse three things that a GPU array does, but the reference kernels must not ask for: being
looked at by Python (``if``, ``float`` ...: waits for the GPU), selecting by a mask (the same), and
changing precision in silence.
"""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np


class StrictError(TypeError):
    """Something that a GPU array refuses, or that would make it wait."""


class StrictArray:
    """An array that lives on an imaginary device; ``to_device`` and ``to_host`` are the doors."""

    __array_ufunc__ = (
        None  # a NumPy array that meets one asks our reflected operator, which refuses
    )

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise StrictError("implicit conversion to a NumPy array is not allowed")

    def __array_function__(self, function: Any, *_: Any) -> Any:
        raise StrictError(f"numpy.{function.__name__} was called on an array of the device")

    # --- what Python may know without asking the device

    shape = property(lambda self: self._host.shape)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    dtype = property(lambda self: self._host.dtype)
    flags = property(lambda self: self._host.flags)

    def __len__(self) -> int:
        return len(self._host)

    # --- views and copies

    T = property(lambda self: StrictArray(self._host.T))

    def reshape(self, *shape: Any) -> "StrictArray":
        return StrictArray(self._host.reshape(*shape))

    def astype(self, dtype: Any) -> "StrictArray":
        return StrictArray(self._host.astype(dtype))

    def copy(self) -> "StrictArray":
        return StrictArray(self._host.copy())

    def get(self) -> np.ndarray:
        return to_host(self)

    def __getitem__(self, key: Any) -> "StrictArray":
        host_key = _index(key)
        if any(isinstance(k, np.ndarray) and k.dtype == bool for k in _tuple(host_key)):
            raise StrictError("selecting by a mask waits for the device to count the elements")
        return StrictArray(np.asarray(self._host[host_key]))

    def __setitem__(self, key: Any, value: Any) -> None:
        host_value = _unwrap(value)
        if isinstance(host_value, np.ndarray) and host_value.dtype != self.dtype:
            raise StrictError(f"{host_value.dtype} values are put into a {self.dtype} array")
        self._host[_index(key)] = host_value


def to_device(array: np.ndarray) -> StrictArray:
    """Copy a NumPy array to the imaginary device."""
    return StrictArray(np.array(array))


def to_host(array: StrictArray) -> np.ndarray:
    """Copy an array back."""
    return np.array(array._host)


def _unwrap(value: Any) -> Any:
    if isinstance(value, StrictArray):
        return value._host
    if isinstance(value, np.ndarray):
        raise StrictError("a NumPy array meets an array of the device")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrap(v) for v in value)
    return value  # numbers, NumPy's scalars, dtypes and None are harmless


def _tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _index(key: Any) -> Any:
    parts = tuple(_unwrap(part) for part in _tuple(key))
    return parts if isinstance(key, tuple) else parts[0]


def _wrap(result: Any, given: Any) -> Any:
    """Put results on the device, one number included, unless the precision has changed."""
    if isinstance(result, (tuple, list)):
        return type(result)(_wrap(r, given) for r in result)
    array = np.asarray(result)
    floats = {a.dtype for a in given if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
    if array.dtype.kind == "f" and floats and floats != {array.dtype}:
        raise StrictError(f"{' and '.join(map(str, sorted(floats)))} gave {array.dtype} in silence")
    return StrictArray(array)


def _compute(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    unwrapped = [_unwrap(argument) for argument in arguments]
    flat = [a for u in unwrapped for a in (u if isinstance(u, (tuple, list)) else [u])]
    return _wrap(function(*unwrapped, **options), flat)


TWO_SIDED = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"


def _add_operators() -> None:
    """Give StrictArray the arithmetic of an array: x + y, y + x, x += y, x < y, -x ..."""
    for name in TWO_SIDED.split():
        plain, in_place = getattr(operator, f"__{name}__"), getattr(operator, f"__i{name}__")
        _bind(f"__{name}__", lambda self, other, f=plain: _compute(f, self, other))
        _bind(f"__r{name}__", lambda self, other, f=plain: _compute(f, other, self))
        _bind(f"__i{name}__", lambda self, other, f=in_place: _update(f, self, other))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        compare = getattr(operator, name)
        _bind(f"__{name}__", lambda self, other, f=compare: _compute(f, self, other))
    for name in ("neg", "pos", "abs", "invert"):
        single = getattr(operator, name)
        _bind(f"__{name}__", lambda self, f=single: _compute(f, self))
    for name in ("bool", "int", "float", "complex", "index"):
        _bind(f"__{name}__", _refuse_to_wait)
    for name in ("item", "tolist", "__iter__"):
        _bind(name, _refuse_to_wait)


def _bind(name: str, method: Callable[..., Any]) -> None:
    setattr(StrictArray, name, method)


def _update(function: Callable[..., Any], array: StrictArray, other: Any) -> StrictArray:
    value = _unwrap(other)
    if isinstance(value, np.ndarray) and value.dtype != array.dtype:
        raise StrictError(f"{value.dtype} values are put into a {array.dtype} array")
    function(array._host, value)  # NumPy changes its array in place
    return array


def _refuse_to_wait(self: StrictArray, *_: Any) -> Any:
    raise StrictError("Python asked for a value: it would wait for all work of the device")


_add_operators()

# Functions that NumPy and CuPy share by name and meaning (docs.cupy.dev, "Routines"). Those that
# let values leave the device, or take them from NumPy (asarray, array), are left out on purpose.
_FUNCTIONS = """
    abs absolute add all any arange argmax argmin argsort ascontiguousarray bincount broadcast_to
    cbrt ceil clip concatenate copysign cos cosh cumsum divide empty empty_like equal exp exp2
    expand_dims expm1 eye flip floor full full_like greater greater_equal isfinite isinf isnan less
    less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor matmul
    max maximum mean min minimum moveaxis multiply negative not_equal ones ones_like pad power prod
    reciprocal repeat reshape rint roll sign signbit sin sinh sort sqrt square squeeze stack std
    subtract sum swapaxes take take_along_axis tan tanh tensordot tile transpose tril triu trunc var
    where zeros zeros_like
"""
_TYPES = "bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64"
FUNCTIONS, TYPES = frozenset(_FUNCTIONS.split()), frozenset(_TYPES.split())
CONSTANTS = frozenset(["pi", "e", "inf", "nan", "newaxis"])


class StrictModule:
    """The array module: ``xp.exp`` and the like, for StrictArray alone."""

    def __getattr__(self, name: str) -> Any:
        if name in TYPES or name in CONSTANTS:
            return getattr(np, name)
        if name not in FUNCTIONS:
            raise AttributeError(f"no function that NumPy and CuPy share is called {name!r}")
        function = getattr(np, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if refused := {"out", "where"} & set(options):
                raise StrictError(f"{name}({refused.pop()}=...) means not the same in CuPy")
            return _compute(function, *arguments, **options)

        return call


xp = StrictModule()
