"""Functions on tensors: what layers call, and what networks can be written with directly.

Images are channels-last, ``(N, H, W, C)``. Every function takes tensors (or arrays, which become
constants) of one dtype and returns a tensor. Formulas stand beside the ops, in ``ops/``, and the
kernels, in ``kernels/tinyvision_kernels/contract/``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyvision_kernels.contract import Pads, Pair, ShapeError

from . import random
from .ops import activation, elementwise, loss, norm, pool, shape
from .ops.conv import Conv2d, ConvTranspose2d
from .ops.dense import Dense
from .ops.dropout import Dropout
from .ops.op import Op
from .ops.window import Pad, grown, pads, pair, whole
from .tensor import Tensor, apply, as_operand, as_tensor

Stride = int | Pair | None  # None: as far as the window is large

# --- dense and convolution ------------------------------------------------------------------------


def dense(x: Any, w: Any, b: Any = None) -> Tensor:
    """Return ``x @ w + b``: x (..., I), w (I, O), b (O,) -> (..., O)."""
    return _run(Dense(), x, w, b)


def conv2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Pair = 1,
    pad: Pad = "valid",
    dilation: int | Pair = 1,
    groups: int = 1,
    algorithm: str = "auto",
) -> Tensor:
    """Slide windows over images: (N, H, W, C) -> (N, OH, OW, O), by cross-correlation.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    w : Tensor (KH, KW, C/groups, O)
    b : Tensor (O,), optional
    stride, dilation : int or (int, int)
        Step of the window, and distance between its cells, along H and W.
    pad : "valid", "same", int, (int, int) or (top, bottom, left, right)
        Zeros around the image. "same" makes the output ``ceil(size / stride)``; where the number
        of zeros is odd, the one more goes to the bottom or right, as in TensorFlow and ONNX
        (SAME_UPPER).
    groups : int
        Each group of O/groups output channels sees its own C/groups input channels.
    algorithm : str
        A way to compute it that the backend knows: "direct" and "winograd" on cpu, "im2col" and
        "loops" on reference.

    Raises
    ------
    ShapeError
        The channels do not fit, or the window is larger than the padded image.
    """
    x, w = _images(x), as_tensor(w)
    _need_four("w", w, "KH, KW, C/groups, O")
    steps, spread = pair("stride", stride), pair("dilation", dilation)
    margins = pads(pad, x.shape[1:3], w.shape, steps, spread)
    return _run(Conv2d(steps, margins, spread, whole("groups", groups), algorithm), x, w, b)


def conv_transpose2d(
    x: Any,
    w: Any,
    b: Any = None,
    *,
    stride: int | Pair = 1,
    pad: Pad = "valid",
    output_pad: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Transpose a convolution: each pixel of x adds a window, weighted by its value, to the output.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    w : Tensor (KH, KW, O/groups, C)
        The weight of the convolution that would lead from the output back to x.
    b : Tensor (O,), optional
    stride, pad, dilation, groups
        Those of that convolution: ``pad`` cuts cells off around the output, and "same" makes it
        ``size * stride``.
    output_pad : int or (int, int)
        Cells added at the bottom and right; smaller than the stride.

    Returns
    -------
    Tensor (N, OH, OW, O)
        With OH = (H - 1) * stride + dilation * (KH - 1) + 1 - top - bottom + output_pad, if pad is
        not "same".
    """
    x, w = _images(x), as_tensor(w)
    _need_four("w", w, "KH, KW, O/groups, C")
    steps, spread = pair("stride", stride), pair("dilation", dilation)
    extra = pair("output_pad", output_pad, least=0)
    size, margins = grown(x.shape[1:3], w.shape, steps, pad, extra, spread)
    op = ConvTranspose2d(size, steps, margins, spread, whole("groups", groups))
    return _run(op, x, w, b)


# --- pooling --------------------------------------------------------------------------------------


def max_pool2d(x: Any, window: int | Pair, stride: Stride = None, pad: Pad = 0) -> Tensor:
    """Return the largest value of each window of each channel: (N, H, W, C) -> (N, OH, OW, C).

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    window : int or (int, int)
    stride : int or (int, int), optional
        By default the window, so that windows tile the image.
    pad : as of :func:`conv2d`
        Cells around the image that never win; fewer than the window has.
    """
    x = _images(x)
    return _run(pool.MaxPool2d(*_pooling(x, window, stride, pad)), x)


def avg_pool2d(x: Any, window: int | Pair, stride: Stride = None, pad: Pad = 0) -> Tensor:
    """Return the mean of each window, padding not counted; parameters of :func:`max_pool2d`."""
    x = _images(x)
    return _run(pool.AvgPool2d(*_pooling(x, window, stride, pad)), x)


def global_avg_pool2d(x: Any) -> Tensor:
    """Return the mean of each channel over the whole image: (N, H, W, C) -> (N, C)."""
    return _run(pool.GlobalAvgPool2d(), x)


