"""The small convolutional network of a hundred tutorials."""

from tinyvision_kernels.contract import Shape

from ..nn import Conv2d, Dense, Dropout, Flatten, Layer, MaxPool2d, ReLU, Sequential
from .checks import image_shape

LARGEST_MAP = 16  # pixels along a side of what reaches the dense layers


def small_cnn(input_shape: Shape, classes: int) -> Sequential:
    """Two convolutions, a pool, a dense layer: the "MNIST CNN" of Keras' and PyTorch's examples.

    ::

        28 x 28 x 1 -> conv 3x3  26 x 26 x 32 -> conv 3x3 24 x 24 x 64 -> pool 12 x 12 x 64
                    -> dropout 10 % -> 128 -> dropout 30 % -> classes

    Their dropout of 25 % and 50 % is made for twelve epochs and more; with a few, less is better.

    For larger images another convolution of 64 and pool follow until the map has at most 16 pixels
    along each side: 64 x 64 images get one more, and the dense layer stays below two million
    weights.
    """
    height, width, _ = image_shape("small_cnn", input_shape, least=6)
    layers: list[Layer] = [Conv2d(32, 3), ReLU(), Conv2d(64, 3), ReLU(), MaxPool2d(2)]
    height, width = (height - 4) // 2, (width - 4) // 2
    while max(height, width) > LARGEST_MAP and min(height, width) >= 4:
        layers += [Conv2d(64, 3), ReLU(), MaxPool2d(2)]
        height, width = (height - 2) // 2, (width - 2) // 2
    return Sequential(
        *layers,
        Dropout(0.1),
        Flatten(),
        Dense(128),
        ReLU(),
        Dropout(0.3),
        Dense(classes),
    )
