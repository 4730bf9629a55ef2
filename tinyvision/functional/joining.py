"""Choosing between tensors and joining them."""

from collections.abc import Sequence
from typing import Any

from tinyvision_kernels.contract import ShapeError

from ..ops import elementwise, shape
from ..tensor import Tensor, apply, as_tensor
from .operands import both, run


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return a where the condition holds, else b; all three broadcast."""
    a, b = both(a, b)
    flags = as_tensor(condition)
    if flags.dtype.kind != "b":
        raise TypeError(f"where: the condition must be boolean (x > 0, say), it is {flags.dtype}")
    return apply(elementwise.Where(), flags, a, b)


def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of a and b, element by element; equal values share the gradient."""
    return apply(elementwise.Maximum(), *both(a, b))


def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of a and b, element by element; equal values share the gradient."""
    return apply(elementwise.Minimum(), *both(a, b))


def concat(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """Join tensors along an axis, by default the channels; their other axes are equal."""
    if not tensors:
        raise ValueError("concat: there is nothing to join, give at least one tensor")
    return run(shape.Concat(axis), *tensors)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = [as_tensor(t) for t in tensors]
    if len({t.shape for t in parts}) > 1:
        raise ShapeError(f"stack: {' and '.join(str(t.shape) for t in parts)} must be equal")
    place = axis % (parts[0].ndim + 1) if parts else 0
    return concat([t.reshape(*t.shape[:place], 1, *t.shape[place:]) for t in parts], axis=place)
