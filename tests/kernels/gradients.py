"""Which kernels compute the gradients of which: from a forward case to its backward cases."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.kernels.case import Case, make, run
from tinyvision_kernels.contract import windows

# Forward kernel -> the kernels of its gradients, in order; output "dx" is the gradient of input
# "x". Where one gives dz, the gradient half-way, the next ones take it for their dy.
GRADIENTS: dict[str, tuple[str, ...]] = {
    "conv2d": ("conv2d_dx", "conv2d_dw", "bias_grad"),
    "conv2d_relu": ("relu_bias_grad", "conv2d_dx", "conv2d_dw"),
    "conv2d_relu_max_pool": ("relu_max_pool_bias_grad", "conv2d_dx", "conv2d_dw"),
    "dense": ("dense_dx", "dense_dw", "bias_grad"),
    "dense_relu": ("relu_bias_grad", "dense_dx", "dense_dw"),
    "add": (),  # both get dy itself
    "add_relu": ("relu_dx",),
    **{
        name: (f"{name}_dx",)
        for name in (
            *("relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "softmax", "log_softmax"),
            *("max_pool2d", "avg_pool2d", "global_avg_pool2d", "upsample2d", "pad_shortcut"),
            *("softmax_cross_entropy", "bce_with_logits"),
        )
    },
    **{
        name: (f"{name}_grad",)
        for name in ("batch_norm", "batch_norm_infer", "layer_norm", "group_norm")
    },
    "batch_norm_relu": ("batch_norm_relu_grad",),
}


def gradients(
    case: Case,
    outputs: dict[str, np.ndarray],
    dy: np.ndarray,
    table: dict[str, Callable[..., None]],
    dtype: Any,
) -> dict[str, np.ndarray]:
    """Run the gradient kernels: input name -> its gradient."""
    known: dict[str, Any] = {**case.inputs, **case.settings, **outputs}
    known |= {"dy": dy, "dlosses": dy}
    if "x" in known:
        known["size"] = known["x"].shape[1:3]
    if case.kernel.startswith("conv2d"):
        known["window"] = known["w"].shape[:2]
    found = {"x": dy, "residual": dy} if case.kernel == "add" else {}
    for name in GRADIENTS[case.kernel]:
        if name == "bias_grad" and case.inputs["b"] is None:
            continue
        given = known
        if name == "relu_max_pool_bias_grad":  # starts from the size that the pooling was given
            how = [case.settings[setting] for setting in ("stride", "pad", "dilation")]
            given = {**known, "size": windows(known["size"], known["window"], *how)}
        for output, gradient in run(make(name, case.id, given), table[name], dtype).items():
            if output == "dz":
                known["dy"] = gradient
            for owner in _owners(case.kernel, output):
                if case.inputs.get(owner) is not None:
                    found[owner] = gradient
    return found


def _owners(forward: str, output: str) -> tuple[str, ...]:
    """Whose gradient an output is."""
    return ("x", "residual") if forward == "add_relu" else (output.removeprefix("d"),)
