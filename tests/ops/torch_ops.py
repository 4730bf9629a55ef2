"""What each op is in PyTorch: ``TORCH[type(op)](op, *tensors)``, channels last in and out."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its own documentation calls it so)

from tinyvision.ops import activation, elementwise, fused, linalg, loss, norm, pool, reduce, shape
from tinyvision.ops.conv import Conv2d, ConvTranspose2d
from tinyvision.ops.dense import Dense
from tinyvision.ops.op import Op

Peer = Callable[..., torch.Tensor]


def first(x: torch.Tensor) -> torch.Tensor:
    """Channels first, as PyTorch wants its images."""
    return x.movedim(-1, 1)


def last(x: torch.Tensor) -> torch.Tensor:
    """Channels last."""
    return x.movedim(1, -1)


def padded(op: Any, x: torch.Tensor, value: float) -> torch.Tensor:
    top, bottom, left, right = op.pad
    return F.pad(first(x), (left, right, top, bottom), value=value)


def conv2d(op: Any, x: Any, w: Any, b: Any = None) -> torch.Tensor:
    w = w.permute(3, 2, 0, 1)  # (KH, KW, C/groups, O) -> (O, C/groups, KH, KW)
    return last(F.conv2d(padded(op, x, 0), w, b, op.stride, 0, op.dilation, op.groups))


def conv_transpose2d(op: Any, x: Any, w: Any, b: Any = None) -> torch.Tensor:
    w = w.permute(3, 2, 0, 1)  # (KH, KW, O/groups, C) -> (C, O/groups, KH, KW)
    top, _, left, _ = op.pad
    y = F.conv_transpose2d(first(x), w, None, op.stride, 0, 0, op.groups, op.dilation)
    H, W = op.size  # what is cut off or, where windows did not reach, added at the far ends
    missing = (0, max(W + left - y.shape[3], 0), 0, max(H + top - y.shape[2], 0))
    y = last(F.pad(y, missing)[:, :, top : top + H, left : left + W])
    return y if b is None else y + b


def dense(op: Any, x: Any, w: Any, b: Any = None) -> torch.Tensor:
    return F.linear(x, w.T, b)


def max_pool2d(op: Any, x: Any) -> torch.Tensor:
    return last(F.max_pool2d(padded(op, x, -torch.inf), op.window, op.stride))


def avg_pool2d(op: Any, x: Any) -> torch.Tensor:
    real = padded(op, torch.ones_like(x), 0)
    total = F.avg_pool2d(padded(op, x, 0), op.window, op.stride)
    return last(total / F.avg_pool2d(real, op.window, op.stride))


def upsample2d(op: Any, x: Any) -> torch.Tensor:
    return last(F.interpolate(first(x), scale_factor=op.factor, mode="nearest"))


def resize2d(op: Any, x: Any) -> torch.Tensor:
    return last(F.interpolate(first(x), op.size, mode="bilinear", align_corners=False))


def batch_norm(op: Any, x: Any, gamma: Any, beta: Any, mean: Any, var: Any) -> torch.Tensor:
    training = isinstance(op, norm.BatchNorm)
    momentum = op.momentum if training else 0.0
    return last(F.batch_norm(first(x), mean, var, gamma, beta, training, momentum, op.eps))


def layer_norm(op: Any, x: Any, gamma: Any, beta: Any) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], gamma, beta, op.eps)


def group_norm(op: Any, x: Any, gamma: Any, beta: Any) -> torch.Tensor:
    return last(F.group_norm(first(x), op.groups, gamma, beta, op.eps))


def cross_entropy(op: Any, logits: Any, labels: Any, weights: Any = None) -> torch.Tensor:
    K = logits.shape[-1]
    flat = logits.reshape(-1, K), labels.reshape(-1)
    return F.cross_entropy(*flat, weights, label_smoothing=op.smoothing)


def reduced(op: Any, x: torch.Tensor, function: Peer) -> torch.Tensor:
    axes = tuple(range(x.ndim)) if op.axis is None else op.axis
    return function(x, dim=axes, keepdim=op.keepdims)


def getitem(op: Any, x: torch.Tensor) -> torch.Tensor:
    parts = op.index if isinstance(op.index, tuple) else (op.index,)
    for axis, part in enumerate(parts):  # PyTorch knows no steps below 0: turn the axis round first
        if isinstance(part, slice) and (part.step or 1) < 0:
            taken = torch.tensor(range(*part.indices(x.shape[axis - len(parts)])))
            x = x.index_select(axis - len(parts), taken)
            parts = (*parts[:axis], slice(None), *parts[axis + 1 :])
    return x[tuple(torch.from_numpy(p) if hasattr(p, "dtype") else p for p in parts)]


def pad(op: Any, x: torch.Tensor) -> torch.Tensor:
    return F.pad(x, [n for pair in op.widths[::-1] for n in pair], value=op.value)


def pad_shortcut(op: Any, x: Any) -> torch.Tensor:
    return F.pad(x[:, :: op.stride[0], :: op.stride[1]], op.channels)


def pooled(y: torch.Tensor) -> torch.Tensor:
    return last(F.max_pool2d(first(y), 2))


def add_after_norm(op: Any, x: Any, residual: Any, *vectors: Any) -> torch.Tensor:
    return F.relu(batch_norm(op, x, *vectors) + residual)


TORCH: dict[type[Op], Peer] = {
    elementwise.Add: lambda op, a, b: a + b,
    elementwise.Sub: lambda op, a, b: a - b,
    elementwise.Mul: lambda op, a, b: a * b,
    elementwise.Div: lambda op, a, b: a / b,
    elementwise.Pow: lambda op, a, b: a**b,
    elementwise.Maximum: lambda op, a, b: torch.maximum(a, b),
    elementwise.Minimum: lambda op, a, b: torch.minimum(a, b),
    elementwise.Where: lambda op, condition, a, b: torch.where(condition, a, b),
    elementwise.Neg: lambda op, x: -x,
    elementwise.Exp: lambda op, x: x.exp(),
    elementwise.Log: lambda op, x: x.log(),
    elementwise.Sqrt: lambda op, x: x.sqrt(),
    elementwise.Abs: lambda op, x: x.abs(),
    elementwise.Clip: lambda op, x: x.clip(op.low, op.high),
    elementwise.AsType: lambda op, x: x.to(torch.float64),
    linalg.MatMul: lambda op, a, b: a @ b,
    reduce.Sum: lambda op, x: reduced(op, x, torch.sum),
    reduce.Mean: lambda op, x: reduced(op, x, torch.mean),
    reduce.Max: lambda op, x: reduced(op, x, torch.amax),
    shape.Reshape: lambda op, x: x.reshape(op.shape),
    shape.Transpose: lambda op, x: x.permute(op.axes),
    shape.GetItem: getitem,
    shape.Concat: lambda op, *xs: torch.cat(xs, dim=op.axis),
    shape.Pad: pad,
    shape.PadShortcut: pad_shortcut,
    Conv2d: conv2d,
    ConvTranspose2d: conv_transpose2d,
    Dense: dense,
    pool.MaxPool2d: max_pool2d,
    pool.AvgPool2d: avg_pool2d,
    pool.GlobalAvgPool2d: lambda op, x: x.mean(dim=(1, 2)),
    pool.Upsample2d: upsample2d,
    pool.Resize2d: resize2d,
    norm.BatchNorm: batch_norm,
    norm.BatchNormInfer: batch_norm,
    norm.LayerNorm: layer_norm,
    norm.GroupNorm: group_norm,
    activation.ReLU: lambda op, x: F.relu(x),
    activation.LeakyReLU: lambda op, x: F.leaky_relu(x, op.slope),
    activation.GELU: lambda op, x: F.gelu(x, approximate="tanh"),
    activation.SiLU: lambda op, x: F.silu(x),
    activation.Sigmoid: lambda op, x: torch.sigmoid(x),
    activation.Tanh: lambda op, x: torch.tanh(x),
    activation.Softmax: lambda op, x: F.softmax(x, dim=-1),
    activation.LogSoftmax: lambda op, x: F.log_softmax(x, dim=-1),
    loss.SoftmaxCrossEntropy: cross_entropy,
    loss.SoftmaxCrossEntropyOfRows: lambda op, logits, labels, weights=None: F.cross_entropy(
        logits, labels, weights, label_smoothing=op.smoothing, reduction="none"
    ),
    fused.Conv2dReLU: lambda op, *inputs: F.relu(conv2d(op, *inputs)),
    fused.Conv2dReLUMaxPool: lambda op, *inputs: pooled(F.relu(conv2d(op, *inputs))),
    fused.DenseReLU: lambda op, *inputs: F.relu(dense(op, *inputs)),
    fused.BatchNormReLU: lambda op, *inputs: F.relu(batch_norm(op, *inputs)),
    fused.BatchNormReLUMaxPool: lambda op, *inputs: pooled(F.relu(batch_norm(op, *inputs))),
    fused.BatchNormInferReLU: lambda op, *inputs: F.relu(batch_norm(op, *inputs)),
    fused.BatchNormAddReLU: add_after_norm,
    fused.AddSame: lambda op, a, b: a + b,
    fused.AddReLU: lambda op, a, b: F.relu(a + b),
    loss.BCEWithLogits: lambda op, x, t: F.binary_cross_entropy_with_logits(x, t),
}
"""Dropout is missing: PyTorch draws other numbers. It has tests of its own."""
