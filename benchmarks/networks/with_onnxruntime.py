"""The contest's inference done by ONNX Runtime."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from . import onnx_file
from .network import Array, read


def inference(name: str, file: Path, N: int) -> Callable[[], Array]:
    """Return a function that computes the logits of a batch."""
    network = read(file)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])  # as everybody
    path = onnx_file.write(network, N, file.with_suffix(".onnx"))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images, _ = network.batch(N)
    x = {"x": np.ascontiguousarray(images.transpose(0, 3, 1, 2))}  # -> (N, C, H, W)
    return lambda: np.asarray(session.run(None, x)[0])
