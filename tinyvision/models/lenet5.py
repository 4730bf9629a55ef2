"""LeNet-5, the first convolutional network that went to work, reading cheques."""

from tinyvision_kernels.contract import Shape

from ..nn import Conv2d, Dense, Flatten, MaxPool2d, ReLU, Sequential
from .checks import image_shape


def lenet5(input_shape: Shape, classes: int) -> Sequential:
    """LeCun et al. 1998, "Gradient-based learning applied to document recognition", figure 2.

    ::

        28 x 28 x 1 -> conv 5x5 same   28 x 28 x  6 -> pool 14 x 14 x  6
                    -> conv 5x5 valid  10 x 10 x 16 -> pool  5 x  5 x 16
                    -> 120 -> 84 -> classes

    As it is built today: ReLU for tanh, max-pooling for trained averages, every map of the second
    convolution sees all of the first, and a softmax for the distances to drawn digits.
    """
    image_shape("lenet5", input_shape, least=12)
    return Sequential(
        Conv2d(6, 5, pad="same"),
        ReLU(),
        MaxPool2d(2),
        Conv2d(16, 5),
        ReLU(),
        MaxPool2d(2),
        Flatten(),
        Dense(120),
        ReLU(),
        Dense(84),
        ReLU(),
        Dense(classes),
    )
