"""A model as data: layers to nested dictionaries of plain values, and back."""

from difflib import get_close_matches
from typing import Any

from ..errors import ModelFileError
from .layer import LAYERS, Layer


def to_data(value: Any) -> Any:
    """Turn a layer, or a setting of one, into JSON-able data; tuples become lists."""
    if isinstance(value, Layer):
        return {"layer": type(value).__name__, **{k: to_data(v) for k, v in value.config().items()}}
    if isinstance(value, (list, tuple)):
        return [to_data(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a setting of type {type(value).__name__} cannot be written to a model file: "
        "use numbers, strings, lists or layers"
    )


def from_data(data: Any) -> Any:
    """Make the layer that :func:`to_data` described; lists become tuples.

    Raises
    ------
    ModelFileError
        The class of a layer is not known here, or refuses its settings.
    """
    if isinstance(data, list):
        return tuple(from_data(item) for item in data)
    if not isinstance(data, dict):
        return data
    settings = {key: from_data(value) for key, value in data.items() if key != "layer"}
    kind = data.get("layer")
    if kind not in LAYERS:
        close = get_close_matches(str(kind), LAYERS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ModelFileError(
            f"there is no layer {kind!r}{hint}: import the module that defines it before loading"
        )
    try:
        return LAYERS[kind].from_config(settings)
    except TypeError as error:
        raise ModelFileError(f"layer {kind!r} refuses its settings {settings}: {error}") from error
