"""What another camera would have seen: blurred, noisy, more or less sharp."""

from dataclasses import dataclass
from math import ceil

from .changes import Changes
from .draw import Draw
from .step import Step


@dataclass(frozen=True)
class Blur(Step):
    """Blur some images by a Gaussian.

    Parameters
    ----------
    sigma : float
        The largest standard deviation, in pixels of the network's input.
    probability : float
        Of an image to be blurred.
    """

    word = "blur"
    sigma: float = 1.0
    probability: float = 0.5

    def __post_init__(self) -> None:
        self.need("sigma", 0, 20, "pixels")
        self.need("probability", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose which images, and a standard deviation for each."""
        u = draw.numbers()
        sigmas = self.sigma * u[1] * (u[0] < self.probability)
        if changes.sigmas is not None:  # two Gaussians are one, whose variance is the sum
            sigmas = (sigmas**2 + changes.sigmas**2) ** 0.5
        changes.sigmas = sigmas
        # By the largest that could be drawn: what happens to an image must not depend on others.
        changes.reach = ceil((changes.reach**2 + (3 * self.sigma) ** 2) ** 0.5)


@dataclass(frozen=True)
class Noise(Step):
    """Add noise, nearly normal, to every value.

    Parameters
    ----------
    levels : float
        The largest standard deviation, where white is 255.
    """

    word = "noise"
    levels: float = 8.0

    def __post_init__(self) -> None:
        self.need("levels", 0, 255)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a standard deviation; the noise itself is drawn where it is added."""
        noise = self.levels * draw.numbers()[0]
        if changes.noise is not None:
            noise = (noise**2 + changes.noise**2) ** 0.5
        changes.noise = noise


@dataclass(frozen=True)
class Sharpness(Step):
    """Sharpen or smooth images: by a factor, of how far each pixel is from the mean around it.

    The mean is of 3 x 3 pixels, the middle one counted five times, as in Pillow's
    ImageEnhance.Sharpness; but at the edges the last pixel repeats, where Pillow leaves it alone.

    Parameters
    ----------
    by : float
        The factor is from ``1 - by`` to ``1 + by``.
    """

    word = "sharpness"
    by: float = 0.5

    def __post_init__(self) -> None:
        self.need("by", 0, 1)

    def draw(self, changes: Changes, draw: Draw) -> None:
        """Choose a factor."""
        changes.sharpen(self.by * draw.signed()[0])
