"""Two images in one, and the label of each in proportion.

The partner of an image is the one before it in its batch, that of the first the last. In a shuffled
epoch that is any image; and it is what can be known without looking at other batches.
"""

from dataclasses import dataclass

import numpy as np

from .changes import Changes, Floats
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class MixUp(Step):
    """Blend images with others.

    The share of an image is drawn from Beta(alpha, alpha), and is the larger of the two: in pairs
    of neighbours one image would else now and then be seen twice, and the other not at all.
    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018.

    Parameters
    ----------
    alpha : float
        Near 0 one of the two is hardly seen; 1 makes all shares equally likely.
    probability : float
        Of an image to be blended.
    """

    word = "mixup"
    alpha: float = 0.2
    probability: float = 1.0

    def __post_init__(self) -> None:
        self.need("alpha", 0.01, 100)
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a share for each."""
        u = draw.numbers()
        share = beta_quantile(u[1], self.alpha)
        shares = np.where(u[0] < self.probability, np.maximum(share, 1 - share), 1.0)
        changes.shares = shares if changes.shares is None else shares * changes.shares


@dataclass(frozen=True)
class CutMix(Step):
    """Paste a rectangle of another image, from the same place, into some images.

    Its share of the area is drawn from Beta(alpha, alpha), its middle may be any pixel; what lies
    outside is lost, and the label goes by the area that is left. Source: Yun et al., "CutMix:
    Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.

    Parameters
    ----------
    alpha : float
        1 makes all shares equally likely.
    probability : float
        Of an image to get a rectangle.
    """

    word = "cutmix"
    alpha: float = 1.0
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("alpha", 0.01, 100)
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a size and a place for each."""
        H, W = changes.H, changes.W
        u = draw.numbers()
        side = np.sqrt(beta_quantile(u[1], self.alpha)) * (u[0] < self.probability)
        boxes = np.empty((changes.N, 4), np.int64)
        for k, (length, middle) in enumerate(((H, u[2]), (W, u[3]))):
            begin = np.floor(middle * length) - np.rint(side * length) // 2
            boxes[:, 2 * k] = np.clip(begin, 0, length)
            boxes[:, 2 * k + 1] = np.clip(begin + np.rint(side * length), 0, length)
        changes.boxes = boxes


def beta_quantile(u: Floats, alpha: float) -> Floats:
    """Return the numbers that a share u of Beta(alpha, alpha) lies below.

    By symmetry the half below 1/2 is enough. There the density, x^(alpha-1) (1-x)^(alpha-1), may
    be infinite at 0; but in w = (2x)^alpha it is (1-x)^(alpha-1), which is tame, and integrated by
    the trapezoidal rule.
    """
    w = np.linspace(0, 1, 4097)
    density = (1 - 0.5 * w ** (1 / alpha)) ** (alpha - 1)
    below = np.concatenate([[0], np.cumsum(density[1:] + density[:-1])])
    x: Floats = 0.5 * np.interp(2 * np.minimum(u, 1 - u), below / below[-1], w) ** (1 / alpha)
    return np.where(u < 0.5, x, 1 - x)
