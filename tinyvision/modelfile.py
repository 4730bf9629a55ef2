"""The model file: one ``.safetensors`` file that predicts on its own.

Beside the weights its header carries, as JSON under the key ``tinyvision``, everything else that turns
an image into an answer: the architecture as data, the input shape, the preprocessing, the labels; and
where the model comes from: metrics, seeds, package version, training record. A checkpoint is a model
file with the state of its training in further tensors (``training/...``), which :func:`load` ignores.

The format is described in ``docs/model-file.md``. It holds no code, and loading runs none.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

from . import __version__
from .errors import ModelFileError
from .files import write_atomically
from .nn.architecture import from_data, to_data
from .nn.layer import Layer

if TYPE_CHECKING:
    from .data.preprocess import Preprocess

FORMAT_VERSION = 1
HEADER = "tinyvision"  # key of the JSON text in the safetensors metadata
TRAINING = "training/"  # prefix of the tensors that only a resumed run needs


@dataclass
class ModelFile:
    """A trained model with all that belongs to it.

    Attributes
    ----------
    model : Layer
        Built, with its weights.
    input_shape : tuple of int
        (H, W, C) of one input.
    labels : tuple of str
        Class names in the order of the outputs.
    preprocess : Preprocess
        How an image becomes an input.
    metrics : dict
        Figures measured when the model was saved, such as {"test": {"accuracy": 0.991}}.
    training : dict
        How it was trained: data set, seeds, epochs, optimiser, history.
    version : str
        The tinyvision version that wrote the file.
    tensors : dict of arrays
        State of an unfinished training run (checkpoints only).
    """

    model: Layer
    input_shape: Shape
    labels: tuple[str, ...]
    preprocess: "Preprocess"
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)


def save(file: ModelFile, path: str | Path) -> None:
    """Write a model file, atomically: a failure leaves the file that was there.

    Raises
    ------
    OSError
        The file cannot be written (no space, no right).
    TypeError
        A layer has a setting that is no plain data.
    """
    from safetensors.numpy import save_file

    header = {
        "format": FORMAT_VERSION,
        "version": file.version,
        "architecture": to_data(file.model),
        "input_shape": list(file.input_shape),
        "labels": list(file.labels),
        "preprocess": file.preprocess.to_dict(),
        "metrics": file.metrics,
        "training": file.training,
    }
    tensors = {f"model/{path}": array for path, array in file.model.state().items()}
    tensors |= {TRAINING + name: array for name, array in file.tensors.items()}
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {HEADER: json.dumps(header, sort_keys=True, allow_nan=False)}
    write_atomically(Path(path), lambda target: save_file(tensors, target, metadata))


def load(path: str | Path, *, with_training: bool = False) -> ModelFile:
    """Read a model file and build its model on the backend in force.

    Parameters
    ----------
    path : path
        A file written by :func:`save`, by this version of tinyvision or an older one.
    with_training : bool
        Also read the state of an unfinished run into ``tensors``.

    Raises
    ------
    ModelFileError
        The file is missing, cut short, no tinyvision model, of a newer format, or inconsistent.
    """
    header, tensors = read(Path(path), with_training=with_training)
    try:
        return _assemble(header, tensors)
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: the header does not fit the format: {error!r}") from error


def read(path: Path, *, with_training: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the header and the tensors of a model file, without building anything."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"there is no model file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = [n for n in file.keys() if with_training or not n.startswith(TRAINING)]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, EOFError) as error:
        raise ModelFileError(f"{path} is no safetensors file, or was cut short: {error}") from error
    if HEADER not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file but no tinyvision model: its metadata has no {HEADER!r}"
        )
    try:
        header = json.loads(metadata[HEADER])
        written_as = int(header["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: the {HEADER!r} header is damaged: {error!r}") from error
    if written_as > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {written_as}, this tinyvision {__version__} reads up to "
            f"{FORMAT_VERSION}: upgrade tinyvision"
        )
    return header, tensors


def _assemble(header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ModelFile:
    from .data.preprocess import Preprocess

    model = from_data(header["architecture"])
    if not isinstance(model, Layer):
        raise ModelFileError("the architecture is no layer")
    input_shape = tuple(int(n) for n in header["input_shape"])
    model.build(input_shape)
    model.load_state(_under("model/", tensors))
    model.eval()
    return ModelFile(
        model=model,
        input_shape=input_shape,
        labels=tuple(header["labels"]),
        preprocess=Preprocess.from_dict(header["preprocess"]),
        metrics=header.get("metrics", {}),
        training=header.get("training", {}),
        version=header.get("version", "unknown"),
        tensors=_under(TRAINING, tensors),
    )


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}
