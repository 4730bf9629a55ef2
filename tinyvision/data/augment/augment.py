"""Some steps of augmentation, to be written and read as words: ``flip,crop=4,cutout=8``."""

from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ...backend import host_kernels
from ...errors import DataError
from ..preprocess import Preprocess, float_type
from ..views import Views, cut_views
from .apply import apply, mix
from .changes import Changes
from .draw import Draw
from .edges import EDGES
from .resized_crop import ResizedCrop
from .step import STEPS, Step

# Words for what is usual. They are read only: what is written are the steps they stood for.
PRESETS = {
    "cifar": "alternating-flip,crop=4,cutout=8",
    "digits": "shift=0.08,rotate=10,scale=0.1,shear=8,edge=repeat",
    "photos": (
        "flip,shift=0.1,rotate=10,scale=0.2,brightness=0.2,contrast=0.2,saturation=0.2,hue=10"
    ),
}

Targets = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class Augment:
    """Changes images at random on their way to the network, in another way each epoch.

    What happens to an image is a function of seed, epoch and its place in the epoch: the same for
    any number of workers, any size of batch, and after a resume. Only MixUp and CutMix look beyond
    it, at the image before it in the batch.

    Whatever the order of the steps, images are blurred and made noisy first, then their levels are
    exchanged, and they are sharpened; then they are flipped and moved, then turned, scaled, sheared
    and shifted in one map, then coloured, then cut, then mixed. Maps and levels of one kind follow
    the order of the steps.

    Parameters
    ----------
    steps : tuple of Step
        From :mod:`tinyvision.data.augment`.
    edge : {"mirror", "repeat", "mean"}
        What is seen beyond an image's edge: the image again, mirrored; its last pixels; or the mean
        colour of the images that the preprocessing was measured on.

    Raises
    ------
    DataError
        Something that is no step, or no edge.

    Examples
    --------
    ::

        augment = Augment.parse("flip,crop=4,cutout=8")
        batches = Batches(train, preprocess, 128, shuffle=True, augment=augment)
    """

    steps: tuple[Step, ...] = ()
    edge: str = "mirror"

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            if not isinstance(step, Step):
                raise DataError(
                    f"Augment takes steps such as Flip() or Crop(4), got {step!r}; for words there "
                    "is Augment.parse."
                )
        if sum(isinstance(step, ResizedCrop) for step in self.steps) > 1:
            raise DataError("Augment: a picture has one part that is seen; give one resized-crop.")
        if self.edge not in EDGES:
            raise DataError(f"Augment: edge must be one of {', '.join(EDGES)}, got {self.edge!r}.")

    @classmethod
    def parse(cls, words: str) -> "Augment":
        """Read steps as words: ``flip,crop=4,erase=0.5:0.02:0.2,edge=mean``, or a preset.

        Each word is a step's, with its settings in their order, or ``edge``, or one of ``cifar``,
        ``digits`` and ``photos``. ``str`` writes them.

        Raises
        ------
        DataError
            A word that is not known, or a setting out of its range.
        """
        steps: list[Step] = []
        edge = cls.edge
        for given in words.split(","):
            word, _, values = given.strip().partition("=")
            if word in PRESETS and not values:
                known = cls.parse(PRESETS[word])
                steps += known.steps
                edge = known.edge
            elif word == "edge":
                edge = values
            else:
                steps.append(_step(word, values.split(":") if values else []))
        return cls(tuple(steps), edge)

    def __str__(self) -> str:
        # Defaults too: what a model file holds must not change with them.
        return ",".join([*map(str, self.steps), f"edge={self.edge}"])

    def views(
        self, places: NDArray[np.int64], *, seed: int = 0, epoch: int = 0, kernels: Any = None
    ) -> Views | None:
        """Return which part of its picture each image shows (N, 4); None for all of it.

        Parameters
        ----------
        places, seed, epoch, kernels
            As for :meth:`batch`.
        """
        draw = Draw(kernels or host_kernels(), seed, epoch, places, places)
        for i, step in enumerate(self.steps):
            if isinstance(step, ResizedCrop):
                return step.views(replace(draw, purpose=f"augment {i} {step.word}"))
        return None

    def batch(
        self,
        images: NDArray[np.uint8],
        labels: Targets,
        preprocess: Preprocess,
        *,
        classes: int,
        seed: int = 0,
        epoch: int = 0,
        places: NDArray[np.int64] | None = None,
        ids: NDArray[np.int64] | None = None,
        kernels: Any = None,
        dtype: DTypeLike = np.float32,
        cut: bool = False,
    ) -> tuple[NDArray[Any], Targets]:
        """Turn images and labels into the network's input and what it should say.

        Parameters
        ----------
        images : ndarray of uint8, shape (N, H, W, C)
        labels : ndarray, int64 of shape (N,) or float32 of shape (N, K)
        preprocess : Preprocess
        classes : int
            K.
        seed, epoch : int
        places : ndarray of int64, shape (N,), optional
            Where in the epoch the images stand; from 0 on by default.
        ids : ndarray of int64, shape (N,), optional
            Which images they are; by default as ``places``.
        kernels : optional
            Of a backend whose arrays are NumPy's; by default those of the one in force, or of the
            best that works on the host.
        dtype : {"float32", "bfloat16"}
            Of the network's input; bfloat16 is what float32 would be, rounded once.
        cut : bool
            The images are those parts of their pictures already that :meth:`views` tells.

        Returns
        -------
        x : ndarray of ``dtype``, shape (N, *preprocess.size, C)
        targets : ndarray
            The labels, or where images are mixed, float32 (N, K): the share of each class.

        Raises
        ------
        DataError
            Images of another type, rank or channel count than ``preprocess`` takes; another dtype.
        """
        one = float_type(dtype)
        kernels = kernels or host_kernels()
        places = np.arange(len(images)) if places is None else np.asarray(places, np.int64)
        ids = places if ids is None else np.asarray(ids, np.int64)
        views = None if cut else self.views(places, seed=seed, epoch=epoch, kernels=kernels)
        if views is not None:
            preprocess.check(images)
            images = cut_views(images, views, preprocess.size, kernels)
        images = preprocess.fitted(images)
        draw = Draw(kernels, seed, epoch, places, ids)
        changes = self.changes(images.shape, draw)
        mixing = changes.mixed() and len(images) > 0
        single = np.dtype(np.float32) if mixing else one
        x = apply(images, changes, draw, preprocess, self.edge, single)
        if not mixing:
            return x, labels
        if labels.ndim == 1:
            shares = np.zeros((len(x), classes), np.float32)
            shares[np.arange(len(x)), labels] = 1
        else:
            shares = labels.astype(np.float32)
        return mix(x, shares, changes, draw.kernels, one)

    def rehearse(
        self, count: int, shape: tuple[int, ...], classes: int
    ) -> tuple[NDArray[Any], Targets]:
        """Return a batch of so many black images (H, W, C), changed by the kernels in force.

        What is compiled for these images serves any others.
        """
        H, W, C = shape
        images, labels = np.zeros((count, H, W, C), np.uint8), np.zeros(count, np.int64)
        return self.batch(images, labels, Preprocess((H, W), C), classes=classes)

    def changes(self, shape: tuple[int, ...], draw: Draw) -> Changes:
        """Have all steps draw for images of this shape (N, H, W, C)."""
        N, H, W, C = shape
        changes = Changes((N, H, W, C))
        for i, step in enumerate(self.steps):
            # The number tells steps of one kind apart, which would else all draw the same.
            step.draw(changes, replace(draw, purpose=f"augment {i} {step.word}"))
        return changes


def _step(word: str, values: list[str]) -> Step:
    if word not in STEPS:
        known = [*STEPS, *PRESETS, "edge"]
        close = get_close_matches(word, known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise DataError(f"There is no augmentation {word!r}{hint} (known: {', '.join(known)}).")
    names = [f.name for f in fields(STEPS[word])]
    if len(values) > len(names):
        takes = f"settings {', '.join(names)}" if names else "no settings"
        raise DataError(f"{word} takes {takes}, got {':'.join(values)!r}.")
    return STEPS[word](**{name: _number(word, v) for name, v in zip(names, values, strict=False)})


def _number(word: str, value: str) -> float:
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    raise DataError(f"{word} takes numbers, got {value!r}.")
