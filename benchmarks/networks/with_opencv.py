"""The contest's inference done by OpenCV's dnn module."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from . import onnx_file
from .network import Array, read


def inference(name: str, file: Path, N: int) -> Callable[[], Array]:
    """Return a function that computes the logits of a batch."""
    cv2.setNumThreads(int(os.environ["OMP_NUM_THREADS"]))  # as everybody
    network = read(file)
    net = cv2.dnn.readNetFromONNX(str(onnx_file.write(network, N, file.with_suffix(".onnx"))))
    images, _ = network.batch(N)
    x = np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # -> (N, C, H, W)

    def predict() -> Array:
        net.setInput(x)
        return np.asarray(net.forward())

    return predict
