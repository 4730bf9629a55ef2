"""Doubtful labels: the images about which a trained model is most sure that they are wrong."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .finding import Finding
from .judge import Judge
from .seen import Seen

_BATCH = 64
MOST = 10  # of a class


class Doubts:
    """The images of each class with the highest loss that the model takes for another class.

    The loss of an image is -log p, with p the probability that the model gives to its label. A
    model doubts little of what it has learnt by heart, so one trained on other images sees more.

    Parameters
    ----------
    judge : Judge
    most : int
        Findings of each class.
    """

    def __init__(self, judge: Judge, most: int = MOST) -> None:
        self._judge, self._most = judge, most
        self._doubts: dict[str, list[tuple[float, Finding]]] = {}  # by class, highest loss first
        self._images: list[Seen] = []
        self._pictures: list[NDArray[np.uint8]] = []

    def add(self, image: Seen, picture: NDArray[np.uint8]) -> None:
        """Take an image of a class that the judge knows, and its pixels as the judge wants them."""
        self._images.append(image)
        self._pictures.append(picture)
        if len(self._images) == _BATCH:
            self._ask()

    def findings(self, classes: Iterable[str]) -> list[Finding]:
        """Return what was found, class by class in that order."""
        if self._images:
            self._ask()
        order = dict.fromkeys(classes)
        return [finding for label in order for _, finding in self._doubts.get(label, [])]

    def _ask(self) -> None:
        judge, labels = self._judge, [image.place.label for image in self._images]
        numbers = np.array([judge.classes.index(label) for label in labels])
        pixels = np.stack(self._pictures)  # (N, H, W, C)
        p = np.asarray(judge.probabilities(pixels), np.float64)  # (N, K)
        own, says = p[np.arange(len(p)), numbers], p.argmax(axis=1)
        for image, mine, guess, sure in zip(self._images, own, says, p.max(axis=1), strict=True):
            label = image.place.label
            if judge.classes[guess] == label:
                continue
            loss = float(-np.log(max(mine, np.finfo(np.float32).tiny)))
            reason = (
                f"it is labelled {label!r}; the model says {judge.classes[guess]!r} "
                f"{sure:.2f}, {label!r} {mine:.2f}"
            )
            finding = Finding("doubtful label", "warn", image.place, reason, sha256=image.sha256)
            of_class = self._doubts.setdefault(label, [])
            of_class.append((loss, finding))
            of_class.sort(key=lambda pair: -pair[0])  # stable: of equals the first
            del of_class[self._most :]
        self._images, self._pictures = [], []
