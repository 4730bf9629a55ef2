"""The built-in set: ten classes of coloured shapes, drawn on the spot, no download.

Only the outline tells the class. Colours, background, place, size and angle are drawn at random, in
the same way for all classes.
"""

from math import pi, prod

import numpy as np
from numpy.typing import NDArray

from ... import random
from ...errors import DataError
from ..dataset import Dataset
from .outlines import OUTLINES, Floats

CLASSES = tuple(OUTLINES)

MIN_SIDE = 8  # pixels; below, the shapes cannot be told apart
BLOCK_PIXELS = 1 << 17  # images are drawn in blocks of this many pixels, which fit the cache

# With these ranges a small network learns the set to 99 % within a minute. Smaller shapes at any
# angle would take it several times longer.
RADIUS = (0.30, 0.45)  # of the circle around the shape, as a share of the shorter side
TILT = 20 / 180 * pi  # radians to either side
ROAM = 0.8  # the share of the free room around the shape's circle that its place varies over
CONTRAST = (0.30, 0.55)  # difference in brightness between shape and background
LIGHT = (0.10, 0.92)  # black and white leave no room for colour
VIVIDNESS = (0.35, 1.0)  # 0 is grey, 1 the purest colour of that brightness
SLOPE = 0.16  # how much the brightness may change across the picture
SHADOW = 0.35  # how much darker the background may be right beside the shape
SHADOW_WIDTH = 0.036  # distance at which the shadow is e times weaker, in shorter sides
NOISE = 10.0  # grey levels from the darkest to the brightest noise

# Two colour directions that keep the brightness, which is what Pillow's mode L holds:
# 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601).
BLUE_YELLOW = np.array([-0.114 / 0.886, -0.114 / 0.886, 1.0], np.float32)
RED_GREEN = np.array([1.0, -0.299 / 0.587, 0.0], np.float32)


