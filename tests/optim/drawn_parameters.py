"""Parameters and gradients of random numbers, and the optimisers under test."""

import numpy as np
import pytest

from tinyvision import backend, optim
from tinyvision.nn import Parameter

# Weights and what decay spares take turns, so that the flat order is not the given one.
SHAPES = {"w1": (3, 2, 5), "b1": (5,), "gamma": (7,), "w2": (6, 7), "scale": ()}

OPTIMIZERS = {
    "sgd": (optim.SGD, {"momentum": 0.0}),
    "sgd, momentum": (optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
    "sgd, nesterov": (optim.SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1}),
    "adam": (optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-6}),
    "adam, decay": (optim.Adam, {"weight_decay": 0.1}),
    "adamw": (optim.AdamW, {}),
    "adamw, decay": (optim.AdamW, {"weight_decay": 0.3, "betas": (0.7, 0.99)}),
    "rmsprop": (optim.RMSprop, {"alpha": 0.9}),
    "rmsprop, momentum": (optim.RMSprop, {"momentum": 0.9, "weight_decay": 0.1, "eps": 1e-6}),
}

every_optimizer = pytest.mark.parametrize(
    ("optimizer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS
)


def parameters(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [
        Parameter(
            np.asarray(rng.standard_normal(shape), dtype), decay=name.startswith("w"), name=name
        )
        for name, shape in SHAPES.items()
    ]


def gradients(step, dtype=np.float64):
    rng = np.random.default_rng([1, step])
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES.values()]


def put_gradients(chosen, arrays):
    for p, array in zip(chosen, arrays, strict=True):
        p.grad[...] = backend.current().asarray(array)


def run(optimizer, chosen, steps, dtype=np.float64):
    for step in steps:
        put_gradients(chosen, gradients(step, dtype))
        optimizer.step()


def values(chosen):
    return [np.array(p.numpy()) for p in chosen]
