"""The ten outlines of the built-in set, as signed-distance functions.

Each function takes points in a frame of its own, where the shape lies inside the circle of radius 1
and y points down, and returns their distance from the outline: negative inside, positive outside, 0
on it, growing by 1 per unit of length across it. (Far from the outline some are not the exact
distance; only the neighbourhood is drawn.)

Source of the technique: Quilez, "2D distance functions",
https://iquilezles.org/articles/distfunctions2d.
"""

from collections.abc import Callable
from math import cos, hypot, pi, sin, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]  # float32 in, float32 out


def arrow(x: Floats, y: Floats) -> Floats:
    """A shaft and a triangular head that points to +x."""
    head = np.maximum((x + np.abs(y) - 0.97) * sqrt(0.5), 0.17 - x)
    return _union(_box(x + 0.35, y, 0.6, 0.2), head)


def circle(x: Floats, y: Floats) -> Floats:
    """A disc."""
    return _disc(x, y, 0.85)


def cross(x: Floats, y: Floats) -> Floats:
    """Two bars at a right angle."""
    return _union(_box(x, y, 0.95, 0.27), _box(x, y, 0.27, 0.95))


def heart(x: Floats, y: Floats) -> Floats:
    """A square on its corner with half a disc on each of its upper sides."""
    y = y - 0.18  # to the middle of its circle
    u, v = (x + y) * sqrt(0.5), (y - x) * sqrt(0.5)
    discs = _union(_disc(u + 0.5, v, 0.5), _disc(u, v + 0.5, 0.5))
    return _union(_box(u, v, 0.5, 0.5), discs)


def hourglass(x: Floats, y: Floats) -> Floats:
    """Two triangles that meet at their tips."""
    sides = (np.abs(x) - np.abs(y) * 0.8 - 0.06) / hypot(1, 0.8)
    return np.maximum(sides, np.abs(y) - 0.74)


def moon(x: Floats, y: Floats) -> Floats:
    """A disc with another one taken out of its side."""
    return np.maximum(_disc(x, y, 0.92), -_disc(x - 0.46, y, 0.76))


def ring(x: Floats, y: Floats) -> Floats:
    """All points near a circle."""
    return np.abs(_disc(x, y, 0.72)) - 0.2


def square(x: Floats, y: Floats) -> Floats:
    """Four equal sides."""
    return _box(x, y, 0.69, 0.69)


def star(x: Floats, y: Floats) -> Floats:
    """Five points: fold the plane onto a tenth of it, where the star is one straight edge."""
    tenth, inner = pi / 5, 0.42  # angle and radius of the corner between two points
    angle = np.arctan2(x, -y)  # 0 at the tip on top
    angle = np.abs(angle % (2 * tenth) - tenth)  # 0 in a corner, a tenth at a tip
    radius = np.hypot(x, y)
    along, across = radius * np.cos(tenth - angle), radius * np.sin(tenth - angle)
    # The edge runs from the tip (1, 0) to the corner; its normal points outward.
    edge_x, edge_y = inner * cos(tenth) - 1, inner * sin(tenth)
    return ((along - 1) * edge_y - across * edge_x) / hypot(edge_x, edge_y)


def triangle(x: Floats, y: Floats) -> Floats:
    """Three half-planes whose normals are 120 degrees apart."""
    return np.maximum(np.abs(x) * sqrt(0.75) - y * 0.5, y) - 0.5


def _disc(x: Floats, y: Floats, radius: float) -> Floats:
    return np.hypot(x, y) - radius


def _box(x: Floats, y: Floats, half_width: float, half_height: float) -> Floats:
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def _union(a: Floats, b: Floats) -> Floats:
    return np.minimum(a, b)


OUTLINES: dict[str, Callable[[Floats, Floats], Floats]] = {
    outline.__name__: outline
    for outline in (
        arrow,
        circle,
        cross,
        heart,
        hourglass,
        moon,
        ring,
        square,
        star,
        triangle,
    )
}