def make_shapes(n: int, size: int | tuple[int, int] = 32, seed: int = 0) -> Dataset:
    """Draw ``n`` images of coloured shapes.

    Image ``i`` depends on (seed, i, size) alone: a longer set begins with the images of a shorter
    one. Every ten images in a row hold each class once.

    Parameters
    ----------
    n : int
        Number of images.
    size : int or (H, W)
        Pixels per side, at least 8.
    seed : int
        Another seed gives other images.

    Returns
    -------
    Dataset
        Images uint8 (n, H, W, 3), classes :data:`CLASSES`.

    Raises
    ------
    DataError
        A negative number of images, or a side of fewer than 8 pixels.
    """
    H, W = (size, size) if isinstance(size, int) else size
    if n < 0 or min(H, W) < MIN_SIDE:
        raise DataError(
            f"shapes: {n} images of {H} x {W} pixels cannot be drawn; "
            f"ask for 0 images or more and sides of at least {MIN_SIDE} pixels."
        )
    labels = _labels(n, seed)
    draws = random.uniform((n, 13), seed, "shapes").astype(np.float32)
    images = np.empty((n, H, W, 3), np.uint8)
    block = max(1, BLOCK_PIXELS // (H * W))
    for step, start in enumerate(range(0, n, block)):
        part = slice(start, start + block)
        pictures = _draw(labels[part], draws[part].T, H, W)
        noise = _noise((len(pictures), H, W, 3), seed, step)
        images[part] = (pictures * 255 + noise).clip(0, 255).round()
    return Dataset(images, labels, CLASSES, "shapes")


def _labels(n: int, seed: int) -> NDArray[np.int64]:
    """Shape (n,): the classes in random order, again and again."""
    rounds = -(-n // len(CLASSES))  # ceiling
    keys = random.bits((rounds, len(CLASSES)), seed, "shapes classes")
    # (rounds, 10) -> (10 * rounds,)
    return np.argsort(keys, axis=1, kind="stable").reshape(-1)[:n].astype(np.int64)


def _noise(shape: tuple[int, int, int, int], seed: int, step: int) -> Floats:
    """Uniform noise of NOISE grey levels around zero; each random byte makes one number."""
    count = prod(shape)
    words = random.bits(-(-count // 4), seed, "shapes noise", step)
    octets = words.astype("<u4", copy=False).view(np.uint8)[:count]  # in one order everywhere
    return (octets.reshape(shape) - np.float32(127.5)) * (NOISE / 255)


def _draw(labels: NDArray[np.int64], draws: Floats, H: int, W: int) -> Floats:
    """Draw one block of images, (N, H, W, 3), most values within 0..1.

    ``draws`` holds the random numbers, (13, N): one row for each property below. Lengths are in
    shorter sides, so that a picture looks the same at any size.
    """
    size, top, left, tilt, light, contrast = draws[:6]
    back_hue, back_vivid, shape_hue, shape_vivid, sun, slope, shade = draws[6:]
    short = min(H, W)
    height, width = H / short, W / short
    y = (np.arange(H, dtype=np.float32) + 0.5) / short  # (H,), centres of the pixels
    x = (np.arange(W, dtype=np.float32) + 0.5) / short  # (W,)

    radius = _between(size, RADIUS)
    center_y = height / 2 + (top - 0.5) * (height - 2 * radius) * ROAM
    center_x = width / 2 + (left - 0.5) * (width - 2 * radius) * ROAM
    dy = y - center_y[:, None]  # (N, H)
    dx = x - center_x[:, None]  # (N, W)
    distance = _distance(labels, dx, dy, radius, _between(tilt, (-TILT, TILT)))  # (N, H, W)

    # What leaves 0..1 on top comes in at the bottom, no less far away: half the shapes are darker.
    other = (light + _between(contrast, CONTRAST)) % 1
    back = _colour(light, back_hue, back_vivid)[:, None, None, :]  # (N, 1, 1, 3)
    shape = _colour(other, shape_hue, shape_vivid)[:, None, None, :]

    # Light falls on the picture from one side, and the shape leaves a soft shadow around itself.
    from_left = np.cos(sun * (2 * pi))[:, None] * (x - width / 2)  # (N, W)
    from_top = np.sin(sun * (2 * pi))[:, None] * (y - height / 2)  # (N, H)
    ramp = (from_left[:, None, :] + from_top[:, :, None]) * _column(slope * SLOPE)  # (N, H, W)
    shadow = np.exp(np.abs(distance) * (-1 / SHADOW_WIDTH)) * _column(shade * SHADOW)
    ground = back * (1 - shadow)[..., None]  # (N, H, W, 3)

    # Distance in pixels, clipped, is the share of a pixel that the shape covers: smooth edges.
    cover = np.clip(0.5 - distance * short, 0, 1)[..., None]  # (N, H, W, 1)
    picture: Floats = ground + (shape - ground) * cover + ramp[..., None]
    return picture


def _distance(
    labels: NDArray[np.int64], dx: Floats, dy: Floats, radius: Floats, angle: Floats
) -> Floats:
    """Signed distance of every pixel from its picture's outline, (N, H, W)."""
    # To the shape's own frame: turn, and scale its circle to radius 1.
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius  # (N,)
    u = (dx * cos[:, None])[:, None, :] + (dy * sin[:, None])[:, :, None]  # (N, H, W)
    v = (dy * cos[:, None])[:, :, None] - (dx * sin[:, None])[:, None, :]
    distance = np.empty_like(u)
    for label in np.unique(labels):
        chosen = labels == label
        distance[chosen] = OUTLINES[CLASSES[label]](u[chosen], v[chosen])
    distance *= _column(radius)
    return distance


def _colour(light: Floats, hue: Floats, vividness: Floats) -> Floats:
    """Return colours of given brightness, (N, 3): walk from grey towards a hue, inside 0..1.

    Brightness is kept, so that a shape stands out in colour and in grey pictures alike.
    """
    turn = hue[:, None] * (2 * pi)
    direction = np.cos(turn) * BLUE_YELLOW + np.sin(turn) * RED_GREEN  # (N, 3), brightness 0
    grey = _between(light, LIGHT)[:, None]
    # How far each channel can go before it leaves 0..1; the nearest wall counts.
    wall = np.where(direction > 0, 1 - grey, grey) / np.maximum(np.abs(direction), 1e-6)
    reach = wall.min(axis=1, keepdims=True)
    colour: Floats = grey + direction * reach * _between(vividness, VIVIDNESS)[:, None]
    return colour


def _between(u: Floats, bounds: tuple[float, float]) -> Floats:
    """Map 0..1 to ``bounds``."""
    low, high = bounds
    return low + u * (high - low)


def _column(values: Floats) -> Floats:
    """(N,) -> (N, 1, 1), to meet pictures of (N, H, W)."""
    return values[:, None, None]
