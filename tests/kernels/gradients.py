"""Which kernels compute the gradients of which: from a forward case to its backward cases."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from case import Case, make, run

from tinyvision_kernels.contract import KERNELS

# forward kernel -> the kernels of its gradients; output "dx" is the gradient of input "x"
GRADIENTS: dict[str, tuple[str, ...]] = {
    "conv2d": ("conv2d_dx", "conv2d_dw", "bias_grad"),
    "dense": ("dense_dx", "dense_dw", "bias_grad"),
    **{
        name: (f"{name}_dx",)
        for name in (
            *("relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "softmax", "log_softmax"),
            *("max_pool2d", "avg_pool2d", "global_avg_pool2d", "upsample2d"),
            *("softmax_cross_entropy", "bce_with_logits"),
        )
    },
    **{
        name: (f"{name}_grad",)
        for name in ("batch_norm", "batch_norm_infer", "layer_norm", "group_norm")
    },
}


def backward_cases(
    case: Case, outputs: dict[str, np.ndarray], dy: np.ndarray
) -> Iterator[tuple[Case, dict[str, str]]]:
    """Yield a case for each gradient kernel, and which input each of its outputs belongs to."""
    known: dict[str, Any] = {**case.inputs, **case.settings, **outputs}
    known |= {"dy": dy, "dlosses": dy}
    if "x" in known:
        known["size"] = known["x"].shape[1:3]
    if case.kernel == "conv2d":
        known["window"] = known["w"].shape[:2]
    for name in GRADIENTS[case.kernel]:
        owners = {output: output.removeprefix("d") for output in KERNELS[name].outputs}
        if all(case.inputs[owner] is not None for owner in owners.values()):
            yield make(name, case.id, known), owners


def gradients(
    case: Case,
    outputs: dict[str, np.ndarray],
    dy: np.ndarray,
    table: dict[str, Callable[..., None]],
    dtype: Any,
) -> dict[str, np.ndarray]:
    """Run the gradient kernels: input name -> its gradient."""
    found = {}
    for backward, owners in backward_cases(case, outputs, dy):
        results = run(backward, table[backward.kernel], dtype)
        found |= {owner: results[output] for output, owner in owners.items()}
    return found
