"""A model as data: layers to nested dictionaries of plain values, and back.

``Dense(10)`` becomes ``{"layer": "Dense", "units": 10}``. A layer that stands in several places
carries a number, ``"shared": 1``, and is ``{"shared": 1}`` wherever it comes again.
"""

from difflib import get_close_matches
from math import isfinite
from typing import Any

import numpy as np

from ..errors import ModelFileError
from . import init
from .layer import LAYERS, Layer


def to_data(value: Any) -> Any:
    """Turn a layer, or a setting of one, into JSON-able data; tuples become lists.

    Raises
    ------
    TypeError
        A setting is neither a number, a string, a list, a layer, nor a registered initializer.
    """
    described: dict[int, dict[str, Any]] = {}  # id of a layer -> its description
    shared: list[int] = []

    def convert(value: Any) -> Any:
        if isinstance(value, Layer):
            if id(value) in described:
                first = described[id(value)]
                if "shared" not in first:
                    shared.append(id(value))
                    first["shared"] = len(shared)
                return {"shared": first["shared"]}
            data = described[id(value)] = {"layer": _name(type(value))}
            for name, setting in value.config().items():
                data[name] = convert(setting)
            return data
        if isinstance(value, (list, tuple)):
            return [convert(item) for item in value]
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and not isfinite(value):
            raise TypeError(f"a setting of {value} cannot be written to a model file")
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if callable(value):
            return init.name_of(value)
        raise TypeError(
            f"a setting of type {type(value).__name__} cannot be written to a model file: "
            "use numbers, strings, lists or layers"
        )

    return convert(value)


def from_data(data: Any) -> Any:
    """Make the layer that :func:`to_data` described; lists become tuples.

    Raises
    ------
    ModelFileError
        The class of a layer is not known here, or refuses its settings.
    """
    shared: dict[Any, Layer] = {}

    def convert(data: Any) -> Any:
        if isinstance(data, list):
            return tuple(convert(item) for item in data)
        if not isinstance(data, dict):
            return data
        number = data.get("shared")
        if "layer" not in data and number in shared:
            return shared[number]
        settings = {k: convert(v) for k, v in data.items() if k not in ("layer", "shared")}
        layer = _make(data.get("layer"), settings)
        if number is not None:
            shared[number] = layer
        return layer

    return convert(data)


def _name(kind: type[Layer]) -> str:
    """Return the name of a class, by which loading finds it."""
    known = LAYERS.get(kind.__name__, kind)
    if known.__module__ != kind.__module__:
        raise TypeError(
            f"two layer classes are called {kind.__name__}, in {kind.__module__} and in "
            f"{known.__module__}, and model files know layers by their class's name: rename one"
        )
    return kind.__name__


def _make(kind: Any, settings: dict[str, Any]) -> Layer:
    if not isinstance(kind, str) or kind not in LAYERS:
        close = get_close_matches(str(kind), LAYERS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ModelFileError(
            f"there is no layer {kind!r}{hint}: import the module that defines it before loading"
        )
    try:
        return LAYERS[kind].from_config(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"layer {kind!r} refuses its settings {settings}: {error}") from error
