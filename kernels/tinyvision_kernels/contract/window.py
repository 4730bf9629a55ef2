"""How often a window fits: the arithmetic that convolution and pooling share."""

from .registry import Pads, Pair, Shape, need


def window_count(
    size: int, window: int, stride: int, before: int, after: int, dilation: int
) -> int:
    """Count the positions of a window along one axis: floor((size + pads - reach) / stride) + 1."""
    need(
        min(window, stride, dilation) >= 1 and min(before, after) >= 0,
        f"window {window}, stride {stride} and dilation {dilation} must be at least 1, padding "
        f"{before} and {after} at least 0",
    )
    reach = dilation * (window - 1) + 1
    need(
        size + before + after >= reach,
        f"a window that reaches over {reach} cells does not fit {size} cells padded by {before} "
        f"and {after}: use a smaller window, pad='same', or a larger image",
    )
    return (size + before + after - reach) // stride + 1


def windows(size: Shape, window: Shape, stride: Pair, pad: Pads, dilation: Pair = (1, 1)) -> Pair:
    """Count the positions of a window along H and along W."""
    return (
        window_count(size[0], window[0], stride[0], pad[0], pad[1], dilation[0]),
        window_count(size[1], window[1], stride[1], pad[2], pad[3], dilation[1]),
    )
