"""A small VGG: the same 3x3 convolution over and over."""

from tinyvision_kernels.contract import Shape

from ..nn import (
    BatchNorm2d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPool2d,
    ReLU,
    Sequential,
)
from .checks import image_shape


def vgg_small(input_shape: Shape, classes: int) -> Sequential:
    """Simonyan and Zisserman 2015, shortened to three stages for images of about 32 x 32.

    ::

        32 x 32 x 3 -> 2 x conv 3x3 same  32 x 32 x  64 -> pool 16 x 16 x  64
                    -> 2 x conv 3x3 same  16 x 16 x 128 -> pool  8 x  8 x 128
                    -> 2 x conv 3x3 same   8 x  8 x 256 -> pool  4 x  4 x 256
                    -> 256 -> dropout 50 % -> classes

    Two 3x3 convolutions see as far as one 5x5 with fewer weights and a bend more. Batch norm after
    each convolution (which therefore needs no bias) is later than the paper; it makes the network
    train without its step-by-step initialisation.
    """
    image_shape("vgg_small", input_shape, least=8)
    layers: list[Layer] = []
    for filters in (64, 128, 256):
        for _ in range(2):
            layers += [Conv2d(filters, 3, pad="same", bias=False), BatchNorm2d(), ReLU()]
        layers.append(MaxPool2d(2))
    return Sequential(*layers, Flatten(), Dense(256), ReLU(), Dropout(0.5), Dense(classes))
