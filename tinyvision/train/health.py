"""Finding where numbers stopped being numbers."""

from .. import backend as _backend
from ..nn.layer import Layer
from ..nn.place import current_path
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
    weights = non_finite_weights(model)
    if weights is not None:
        return f"the weights {weights!r}"
    culprits: list[str] = []

    def watch(op: Op, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not culprits and not _finite(output):
            path = current_path()
            where = f"the output of layer {path!r}" if path else "an output of the model itself"
            culprits.append(f"{where} ({op.name})")

    with no_grad(), listening(watch):
        model(x)
    return culprits[0] if culprits else "the loss itself (all layers' outputs are finite)"


def non_finite_weights(model: Layer) -> str | None:
    """Return the path of the first parameter that holds NaN or infinity, None if all are finite.

    Running statistics are no parameters: one bad batch spoils those of every batch norm behind the
    layer where the fault began, and they would hide that layer.
    """
    return next((path for path, p in model.named_parameters() if not _finite(p)), None)


def _finite(tensor: Tensor) -> bool:
    if tensor.dtype.kind != "f":
        return True
    xp = _backend.current().xp
    return bool(_backend.to_host(xp.asarray(xp.isfinite(tensor.data).all())))
