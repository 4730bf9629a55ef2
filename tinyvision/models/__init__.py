"""Known networks: functions ``(input_shape, classes) -> Sequential`` of about 30 lines each."""

import inspect
from collections.abc import Callable

from tinyvision_kernels.contract import Shape

from ..errors import UnknownNameError
from ..nn import Sequential
from .lenet5 import lenet5
from .mlp import mlp
from .resnet20 import resnet20
from .small_cnn import small_cnn
from .vgg_small import vgg_small

__all__ = [
    "MODELS",
    "about",
    "create",
    "lenet5",
    "mlp",
    "names",
    "resnet20",
    "small_cnn",
    "vgg_small",
]

MODELS: dict[str, Callable[[Shape, int], Sequential]] = {
    "mlp": mlp,
    "lenet5": lenet5,
    "small_cnn": small_cnn,
    "vgg_small": vgg_small,
    "resnet20": resnet20,
}


def names() -> list[str]:
    """List the models that :func:`create` knows."""
    return list(MODELS)


def about(name: str) -> str:
    """Return one sentence on a model: the first line of its file."""
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    text = inspect.getdoc(inspect.getmodule(MODELS[name])) or ""
    return text.partition("\n")[0]


def create(name: str, input_shape: Shape, classes: int, seed: int = 0) -> Sequential:
    """Make a model with initial weights.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    input_shape : (int, int, int)
        Height, width and channels of the images.
    classes : int
        Number of answers; at least 2.
    seed : int
        Seed of the initial weights: the same seed gives the same model.

    Raises
    ------
    UnknownNameError
        There is no model of that name; the message says which one is nearest.
    ShapeError
        The images are too small for the model.
    ValueError
        There is only one class.
    """
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    if classes < 2:
        raise ValueError(f"a classifier needs at least 2 classes, got {classes}")
    model = MODELS[name](input_shape, classes)
    model.build(input_shape, seed=seed)
    return model
