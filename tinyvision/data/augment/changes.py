"""What has been drawn for the images of a batch, in plain numbers.

Whatever the order of the steps, it is done in this order, once it is settled which part of its
picture an image shows (``resized_crop.py``): blur, noise; levels, sharpness; flips,
crop; the affine map; colour; holes; mixing. Blur and noise are the camera's, of its lens and its
sensor. Levels and sharpness are the darkroom's: they take up what the camera gave, whole and as
bytes, so that a histogram counts all of the picture and nothing else. And flips and whole-pixel
moves need no interpolation, so that images with no other change of place stay as sharp as they
were.
"""

import numpy as np
from numpy.typing import NDArray

from tinyvision_kernels.contract.retouch import LOOK_UP

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Levels = NDArray[np.uint8]


class Changes:
    """Changes of N images of (H, W, C) bytes: none at first.

    Attributes
    ----------
    flipped : bool (N,)
        Left and right exchanged.
    upended : bool (N,)
        Top and bottom exchanged.
    down, right : int64 (N,)
        Then moved by whole pixels.
    place : float64 (N, 3, 3) or None
        Which place, (row, column, 1) from the middle of the image so far, each place shows.
    colour : float64 (N, C, C+1) or None
        A beside t: the colour p, in levels of 0 to 255, becomes A p + t.
    holes : list of int64 (N, 4)
        Rectangles (top, bottom, left, right) without a picture.
    sigmas : float64 (N,) or None
        Standard deviations of a blur, in pixels; ``reach`` (int) is how far it looks.
    noise : float64 (N,) or None
        Standard deviations of noise, in levels.
    tones : list of (int64 (N,), uint8 (N, 256))
        What the levels of an image are exchanged for, turn after turn: the kind, of those that the
        kernel ``retone_images`` knows, and where that is LOOK_UP, a table.
    sharpness : float64 (N,) or None
        How far images go away from what is smooth, in units of how far they are: -1 leaves that.
    shares : float64 (N,) or None
        Of the image itself in a blend with its partner.
    boxes : int64 (N, 4) or None
        Where the partner alone is seen.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        N, self.H, self.W, self.C = shape
        self.N = N
        self.flipped, self.upended = np.zeros(N, np.bool_), np.zeros(N, np.bool_)
        self.down, self.right = np.zeros(N, np.int64), np.zeros(N, np.int64)
        self.place: Floats | None = None
        self.colour: Floats | None = None
        self.holes: list[Whole] = []
        self.sigmas: Floats | None = None
        self.reach = 0
        self.noise: Floats | None = None
        self.tones: list[tuple[Whole, Levels]] = []
        self.sharpness: Floats | None = None
        self.shares: Floats | None = None
        self.boxes: Whole | None = None

    def move(self, maps: Floats) -> None:
        """Show the image so far through ``maps`` (N, 3, 3), which lead from what is seen to it."""
        self.place = maps if self.place is None else self.place @ maps

    def recolour(self, A: Floats, t: Floats | float = 0.0) -> None:
        """Turn each colour p so far into A p + t; A (N, C, C), t one number or (N, 1)."""
        new = np.zeros((self.N, self.C, self.C + 1))
        new[:, :, : self.C] = A
        if self.colour is not None:
            new = A @ self.colour  # A (B p + s) + t = (A B) p + A s + t
        new[:, :, self.C] += t
        self.colour = new

    def retone(self, kinds: Whole, tables: Levels | None = None) -> None:
        """Exchange the levels so far for others; kinds (N,), tables (N, 256) for LOOK_UP."""
        none = np.zeros((self.N, 256), np.uint8)
        self.tones.append((kinds, none if tables is None else tables))

    def look_up(self, chosen: NDArray[np.bool_], tables: Levels) -> None:
        """Look the levels so far of the images chosen (N,) up in tables (N, 256)."""
        self.retone(chosen * LOOK_UP, tables)

    def sharpen(self, amounts: Floats) -> None:
        """Take images further away from what is smooth, by amounts (N,), which add up."""
        self.sharpness = amounts if self.sharpness is None else self.sharpness + amounts

    def mixed(self) -> bool:
        """Whether images are mixed with others, and their labels too."""
        return self.shares is not None or self.boxes is not None
