"""Layers and inputs filled with random numbers: zeros and ones would hide mistakes."""

import numpy as np

from tinyvision import nn
from tinyvision.tensor import Tensor


def numbers(shape, seed, dtype=np.float64):
    """Standard normal numbers, drawn by NumPy's own generator."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def built(layer: nn.Layer, batch_shape, dtype=np.float64, seed=0) -> nn.Layer:
    """Build a layer and draw every parameter and buffer; variances stay positive."""
    layer.build(batch_shape[1:])
    layer.astype(dtype)
    for i, (path, tensor) in enumerate(layer.tensors()):
        values = numbers(tensor.shape, [seed, i], dtype)
        tensor.data[...] = np.abs(values) + 0.5 if path.endswith("running_var") else values
    return layer


def leaf(shape, seed, dtype=np.float64) -> Tensor:
    return Tensor(numbers(shape, seed, dtype), requires_grad=True, name="x")
