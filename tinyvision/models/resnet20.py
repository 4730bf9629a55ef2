"""ResNet-20, the residual network for small images."""

from tinyvision_kernels.contract import Shape

from ..nn import (
    BatchNorm2d,
    Conv2d,
    Dense,
    GlobalAvgPool2d,
    PadShortcut,
    ReLU,
    Residual,
    Sequential,
)
from .checks import image_shape


def resnet20(input_shape: Shape, classes: int) -> Sequential:
    """He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", section 4.2.

    ::

        32 x 32 x 3 -> conv 3x3      32 x 32 x 16
                    -> 3 blocks      32 x 32 x 16
                    -> 3 blocks      16 x 16 x 32
                    -> 3 blocks       8 x  8 x 64
                    -> global average pool -> classes

    A block is conv, batch norm, ReLU, conv, batch norm, added to its own input, ReLU; 20 layers
    with weights in all. Where a stage halves the image, the first convolution has stride 2 and the
    shortcut is the paper's option A, without parameters. Convolutions are padded by 1 on each side.
    """
    image_shape("resnet20", input_shape, least=8)
    return Sequential(
        _conv(16),
        BatchNorm2d(),
        ReLU(),
        Sequential(_block(16), _block(16), _block(16), name="stage1"),
        Sequential(_block(32, stride=2), _block(32), _block(32), name="stage2"),
        Sequential(_block(64, stride=2), _block(64), _block(64), name="stage3"),
        GlobalAvgPool2d(),
        Dense(classes),
    )


def _block(filters: int, stride: int = 1) -> Sequential:
    body = Sequential(_conv(filters, stride), BatchNorm2d(), ReLU(), _conv(filters), BatchNorm2d())
    shortcut = PadShortcut(filters, stride) if stride > 1 else None
    return Sequential(Residual(body, shortcut), ReLU())


def _conv(filters: int, stride: int = 1) -> Conv2d:
    return Conv2d(filters, 3, stride, pad=1, bias=False)
