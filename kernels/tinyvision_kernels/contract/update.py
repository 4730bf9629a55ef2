"""Contracts of the optimiser updates.

Over flat vectors of one size, in place; g is first multiplied by ``scale`` (gradient clipping).

Where an ``average`` is given, a running mean of the weights, it follows those just updated:
average += (1 - average_decay) * (w - average), that is, average_decay*average + (1-average_decay)*w
without the rounding of two factors that ought to add up to one.
"""

from .registry import OptionalShape, Shape, each, kernel


def _vectors(w: Shape, average: OptionalShape, **others: Shape) -> tuple[Shape, ...]:
    """Refuse vectors that differ in size; an update fills no new array."""
    each(w, **others)
    if average is not None:
        each(w, average=average)
    return ()


@kernel(updates=("w", "velocity", "average"))
def sgd_step(
    w: Shape,
    velocity: Shape,
    average: OptionalShape,
    g: Shape,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> tuple[Shape, ...]:
    """g' = scale*g + weight_decay*w; velocity = momentum*velocity + g'; w -= lr * velocity.

    With Nesterov's look-ahead w -= lr * (g' + momentum*velocity). Source: Sutskever et al. 2013.
    """
    return _vectors(w, average, velocity=velocity, g=g)


@kernel(updates=("w", "m", "v", "average"))
def adam_step(
    w: Shape,
    m: Shape,
    v: Shape,
    average: OptionalShape,
    g: Shape,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
    scale: float,
    average_decay: float,
) -> tuple[Shape, ...]:
    """w -= lr * mhat / (sqrt(vhat) + eps), with running means m of g' and v of g'^2.

    m = beta1*m + (1-beta1)*g'; v = beta2*v + (1-beta2)*g'^2; mhat = m / (1-beta1^step) and
    vhat = v / (1-beta2^step) undo their start at zero; ``step`` counts from 1. Weight decay is
    added to the gradient, g' = scale*g + weight_decay*w (Kingma and Ba 2015), or, if decoupled,
    taken off the weight first, w *= 1 - lr*weight_decay (Loshchilov and Hutter 2019).
    """
    return _vectors(w, average, m=m, v=v, g=g)


@kernel(updates=("w", "square", "velocity", "average"))
def rmsprop_step(
    w: Shape,
    square: Shape,
    velocity: Shape,
    average: OptionalShape,
    g: Shape,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
    scale: float,
    average_decay: float,
) -> tuple[Shape, ...]:
    """square = alpha*square + (1-alpha)*g'^2; w -= lr * velocity.

    velocity = momentum*velocity + g' / (sqrt(square) + eps), with g' = scale*g + weight_decay*w.
    Source: Tieleman and Hinton, lecture 6.5, 2012.
    """
    return _vectors(w, average, square=square, velocity=velocity, g=g)


@kernel("total", dtypes={"total": "float64"})
def sum_of_squares(g: Shape) -> tuple[Shape, ...]:
    """total[0] = sum of g^2 in float64, in an order that depends on the size alone."""
    return ((1,),)
