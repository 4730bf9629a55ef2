"""Tensor: an array that remembers how it was computed (the remembering is in ``tape.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import AlgorithmError, Shape, ShapeError

from . import backend as _backend
from . import tape
from .backend import Array
from .ops import elementwise, linalg, reduce, shape
from .ops.op import Op


class Tensor:
    """An array that remembers how it was computed.

    Parameters
    ----------
    data : array, nested lists or a number
        Arrays keep their dtype; Python numbers with a fraction become float32. Images are
        channels-last, ``(N, H, W, C)``.
    requires_grad : bool
        Whether backward should leave dloss/ddata in ``grad``. Floating data only.
    name : str
        For error messages.

    Attributes
    ----------
    data : array of the backend in force when the tensor was made
    grad : array of the same shape and dtype, or None
        Accumulates over backward calls until :meth:`zero_grad`.
    version : int
        How often an optimiser has changed the data in place, so that backward notices.
    """

    __slots__ = ("__weakref__", "data", "grad", "name", "node", "requires_grad", "version")
    __array_priority__ = 1000  # so that array * tensor asks the tensor

    def __init__(self, data: Any, *, requires_grad: bool = False, name: str = "") -> None:
        if isinstance(data, Tensor):
            raise TypeError("the data is already a Tensor; use it, or .detach() for one apart")
        if not hasattr(data, "dtype"):
            data = np.asarray(data)
            if data.dtype == np.float64:
                data = data.astype(np.float32)
        if data.dtype.kind not in "biu" and data.dtype.name not in ("float32", "float64"):
            raise TypeError(
                f"a tensor holds float32, float64, integers or booleans, not {data.dtype}; convert "
                "with .astype('float32')"
            )
        # files often hold big-endian numbers, which no kernel computes with
        native = None if data.dtype.isnative else data.dtype.newbyteorder("=")
        self.data: Array = _backend.current().asarray(data, native)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(
                f"only float32 and float64 tensors have gradients, this one is {self.data.dtype}; "
                "convert with .astype('float32')"
            )
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.node: tape.Node | None = None
        self.name = name
        self.version = 0

    # --- what it is ---------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Length along each axis."""
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.data.size)

    @property
    def dtype(self) -> Any:
        """The NumPy dtype of the elements."""
        return self.data.dtype

    def numpy(self) -> NDArray[Any]:
        """Return the values as a NumPy array on the host, shared where possible."""
        return _backend.to_host(self.data)

    def item(self) -> float:
        """Return the value of a tensor of one element as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() needs exactly one element, the tensor has shape {self.shape}")
        return self.numpy().reshape(()).item()  # type: ignore[no-any-return]

    def detach(self) -> Tensor:
        """Return a tensor of the same data that the tape knows nothing about."""
        return _wrap(self.data)

    def zero_grad(self) -> None:
        """Forget the accumulated gradient."""
        self.grad = None

    def move(self, data: Array) -> None:
        """Replace the values by another array of the same shape (another dtype or device)."""
        self.data, self.grad = data, None

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        values = np.array2string(
            self.numpy(), precision=4, threshold=20, edgeitems=2, prefix="  ", separator=", "
        )
        grad = ", requires_grad" if self.requires_grad else ""
        return f"Tensor{name}({values}, shape={self.shape}, {self.dtype}{grad})"

    def __len__(self) -> int:
        return int(self.shape[0])

    def __bool__(self) -> bool:
        """Truth of the only element, as ``while loss > 0.1:`` asks for it."""
        if self.size != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false; compare one element, "
                "or ask .numpy().any() or .numpy().all()"
            )
        return bool(self.item())

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        """Refuse to become an array unasked: NumPy's functions would lose the gradient."""
        raise TypeError("NumPy functions do not take tensors; pass them tensor.numpy()")

    __hash__ = object.__hash__

    # --- the walk back ------------------------------------------------------------------------

    def backward(self, dy: Any = None, *, retain: bool = False) -> None:
        """Add d(self)/d(leaf) to ``grad`` of every leaf that requires a gradient.

        Parameters
        ----------
        dy : array of this tensor's shape, optional
            The gradient that arrives here; 1 for a scalar loss.
        retain : bool
            Keep what the nodes saved, so that backward may run again.

        Raises
        ------
        ValueError
            The tensor is no scalar and ``dy`` is missing, or ``dy`` has another shape.
        RuntimeError
            Nothing here requires a gradient, the graph has been walked already, or an optimiser
            has changed a parameter since the forward pass.
        """
        if not self.requires_grad:
            raise RuntimeError(
                "backward: no input of this tensor requires a gradient (was it computed under "
                "no_grad, or from data alone?)"
            )
        tape.walk_back(self, self._first_gradient(dy), retain)

    def _first_gradient(self, dy: Any) -> Array:
        backend = _backend.current() if self.node is None else self.node.backend
        if dy is None:
            if self.size != 1:
                raise ValueError(
                    f"backward of a tensor of shape {self.shape} needs the gradient that arrives "
                    "there: pass dy, or reduce to a scalar loss first (.sum(), .mean())"
                )
            return backend.xp.ones(self.shape, self.dtype)
        dy = backend.asarray(dy.data if isinstance(dy, Tensor) else dy, self.dtype)
        if tuple(dy.shape) != self.shape:
            raise ValueError(f"dy has shape {tuple(dy.shape)}, the tensor has {self.shape}")
        return dy

    # --- operators ----------------------------------------------------------------------------

    def __add__(self, other: Any) -> Tensor:
        return apply(elementwise.Add(), self, as_operand(other, self))

    def __sub__(self, other: Any) -> Tensor:
        return apply(elementwise.Sub(), self, as_operand(other, self))

    def __mul__(self, other: Any) -> Tensor:
        return apply(elementwise.Mul(), self, as_operand(other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return apply(elementwise.Div(), self, as_operand(other, self))

    def __pow__(self, other: Any) -> Tensor:
        return apply(elementwise.Pow(), self, as_operand(other, self))

    def __matmul__(self, other: Any) -> Tensor:
        return apply(linalg.MatMul(), self, as_operand(other, self))

    def __radd__(self, other: Any) -> Tensor:
        return as_operand(other, self) + self

    def __rsub__(self, other: Any) -> Tensor:
        return as_operand(other, self) - self

    def __rmul__(self, other: Any) -> Tensor:
        return as_operand(other, self) * self

    def __rtruediv__(self, other: Any) -> Tensor:
        return as_operand(other, self) / self

    def __rpow__(self, other: Any) -> Tensor:
        return as_operand(other, self) ** self

    def __rmatmul__(self, other: Any) -> Tensor:
        return as_operand(other, self) @ self

    def __neg__(self) -> Tensor:
        return apply(elementwise.Neg(), self)

    def __gt__(self, other: Any) -> Tensor:
        return _wrap(self.data > as_operand(other, self).data)

    def __lt__(self, other: Any) -> Tensor:
        return _wrap(self.data < as_operand(other, self).data)

    def __ge__(self, other: Any) -> Tensor:
        return _wrap(self.data >= as_operand(other, self).data)

    def __le__(self, other: Any) -> Tensor:
        return _wrap(self.data <= as_operand(other, self).data)

    def __getitem__(self, index: Any) -> Tensor:
        return apply(shape.GetItem(_plain_index(index)), self)

    def exp(self) -> Tensor:
        """e to the power of each element."""
        return apply(elementwise.Exp(), self)

    def log(self) -> Tensor:
        """Natural logarithm of each element."""
        return apply(elementwise.Log(), self)

    def sqrt(self) -> Tensor:
        """Square root of each element."""
        return apply(elementwise.Sqrt(), self)

    def abs(self) -> Tensor:
        """Absolute value of each element (gradient 0 at 0)."""
        return apply(elementwise.Abs(), self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        """Limit each element to [low, high]; the gradient is 0 outside."""
        # plain numbers, as a NumPy scalar would decide the dtype of the result
        low, high = (end.item() if isinstance(end, np.generic) else end for end in (low, high))
        return apply(elementwise.Clip(low, high), self)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Sum over the given axes, or over all."""
        return apply(reduce.Sum(axis, keepdims), self)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Mean over the given axes, or over all."""
        return apply(reduce.Mean(axis, keepdims), self)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Tensor:
        """Maximum over the given axes, or over all; ties share the gradient equally."""
        return apply(reduce.Max(axis, keepdims), self)

    def reshape(self, *sizes: int | Sequence[int]) -> Tensor:
        """Same elements in C order, another shape; one length may be -1."""
        return apply(shape.Reshape(_sizes(sizes)), self)

    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        """Axes in the order given; without arguments reversed."""
        return apply(shape.Transpose(_sizes(axes) or tuple(range(self.ndim))[::-1]), self)

    def pad(self, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
        """Add ``(before, after)`` cells of ``value`` along each axis."""
        return apply(shape.Pad(tuple((int(a), int(b)) for a, b in widths), value), self)

    def astype(self, dtype: Any) -> Tensor:
        """Convert to another dtype; the gradient is converted back."""
        return apply(elementwise.AsType(np.dtype(dtype).name), self)


def apply(op: Op, *inputs: Tensor) -> Tensor:
    """Run an op on tensors and leave a node on the tape if a gradient may be asked for."""
    backend = _backend.current()
    _check_dtypes(op, inputs)
    try:
        y, saved = op.forward(backend.kernels, *[t.data for t in inputs])
    except (ShapeError, AlgorithmError):
        raise
    except ValueError as error:  # the array module's own; it does not know what was computed
        shapes = " and ".join(str(t.shape) for t in inputs)
        raise ShapeError(f"{op.name} of {shapes}: {error}") from error
    _check_result(op, y, inputs)
    output = _wrap(y)
    if tape.recording() and output.dtype.kind == "f" and any(t.requires_grad for t in inputs):
        output.requires_grad = True
        output.node = tape.Node(op, inputs, saved, backend)
    tape.notify(op, inputs, output)
    return output


def _wrap(data: Array) -> Tensor:
    """Make a tensor around an array of the backend, sharing its memory."""
    xp = _backend.current().xp
    if not isinstance(data, xp.ndarray):  # NumPy turns results without axes into plain numbers
        data = xp.asarray(data)
    tensor = Tensor.__new__(Tensor)
    tensor.data, tensor.grad, tensor.requires_grad = data, None, False
    tensor.node, tensor.name, tensor.version = None, "", 0
    return tensor


def as_tensor(value: Any) -> Tensor:
    """Return ``value`` if it is a tensor, else a tensor of it."""
    return value if isinstance(value, Tensor) else Tensor(value)


def as_operand(value: Any, like: Tensor) -> Tensor:
    """Return the other side of an operator; plain numbers take the tensor's dtype."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, np.generic)):
        if like.dtype.kind != "f" and isinstance(value, (float, np.floating)):
            raise TypeError(
                f"a tensor of {like.dtype} and the number {value} do not mix; convert the tensor "
                "with .astype('float32')"
            )
        return _wrap(_backend.current().asarray(value, like.dtype))
    return Tensor(value)


def _plain_index(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(_plain_index(i) for i in index)
    if isinstance(index, Tensor):
        return index.data
    if isinstance(index, list) and not index:
        index = np.empty(0, np.int64)  # an empty list would become fractions
    return _backend.current().asarray(index) if isinstance(index, (list, np.ndarray)) else index


def _sizes(sizes: tuple[Any, ...]) -> Shape:
    if len(sizes) == 1 and isinstance(sizes[0], Sequence):
        sizes = tuple(sizes[0])
    return tuple(int(n) for n in sizes)


def _check_dtypes(op: Op, inputs: tuple[Tensor, ...]) -> None:
    found = None
    for tensor in inputs:
        dtype = tensor.data.dtype
        if dtype.kind != "f":
            continue
        if found is not None and dtype != found:
            raise TypeError(f"{op.name}: {found} and {dtype} do not mix; convert with .astype")
        found = dtype


def _check_result(op: Op, y: Array, inputs: tuple[Tensor, ...]) -> None:
    """Refuse silent promotion: a floating result has the floating dtype that went in."""
    if y.dtype.kind != "f" or op.converts or any(t.data.dtype == y.dtype for t in inputs):
        return
    given = " and ".join(str(t.dtype) for t in inputs)
    raise TypeError(
        f"{op.name} of {given} would give {y.dtype}; convert the inputs with .astype('float32')"
    )
