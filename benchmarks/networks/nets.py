"""The networks of the contest: which, how large a batch, and the files that hand them over."""

from pathlib import Path

import numpy as np

import tinyvision as tv
from tinyvision import models, nn

# network: images in a training step, shape of an image
NETS = {
    "mlp": (128, (28, 28, 1)),
    "lenet5": (64, (28, 28, 1)),
    "small_cnn": (64, (28, 28, 1)),
    "vgg_small": (128, (32, 32, 3)),
    "resnet20": (128, (32, 32, 3)),
}
CLASSES = 10


def write(name: str, path: Path, *, dropout: bool) -> Path:
    """Write a network with random weights to a model file.

    Biases, scales and running statistics are random too: fresh ones are 0 or 1, and whoever mixes
    them up would compute the same.

    Parameters
    ----------
    dropout : bool
        Whether dropout keeps its rates. Contestants draw different numbers, so that where results
        are compared all rates are 0.
    """
    _, shape = NETS[name]
    model = models.create(name, shape, CLASSES, seed=0)
    rng = np.random.default_rng(0)
    state = model.state()
    for key, value in state.items():
        if key.endswith("running_var"):
            state[key] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
        elif value.ndim == 1:
            state[key] = value + 0.1 * rng.standard_normal(value.shape, np.float32)
    model.load_state(state)
    if not dropout:
        for layer in model.layers():
            if isinstance(layer, nn.Dropout):
                layer.rate = 0.0
    preprocess = tv.data.Preprocess(
        shape[:2], shape[2], mean=(0.0,) * shape[2], std=(1.0,) * shape[2]
    )
    tv.save(tv.ModelFile(model, shape, (), preprocess), path)
    return path
