"""What goes in: values of any kind become the tensors that an op takes."""

from typing import Any

import numpy as np

from tinyvision_kernels.contract import ShapeError

from ..ops.op import Op
from ..tensor import Tensor, apply, as_operand, as_tensor


def run(op: Op, *inputs: Any) -> Tensor:
    """Apply an op to tensors and arrays; optional inputs that are None are left out."""
    return apply(op, *[as_tensor(value) for value in inputs if value is not None])


def both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors; a number takes the dtype of the other."""
    if isinstance(a, (bool, int, float, np.generic)):
        b = as_tensor(b)
        return as_operand(a, b), b
    a = as_tensor(a)
    return a, as_operand(b, a)


def like(value: Any, other: Tensor) -> Tensor:
    """Return plain data as a tensor of another's dtype; a floating tensor is left as it is."""
    tensor = as_tensor(value)
    if isinstance(value, Tensor) and tensor.dtype.kind == "f":
        return tensor
    return tensor if tensor.dtype == other.dtype else tensor.astype(other.dtype)


def as_images(x: Any) -> Tensor:
    """Return images (N, H, W, C) as a tensor; whatever has other axes is refused."""
    images = as_tensor(x)
    need_four("x", images, "N, H, W, C")
    return images


def need_four(name: str, tensor: Tensor, axes: str) -> None:
    """Refuse a tensor of other than four axes; ``axes`` spells them out for the message."""
    if tensor.ndim != 4:
        raise ShapeError(f"{name} must be ({axes}), it is {tensor.shape}")