def upsample2d(x: Any, factor: int | Pair, mode: str = "nearest") -> Tensor:
    """Make images larger by whole factors: (N, H, W, C) -> (N, H * fh, W * fw, C).

    Parameters
    ----------
    mode : "nearest" or "bilinear"
        Repeat each pixel, or interpolate between the pixels' centres.
    """
    x, factors = _images(x), pair("factor", factor)
    if mode == "nearest":
        return _run(pool.Upsample2d(factors), x)
    if mode == "bilinear":
        return resize2d(x, (x.shape[1] * factors[0], x.shape[2] * factors[1]))
    raise ValueError(f"mode must be 'nearest' or 'bilinear', got {mode!r}")


def resize2d(x: Any, size: int | Pair) -> Tensor:
    """Resize images to ``size`` = (OH, OW) by bilinear interpolation between pixel centres.

    To make images much smaller, average first (:func:`avg_pool2d`): each output pixel looks at no
    more than four pixels of x.
    """
    return _run(pool.Resize2d(pair("size", size)), _images(x))


# --- normalisation and dropout --------------------------------------------------------------------


def batch_norm(
    x: Any,
    gamma: Any,
    beta: Any,
    running_mean: Any,
    running_var: Any,
    *,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalise each channel of x (..., C); gamma, beta and the running statistics are (C,).

    In training by the batch's own mean and variance, which the running statistics follow in place:
    ``running += momentum * (batch - running)``. Otherwise by the running statistics.
    """
    op: Op = norm.BatchNorm(eps, momentum) if training else norm.BatchNormInfer(eps)
    return _run(op, x, gamma, beta, running_mean, running_var)


def layer_norm(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> Tensor:
    """Normalise x (..., D) over its last axis; gamma and beta are (D,)."""
    return _run(norm.LayerNorm(eps), x, gamma, beta)


def group_norm(x: Any, gamma: Any, beta: Any, groups: int, *, eps: float = 1e-5) -> Tensor:
    """Normalise each image of x (N, H, W, C) over H, W and each group of C/groups channels."""
    return _run(norm.GroupNorm(whole("groups", groups), eps), x, gamma, beta)


def dropout(x: Any, rate: float, training: bool = True) -> Tensor:
    """Set a share ``rate`` in [0, 1) of the elements to 0 and scale the others by 1 / (1 - rate).

    Which ones follows from :func:`tinyvision.random.seed` and the number of draws before. Without
    ``training``, returns x itself.
    """
    if not 0 <= rate < 1:
        raise ValueError(f"dropout: rate must lie in [0, 1), got {rate}")
    if not training or rate == 0:
        return as_tensor(x)
    seed, step = random.next_step()
    return _run(Dropout(rate, seed, random.purpose_of("dropout"), step), x)


# --- activations ----------------------------------------------------------------------------------


def relu(x: Any) -> Tensor:
    """Return max(x, 0), element by element."""
    return _run(activation.ReLU(), x)


def leaky_relu(x: Any, slope: float = 0.01) -> Tensor:
    """Return x where x > 0, else slope * x."""
    return _run(activation.LeakyReLU(slope), x)


def gelu(x: Any) -> Tensor:
    """Return x times the normal distribution function of x, by its tanh approximation."""
    return _run(activation.GELU(), x)


def silu(x: Any) -> Tensor:
    """Return x * sigmoid(x)."""
    return _run(activation.SiLU(), x)


def sigmoid(x: Any) -> Tensor:
    """Return 1 / (1 + exp(-x))."""
    return _run(activation.Sigmoid(), x)


def tanh(x: Any) -> Tensor:
    """Return the hyperbolic tangent."""
    return _run(activation.Tanh(), x)


def softmax(x: Any) -> Tensor:
    """Return exp(x) / sum of exp(x), over the last axis."""
    return _run(activation.Softmax(), x)


def log_softmax(x: Any) -> Tensor:
    """Return the logarithm of softmax over the last axis, exact where softmax itself would be 0."""
    return _run(activation.LogSoftmax(), x)


# --- losses ---------------------------------------------------------------------------------------


def cross_entropy(logits: Any, labels: Any, weights: Any = None, smoothing: float = 0.0) -> Tensor:
    """Return the mean of -log softmax(logits)[label].

    Parameters
    ----------
    logits : Tensor (..., K)
    labels : integers (...), or fractions (..., K)
        Class numbers in 0 .. K-1; or what share each class has in an image, such as of two images
        mixed. The losses at the classes then count by their shares.
    weights : (K,), optional
        One factor a class; the mean is then sum of weights[label] * loss / sum of weights[label].
    smoothing : float in [0, 1]
        Share of the wanted distribution that is spread evenly over all classes.

    Raises
    ------
    ValueError
        A label is no class number, or there is not one label for each row of logits.
    """
    logits = as_tensor(logits)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"cross_entropy: smoothing must lie in [0, 1], got {smoothing}")
    if weights is not None:
        weights = _like(weights, logits)
        if weights.requires_grad:
            raise ValueError("cross_entropy: weights get no gradient; pass weights.detach()")
    shares = labels if hasattr(labels, "dtype") else np.asarray(labels)
    if shares.dtype.kind == "f" and shares.shape == logits.shape:
        return _cross_entropy_of_shares(logits, _like(shares, logits), weights, smoothing)
    op = loss.SoftmaxCrossEntropy(smoothing)
    return _run(op, logits, as_labels(labels, logits), weights)


def _cross_entropy_of_shares(
    logits: Tensor, shares: Tensor, weights: Tensor | None, smoothing: float
) -> Tensor:
    """Return -sum of v q log softmax(logits) over sum of v shares, v = 1 without weights."""
    smoothed = shares * (1 - smoothing) + smoothing / logits.shape[-1]
    if weights is not None:
        if weights.shape != logits.shape[-1:]:
            raise ShapeError(f"weights must be {logits.shape[-1:]}, not {weights.shape}")
        shares, smoothed = shares * weights, smoothed * weights
    return -(smoothed * log_softmax(logits)).sum() / shares.sum()


def bce_with_logits(logits: Any, targets: Any) -> Tensor:
    """Return the mean of -t log p - (1 - t) log(1 - p), with p = sigmoid(logits), t in [0, 1].

    Logits and targets have one shape; targets may be booleans or integers too.
    """
    logits = as_tensor(logits)
    return _run(loss.BCEWithLogits(), logits, _like(targets, logits))


def as_labels(labels: Any, logits: Tensor) -> Tensor:
    """Return class numbers as an int64 tensor, checked to lie in 0 .. K-1 of logits (..., K)."""
    host = labels.numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if host.dtype.kind not in "iu":
        raise TypeError(
            f"labels must be integers, they are {host.dtype}; turn one-hot rows into class numbers "
            "with .argmax(axis=-1)"
        )
    if host.shape != logits.shape[:-1]:
        raise ShapeError(
            f"logits {logits.shape} need labels {logits.shape[:-1]}, one class number each; they "
            f"are {host.shape}"
        )
    K = logits.shape[-1]
    wrong = (host < 0) | (host >= K)
    if wrong.any():
        raise ValueError(
            f"label {host[wrong][0]} is none of the K={K} classes that logits {logits.shape} have: "
            f"labels must lie in 0 .. {K - 1}"
        )
    if isinstance(labels, Tensor) and labels.dtype == np.int64:
        return labels
    return Tensor(host.astype(np.int64, copy=False))


# --- choosing and joining -------------------------------------------------------------------------


def where(condition: Any, a: Any, b: Any) -> Tensor:
    """Return a where the condition holds, else b; all three broadcast."""
    a, b = _both(a, b)
    flags = as_tensor(condition)
    if flags.dtype.kind != "b":
        raise TypeError(f"where: the condition must be boolean (x > 0, say), it is {flags.dtype}")
    return apply(elementwise.Where(), flags, a, b)


def maximum(a: Any, b: Any) -> Tensor:
    """Return the larger of a and b, element by element; equal values share the gradient."""
    return apply(elementwise.Maximum(), *_both(a, b))


def minimum(a: Any, b: Any) -> Tensor:
    """Return the smaller of a and b, element by element; equal values share the gradient."""
    return apply(elementwise.Minimum(), *_both(a, b))


def concat(tensors: Sequence[Any], axis: int = -1) -> Tensor:
    """Join tensors along an axis, by default the channels; their other axes are equal."""
    if not tensors:
        raise ValueError("concat: there is nothing to join, give at least one tensor")
    return _run(shape.Concat(axis), *tensors)


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = [as_tensor(t) for t in tensors]
    if len({t.shape for t in parts}) > 1:
        raise ShapeError(f"stack: {' and '.join(str(t.shape) for t in parts)} must be equal")
    place = axis % (parts[0].ndim + 1) if parts else 0
    return concat([t.reshape(*t.shape[:place], 1, *t.shape[place:]) for t in parts], axis=place)


# --- settings and operands ------------------------------------------------------------------------


def _run(op: Op, *inputs: Any) -> Tensor:
    """Apply an op to tensors and arrays; optional inputs that are None are left out."""
    return apply(op, *[as_tensor(value) for value in inputs if value is not None])


def _both(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Return two operands as tensors; a number takes the dtype of the other."""
    if isinstance(a, (bool, int, float, np.generic)):
        b = as_tensor(b)
        return as_operand(a, b), b
    a = as_tensor(a)
    return a, as_operand(b, a)


def _like(value: Any, other: Tensor) -> Tensor:
    """Return plain data as a tensor of another's dtype; a floating tensor is left as it is."""
    tensor = as_tensor(value)
    if isinstance(value, Tensor) and tensor.dtype.kind == "f":
        return tensor
    return tensor if tensor.dtype == other.dtype else tensor.astype(other.dtype)


def _images(x: Any) -> Tensor:
    images = as_tensor(x)
    _need_four("x", images, "N, H, W, C")
    return images


def _need_four(name: str, tensor: Tensor, axes: str) -> None:
    if tensor.ndim != 4:
        raise ShapeError(f"{name} must be ({axes}), it is {tensor.shape}")


def _pooling(x: Tensor, window: Any, stride: Any, pad: Pad) -> tuple[Pair, Pair, Pads]:
    cells = pair("window", window)
    steps = cells if stride is None else pair("stride", stride)
    return cells, steps, pads(pad, x.shape[1:3], cells, steps)
