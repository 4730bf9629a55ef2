"""Checks that the models' functions share."""

from tinyvision_kernels.contract import Shape

from ..errors import ShapeError


def image_shape(model: str, shape: Shape, least: int = 1) -> Shape:
    """Return ``(H, W, C)`` after checking that it is one, of ``least`` pixels along H and W."""
    if len(shape) != 3 or min(shape) < 1:
        raise ShapeError(f"{model} takes images (H, W, C), such as (28, 28, 1); got {shape}")
    if min(shape[:2]) < least:
        raise ShapeError(
            f"{model} needs images of at least {least} x {least} pixels, these have {shape[0]} x "
            f"{shape[1]}: enlarge them, or choose a smaller model such as mlp"
        )
    return shape
