"""How much a step computes and moves."""

from math import prod

from .record import Step

# One core's pace, roughly, and the time for which it had better work alone: to wake another takes
# some ten microseconds.
OPERATIONS, BYTES = 60e9, 20e9  # a second
ALONE = 12e-6  # seconds


def flops(step: Step) -> int:
    """Floating-point operations of a step; a multiply-add counts as two.

    Of a product exactly; elsewhere one for each number of the largest array.
    """
    if step.kernel.startswith("conv2d"):
        return _conv2d(step)
    if step.kernel.startswith("dense"):
        return _dense(step)
    sizes = [prod(view.shape) for view in (*step.writes, *step.reads) if view is not None]
    return max(sizes, default=0)


def moved(step: Step) -> int:
    """Bytes that a step must move in any case: each of its arrays once."""
    views = [*step.writes, *step.updates, *(view for view in step.reads if view is not None)]
    return sum(view.nbytes for view in {(v.buffer, v.start): v for v in views}.values())


def is_small(step: Step) -> bool:
    """Whether a step is about done before a second thread could help."""
    return flops(step) / OPERATIONS + moved(step) / BYTES < ALONE


def _conv2d(step: Step) -> int:
    """2 * positions * taps * channels; what is fused with it counts for nothing."""
    if step.kernel == "conv2d_dw":
        (dw,), (_, dy) = step.writes, step.reads
        assert dy is not None
        return 2 * prod(dy.shape) * prod(dw.shape[:3])
    if step.kernel == "conv2d_dx":
        dy, w = step.reads
        assert dy is not None
        assert w is not None
        return 2 * prod(dy.shape) * prod(w.shape[:3])
    y, w = step.writes[0], step.reads[1]
    assert w is not None
    pooled = 4 if step.kernel == "conv2d_relu_max_pool" else 1
    return 2 * pooled * prod(y.shape) * prod(w.shape[:3])


def _dense(step: Step) -> int:
    a, b = step.reads[:2]
    assert a is not None
    assert b is not None
    if step.kernel == "dense_dw":
        return 2 * prod(a.shape) * b.shape[-1]
    depth = b.shape[1] if step.kernel == "dense_dx" else b.shape[0]
    return 2 * prod(step.writes[0].shape) * depth
