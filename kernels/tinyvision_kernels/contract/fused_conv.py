"""Contracts of convolution and dense layers together with what follows them in a network.

A large layer is done sooner than its result is written to memory and read again. So bias, ReLU,
2x2 max-pooling and the sums of batch norm may be computed while the result is still in the
registers or in the nearest cache, where that is quicker. Each kernel equals the named kernels one
after another, bit for bit wherever no sum is taken in another order.

Backward undoes what followed in one pass, which gives ``dz`` (z: the result of the product) and
``db``; ``conv2d_dx``, ``conv2d_dw`` or those of the dense layer then take dz for their dy.
"""

from math import prod

from .conv import bias_grad, conv2d
from .dense import dense
from .pool import max_pool2d, max_pool2d_dx
from .registry import OptionalShape, Pads, Pair, Shape, each, kernel, need, same

POOL = ((2, 2), (2, 2), (0, 0, 0, 0))  # window, stride and padding of a fused max-pool
OFF = 4  # its argmax where no cell of the window is positive: no gradient passes


@kernel("y", bfloat16=True)
def conv2d_relu(
    x: Shape,
    w: Shape,
    b: OptionalShape,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """y = relu(conv2d(x, w, b)); its first backward step is relu_bias_grad."""
    return conv2d(x, w, b, stride, pad, dilation, groups, algorithm)


@kernel("y", "argmax", dtypes={"argmax": "uint8"}, bfloat16=True)
def conv2d_relu_max_pool(
    x: Shape,
    w: Shape,
    b: OptionalShape,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """y, argmax = max_pool2d(relu(conv2d(x, w, b))) of windows 2x2, stride 2, no padding.

    argmax is OFF = 4 where y > 0 does not hold: it then says all that backward has to know of the
    ReLU, too. A last odd row or column is left out. First backward step: relu_max_pool_bias_grad.
    """
    (z,) = conv2d(x, w, b, stride, pad, dilation, groups, algorithm)
    return max_pool2d(z, *POOL)


@kernel("y", "mean", "inv_std", updates=("running_mean", "running_var"))
def conv2d_statistics(
    running_mean: Shape,
    running_var: Shape,
    x: Shape,
    w: Shape,
    b: OptionalShape,
    stride: Pair,
    pad: Pads,
    dilation: Pair,
    groups: int,
    eps: float,
    momentum: float,
    algorithm: str = "auto",
) -> tuple[Shape, ...]:
    """y = conv2d(x, w, b) and batch_norm_statistics of y, which batch_norm_apply... go on with."""
    (y,) = conv2d(x, w, b, stride, pad, dilation, groups, algorithm)
    each(y[3:], running_mean=running_mean, running_var=running_var)
    need(
        prod(y[:3]) > 1,
        f"one value a channel has no variance, y is {y}: train on larger batches or images",
    )
    return (y, y[3:], y[3:])


@kernel("y", bfloat16=True)
def dense_relu(x: Shape, w: Shape, b: OptionalShape) -> tuple[Shape, ...]:
    """y = relu(dense(x, w, b)); its first backward step is relu_bias_grad."""
    return dense(x, w, b)


@kernel("dz", "db", bfloat16=True)
def relu_bias_grad(dy: Shape, y: Shape) -> tuple[Shape, ...]:
    """dz = dy where y > 0, else 0; db[o] = sum of dz over all axes but the last.

    dz may lie in the memory of dy or y.
    """
    return same(dy, y) + bias_grad(dy)


@kernel("dz", "db", dtypes={"argmax": "uint8"}, bfloat16=True)
def relu_max_pool_bias_grad(dy: Shape, argmax: Shape, size: Pair) -> tuple[Shape, ...]:
    """dz = dy at the cell of each 2x2 window that argmax names, 0 elsewhere; db[o] = sum of dz.

    dz is (N, *size, O): the result of the convolution before its pooling. Where argmax is OFF = 4
    the ReLU let nothing through.
    """
    (dz,) = max_pool2d_dx(dy, argmax, size, *POOL)
    return (dz, dz[3:])
