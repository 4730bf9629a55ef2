"""The contest's work done by JAX, jitted: the networks in plain ``jax.numpy`` and ``lax``, NHWC."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from .network import Array, Step, read

Params = dict[str, Any]


def training(name: str, file: Path, N: int, lr: float) -> Callable[[], float]:
    """Return a function that does one training step and returns the loss."""
    network = read(file)
    steps = network.steps
    images, targets = map(jnp.asarray, network.batch(N))
    weights = {path: jnp.asarray(value) for path, value in network.weights.items()}
    params = {path: value for path, value in weights.items() if "running_" not in path}
    running = {path: value for path, value in weights.items() if "running_" in path}
    velocity = {path: jnp.zeros_like(value) for path, value in params.items()}

    def loss_of(params: Params, running: Params, key: Any, x: Any, labels: Any) -> Any:
        logits, running = forward(steps, params | running, x, key)
        log_p = jax.nn.log_softmax(logits)
        loss = -jnp.take_along_axis(log_p, labels[:, None], 1).mean()  # labels (N,) -> (N, 1)
        return loss, running

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def update(
        params: Params, running: Params, velocity: Params, key: Any, x: Any, labels: Any
    ) -> Any:
        key, now = jax.random.split(key)
        (loss, running), grads = jax.value_and_grad(loss_of, has_aux=True)(
            params, running, now, x, labels
        )
        velocity = {path: 0.9 * velocity[path] + grads[path] for path in params}
        params = {path: params[path] - lr * velocity[path] for path in params}
        return params, running, velocity, key, loss

    state = params, running, velocity, jax.random.key(0)

    def step() -> float:
        nonlocal state
        *state, loss = update(*state, images, targets)
        return float(loss)

    return step


def inference(name: str, file: Path, N: int) -> Callable[[], Array]:
    """Return a function that computes the logits of a batch."""
    network = read(file)
    images, _ = network.batch(N)
    weights = {path: jnp.asarray(value) for path, value in network.weights.items()}

    @jax.jit
    def logits(weights: Params, x: Any) -> Any:
        return forward(network.steps, weights, x, None)[0]

    return lambda: np.asarray(logits(weights, images))


def forward(steps: list[Step], weights: Params, x: Any, key: Any) -> tuple[Any, Params]:
    """Compute the steps; return the output and, with a key for dropout, new running statistics.

    Without a key it is inference: nothing is dropped, and norms take the running statistics.
    """
    running: Params = {}
    for step in steps:
        own = {
            path.rpartition(".")[2]: value
            for path, value in weights.items()
            if path.rpartition(".")[0] == step.path
        }
        match step.kind:
            case "Conv2d":
                x = _conv(x, step.settings["stride"], step.settings["pad"], **own)
            case "Dense":
                x = x @ own["w"] + own["b"]
            case "ReLU":
                x = jnp.maximum(x, 0)
            case "MaxPool2d":
                window = (1, *(step.settings["window"],) * 2, 1)
                x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
            case "GlobalAvgPool2d":
                x = x.mean((1, 2))  # (N, H, W, C) -> (N, C)
            case "Flatten":
                x = x.reshape(len(x), -1)  # (N, H, W, C) -> (N, H*W*C)
            case "BatchNorm2d" if key is None:
                x = _normalise(x, own["running_mean"], own["running_var"], own)
            case "BatchNorm2d":
                mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
                M = x.size // x.shape[3]
                for which, new in (("mean", mean), ("var", var * M / (M - 1))):
                    old = own[f"running_{which}"]
                    running[f"{step.path}.running_{which}"] = old + 0.1 * (new - old)
                x = _normalise(x, mean, var, own)
            case "Dropout" if key is not None and step.settings["rate"]:
                key, now = jax.random.split(key)
                keep = 1 - step.settings["rate"]
                x = jnp.where(jax.random.bernoulli(now, keep, x.shape), x / keep, 0)
            case "Residual":
                body, more = forward(step.body, weights, x, key)
                shortcut, _ = forward(step.shortcut, weights, x, key)
                x, running = body + shortcut, running | more
            case "PadShortcut":
                stride = step.settings["stride"]
                missing = step.settings["filters"] - x.shape[3]
                pad = (missing // 2, missing - missing // 2)
                x = jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), pad))
    return x, running


def _conv(x: Any, stride: int, pad: int, w: Any, b: Any = 0.0) -> Any:
    sides = ((pad, pad), (pad, pad))
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, w, (stride, stride), sides, dimension_numbers=names) + b


def _normalise(x: Any, mean: Any, var: Any, own: Params) -> Any:
    return (x - mean) * lax.rsqrt(var + 1e-5) * own["gamma"] + own["beta"]
