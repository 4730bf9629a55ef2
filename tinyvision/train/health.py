"""Finding where numbers stopped being numbers."""

import numpy as np

from .. import backend as _backend
from ..nn.layer import Layer, current_path
from ..ops.op import Op
from ..tape import listening, no_grad
from ..tensor import Tensor


def first_non_finite(model: Layer, x: Tensor) -> str:
    """Say which weights or which layer's output is the first to hold NaN or infinity.

    Runs the model once more on ``x`` and watches every op. A batch norm in training mode moves its
    running statistics again, so this is for a run that is about to stop.
    """
    if not _finite(x):
        return "the input batch itself"
    for path, tensor in model.tensors():
        if not _finite(tensor):
            return f"the weights {path!r}"
    culprits: list[str] = []

    def watch(op: Op, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not culprits and not _finite(output):
            culprits.append(f"the output of layer {current_path()!r} ({op.name})")

    with no_grad(), listening(watch):
        model(x)
    return culprits[0] if culprits else "the loss itself (all layers' outputs are finite)"


def _finite(tensor: Tensor) -> bool:
    if tensor.dtype.kind != "f":
        return True
    xp = _backend.current().xp
    return bool(_backend.to_host(xp.asarray(xp.isfinite(tensor.data).all())))


def is_finite(value: float) -> bool:
    """Whether a Python number is neither NaN nor infinite."""
    return bool(np.isfinite(value))
