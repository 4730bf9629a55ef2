"""Checks of what an optimiser is made from: parameters and settings."""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from numbers import Real
from typing import Any

from ..backend import Backend
from ..nn.layer import Layer
from ..nn.parameter import Parameter
from ..tensor import Tensor


def all_parameters(source: Layer | Sequence[Parameter], backend: Backend) -> list[Parameter]:
    """List the parameters, each once; refuse what cannot be trained together on the backend."""
    if isinstance(source, Layer):
        _refuse_unbuilt(source)
        source = source.parameters()
    is_list = isinstance(source, Iterable) and not isinstance(source, Tensor)
    parameters: list[Parameter] = []
    for p in source if is_list else [source]:
        if not isinstance(p, Parameter):
            raise TypeError(
                "an optimiser takes a layer or a list of nn.Parameter, such as model or "
                f"model.parameters(), got {type(p).__name__}"
            )
        if not isinstance(p.data, backend.xp.ndarray):
            raise ValueError(
                f"parameter {p.name!r} does not live on backend {backend.name!r}: call "
                "model.to_backend() before making the optimiser"
            )
        if not any(p is other for other in parameters):
            parameters.append(p)
    trained = [p for p in parameters if p.requires_grad]
    if not trained:
        found = "all are frozen" if parameters else "there are none"
        raise ValueError(f"an optimiser needs parameters to train: {found}")
    if dtypes := sorted({str(p.dtype) for p in trained} - {str(trained[0].dtype)}):
        raise TypeError(
            f"parameters to train together must share one dtype, {trained[0].name!r} is "
            f"{trained[0].dtype}, others are {dtypes[0]}: convert with model.astype('float32')"
        )
    return parameters


def _refuse_unbuilt(model: Layer) -> None:
    for path, layer in model.named_layers():
        if not layer.built:
            raise ValueError(
                f"layer {(path or type(layer).__name__)!r} has no weights yet: call "
                "model.build(input_shape) before making the optimiser"
            )


def positive(optimizer: object, name: str, value: Any) -> float:
    """Return ``value`` as a float above 0."""
    return _number(optimizer, name, value, lambda x: 0 < x < inf, "a number above 0")


def not_negative(optimizer: object, name: str, value: Any) -> float:
    """Return ``value`` as a float of at least 0."""
    return _number(optimizer, name, value, lambda x: 0 <= x < inf, "a number of at least 0")


def fraction(optimizer: object, name: str, value: Any) -> float:
    """Return ``value`` as a float in [0, 1)."""
    return _number(optimizer, name, value, lambda x: 0 <= x < 1, "a number in [0, 1)")


def _number(
    optimizer: object, name: str, value: Any, accepts: Callable[[float], bool], wanted: str
) -> float:
    if not isinstance(value, Real) or not accepts(float(value)):
        raise ValueError(f"{type(optimizer).__name__}: {name} must be {wanted}, got {value!r}")
    return float(value)
