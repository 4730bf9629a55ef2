"""tinyvision: a from-scratch neural-network engine for image recognition.

``import tinyvision as tv`` is all a program needs. The parts are loaded when they are first used
(PEP 562), so the import itself is quick and needs no optional library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Where each public name lives. The imports below say the same to type checkers and editors; a test
# holds the two equal.
_HOME = {
    "Tensor": "tensor",
    "no_grad": "tape",
    "gradcheck": "gradient_check",
    "Backend": "backend",
    "backends": "backend",
    "use": "backend",
    "using": "backend",
    "concat": "functional",
    "maximum": "functional",
    "minimum": "functional",
    "stack": "functional",
    "where": "functional",
    "ModelFile": "modelfile",
    "load": "modelfile",
    "save": "modelfile",
    "predict": "inference",
    "Plan": "plan",
    "compile": "plan",
    "seed": "random",
    "TinyvisionError": "errors",
}
_PARTS = ("data", "functional", "metrics", "models", "nn", "optim", "schedules", "train")

if TYPE_CHECKING:
    from . import data, functional, metrics, models, nn, optim, schedules, train
    from .backend import Backend, backends, use, using
    from .errors import TinyvisionError
    from .functional import concat, maximum, minimum, stack, where
    from .gradient_check import gradcheck
    from .inference import predict
    from .modelfile import ModelFile, load, save
    from .plan import Plan, compile
    from .random import seed
    from .tape import no_grad
    from .tensor import Tensor

__all__ = [
    "Backend",
    "ModelFile",
    "Plan",
    "Tensor",
    "TinyvisionError",
    "__version__",
    "backends",
    "compile",
    "concat",
    "data",
    "functional",
    "gradcheck",
    "load",
    "maximum",
    "metrics",
    "minimum",
    "models",
    "nn",
    "no_grad",
    "optim",
    "predict",
    "save",
    "schedules",
    "seed",
    "stack",
    "train",
    "use",
    "using",
    "where",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value  # found without a detour from now on
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
