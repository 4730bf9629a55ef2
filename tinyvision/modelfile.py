"""The model file: one ``.safetensors`` file that predicts on its own.

Beside the weights its header carries, as JSON under the key ``tinyvision``, everything else that
turns an image into an answer: the architecture as data, the input shape, the preprocessing, the
labels; and where the model comes from: metrics, seeds, package version, training record. A
checkpoint is a model file with the state of its training in further tensors (``training/...``),
which :func:`load` reads on request alone.

The format is described in ``docs/model-file.md``. It holds no code, and loading runs none.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract import Shape

from . import __version__
from .errors import ModelFileError, TinyvisionError
from .files import write_atomically
from .nn.architecture import from_data, to_data
from .nn.layer import Layer

if TYPE_CHECKING:
    from .data.preprocess import Preprocess

FORMAT_VERSION = 1
HEADER = "tinyvision"  # key of the JSON text in the safetensors metadata
MODEL = "model/"  # prefix of the model's tensors
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

    JSON has no NaN and no infinity: such a figure in ``metrics`` or ``training`` becomes null.

    Raises
    ------
    OSError
        The file cannot be written (no space, no right).
    TypeError
        A setting of a layer, a figure or a record is no plain data.
    ValueError
        The model is not built, or its parts do not fit together.
    """
    from safetensors.numpy import save as to_bytes

    if not file.model.built:
        raise ValueError("the model has no weights to save yet: build it first, model.build(shape)")
    _check(file)
    header = {
        "format": FORMAT_VERSION,
        "version": file.version,
        "architecture": to_data(file.model),
        "input_shape": list(file.input_shape),
        "labels": list(file.labels),
        "preprocess": file.preprocess.to_dict(),
        "metrics": to_plain(file.metrics),
        "training": to_plain(file.training),
    }
    tensors = {f"{MODEL}{name}": array for name, array in file.model.state().items()}
    tensors |= {f"{TRAINING}{name}": array for name, array in file.tensors.items()}
    tensors = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    metadata = {HEADER: json.dumps(header, sort_keys=True, allow_nan=False)}
    write_atomically(Path(path), to_bytes(tensors, metadata))


def load(path: str | Path, *, with_training: bool = False) -> ModelFile:
    """Read a model file and build its model, in inference mode, on the backend in force.

    The weights are float32, the type in which images are prepared, however they were saved.

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
    except KeyError as error:
        raise ModelFileError(f"{path}: the header has no {error}") from error
    except (TinyvisionError, ValueError) as error:
        raise ModelFileError(f"{path}: {error}") from error
    except MemoryError as error:
        raise ModelFileError(f"{path}: its model does not fit into memory: {error}") from error
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelFileError(f"{path}: the header does not fit the format: {error}") from error


def read(path: Path, *, with_training: bool) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the header and the tensors of a model file, without building anything."""
    from safetensors import SafetensorError, safe_open

    try:
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder, not a model file")
        if not path.is_file():
            raise ModelFileError(f"there is no model file {path}")
        with safe_open(path, framework="numpy") as file:
            header = _header(path, file.metadata() or {})  # a stranger's tensors are not read
            names = [n for n in file.keys() if with_training or not n.startswith(TRAINING)]  # noqa: SIM118
            return header, {name: _tensor(path, file, name) for name in names}
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise ModelFileError(f"{path} is no safetensors file, or was cut short: {error}") from error


def _tensor(path: Path, file: Any, name: str) -> NDArray[Any]:
    try:
        return np.asarray(file.get_tensor(name))
    except (TypeError, AttributeError) as error:  # eight-bit floats, for example, which NumPy lacks
        raise ModelFileError(f"{path}: tensor {name!r} cannot be read: {error}") from error


def _header(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    if HEADER not in metadata:
        raise ModelFileError(
            f"{path} is a safetensors file but no tinyvision model: its metadata has no {HEADER!r}"
        )
    try:
        header = json.loads(metadata[HEADER])
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path}: the {HEADER!r} header is damaged: {error}") from error
    written_as = header.get("format") if isinstance(header, dict) else None
    if type(written_as) is not int or written_as < 1:
        raise ModelFileError(f"{path}: the {HEADER!r} header names no format it was written in")
    if written_as > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format {written_as}, this tinyvision {__version__} reads up to "
            f"{FORMAT_VERSION}: upgrade tinyvision"
        )
    return dict(header)


def _assemble(header: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> ModelFile:
    from .data.preprocess import Preprocess

    model = from_data(header["architecture"])
    if not isinstance(model, Layer):
        raise ModelFileError("the architecture is no layer")
    labels = header["labels"]
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ModelFileError(f"the labels must be a list of names, they are {labels!r}")
    file = ModelFile(
        model=model,
        input_shape=tuple(header["input_shape"]),
        labels=tuple(labels),
        preprocess=Preprocess.from_dict(header["preprocess"]),
        metrics=dict(header.get("metrics", {})),
        training=dict(header.get("training", {})),
        version=str(header.get("version", "unknown")),
        tensors=_under(TRAINING, tensors),
    )
    _check(file)
    model.load_state(_under(MODEL, tensors))
    model.eval()
    return file


def _check(file: ModelFile) -> None:
    """Build the model where it is not; refuse what does not fit it: preprocessing or labels."""
    prepared = (*file.preprocess.size, file.preprocess.channels)
    if tuple(file.input_shape) != prepared:
        raise ModelFileError(
            f"the model takes images of shape {file.input_shape}, the preprocessing makes "
            f"{prepared}: the two must be equal"
        )
    outputs = file.model.build(file.input_shape)  # runs it once: it takes such images
    if file.labels and (len(file.labels),) != outputs:
        raise ModelFileError(
            f"the file names {len(file.labels)} labels, but the model has "
            f"{' x '.join(map(str, outputs))} outputs"
        )
    twice = sorted({label for label in file.labels if file.labels.count(label) > 1})
    if twice:
        raise ModelFileError(f"the label {twice[0]!r} is used more than once")


def _under(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {n.removeprefix(prefix): a for n, a in tensors.items() if n.startswith(prefix)}


def to_plain(value: Any) -> Any:
    """Turn records and figures into what JSON knows; NumPy's numbers become Python's."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
