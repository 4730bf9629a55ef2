"""The shortcut without parameters (contracts in ``contract/shortcut.py``)."""

from typing import Any

from ..contract import Pair


def pad_shortcut(xp: Any, y: Any, x: Any, stride: Pair, channels: Pair) -> None:
    """Take every pixel at the stride's steps, between channels of zeros."""
    before, C = channels[0], x.shape[3]
    y[...] = 0
    y[..., before : before + C] = x[:, :: stride[0], :: stride[1]]


def pad_shortcut_dx(xp: Any, dx: Any, dy: Any, size: Pair, stride: Pair, channels: Pair) -> None:
    """Give each pixel that was taken its gradient, and zero to the others."""
    before, C = channels[0], dx.shape[3]
    dx[...] = 0
    dx[:, :: stride[0], :: stride[1]] = dy[..., before : before + C]
