"""A multi-layer perceptron: dense layers alone."""

from tinyvision_kernels.contract import Shape

from ..nn import Dense, Dropout, Flatten, ReLU, Sequential
from .checks import image_shape


def mlp(input_shape: Shape, classes: int) -> Sequential:
    """Two hidden layers that see every pixel at once and know nothing of neighbourhood.

    ::

        (H, W, C) -> flatten -> 512 -> 256 -> classes

    ReLU after each hidden layer, then dropout of 20 %. Source: Rumelhart, Hinton and Williams 1986,
    with the ReLU and dropout of our days.
    """
    image_shape("mlp", input_shape)
    return Sequential(
        Flatten(),
        Dense(512),
        ReLU(),
        Dropout(0.2),
        Dense(256),
        ReLU(),
        Dropout(0.2),
        Dense(classes),
    )
