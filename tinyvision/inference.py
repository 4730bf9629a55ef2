"""Using a trained model: images in, labelled probabilities out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .data import Dataset, Judge
from .errors import DataError
from .functional import softmax
from .modelfile import ModelFile
from .plan import Forward
from .tape import no_grad


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image.

    Attributes
    ----------
    path : str
    label : str
        The most probable class.
    probability : float
        Of that class, in [0, 1].
    top : tuple of (label, probability)
        The most probable classes, best first.
    """

    path: str
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


def probabilities(
    file: ModelFile, x: NDArray[np.float32], forward: Forward | None = None
) -> NDArray[np.float32]:
    """Return class probabilities (N, K) of preprocessed images (N, H, W, C).

    ``forward``, made of the file's model, saves to make one for each call.
    """
    forward = forward or Forward(file.model)
    with no_grad():
        return softmax(forward(x)).numpy()


def predict(
    file: ModelFile, paths: Iterable[str | Path], *, top: int = 3, eager: bool = False
) -> Iterator[Prediction | DataError]:
    """Predict image files one by one; a file that is no image yields its error instead.

    Parameters
    ----------
    file : ModelFile
        From :func:`tinyvision.modelfile.load`; its preprocessing is applied to each image.
    paths : iterable of paths
    top : int
        How many classes to list, 1 or more.
    eager : bool
        Whether to run the layers one by one instead of by a plan.
    """
    if top < 1:
        raise ValueError(f"top must be at least 1, got {top}")
    labels, forward = file.labels, Forward(file.model, eager=eager)
    for path in paths:
        try:
            image = file.preprocess.file(Path(path))
        except DataError as error:
            yield error
            continue
        scores = probabilities(file, image[None], forward)[0]  # (H, W, C) -> (1, H, W, C)
        best = np.argsort(-scores, kind="stable")[:top]
        # a file need not name its classes: then their numbers stand for them
        ranking = tuple((labels[i] if labels else str(i), float(scores[i])) for i in best)
        yield Prediction(str(path), *ranking[0], ranking)


def judge(file: ModelFile) -> Judge:
    """Make of a trained model the judge that :func:`tinyvision.data.survey` asks about labels.

    Raises
    ------
    DataError
        The file does not name its classes.
    """
    if not file.labels:
        raise DataError(
            "The model file does not name its classes, so it cannot judge labels; save it with "
            "ModelFile(..., labels=...)."
        )
    prepare, forward = file.preprocess, Forward(file.model)

    def of(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return probabilities(file, prepare.batch(images), forward)

    return Judge(file.labels, prepare.size, prepare.channels, prepare.fit, of)


def align_labels(file: ModelFile, dataset: Dataset) -> Dataset:
    """Renumber a data set's labels in the order of the model's classes, matched by name.

    Raises
    ------
    DataError
        The data set has a class that the model does not know.
    """
    if not file.labels:
        return dataset
    if dataset.classes == file.labels:
        return dataset
    unknown = [name for name in dataset.classes if name not in file.labels]
    if unknown:
        raise DataError(
            f"{dataset.name}: the model knows the classes {', '.join(file.labels)}, "
            f"not {', '.join(unknown)}: evaluate it on data with its own classes"
        )
    numbers = np.array([file.labels.index(name) for name in dataset.classes], np.int64)
    return Dataset(dataset.images, numbers[dataset.labels], file.labels, dataset.name)
