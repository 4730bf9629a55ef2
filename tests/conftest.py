"""Fixtures that several packages' tests share."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Numba and PyTorch each keep a pool of threads. Waiting ones shall sleep, or they take the cores
# from the pool that works and from whatever else the machine does (a training step then takes ten
# times as long). Read when the pools start, so this stands before any test imports them.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell starts what runs in its background with Ctrl-C ignored, and programs hand that on to those
# that they start. The tests of Ctrl-C send the signal themselves, and need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_silent_promotion() -> Iterator[None]:
    """Fail every op whose floating output has not the dtype of its floating inputs.

    Gradients need no watching from here: the tape refuses one of another dtype than its input.
    """
    from tinyvision import tape
    from tinyvision.ops.elementwise import AsType

    def watch(op: Any, inputs: Any, output: Any) -> None:
        given = {tensor.dtype for tensor in inputs if tensor.dtype.kind == "f"}
        if output.dtype.kind == "f" and not isinstance(op, AsType):
            assert given == {output.dtype}, f"{op.name} turned {given} into {output.dtype}"

    with tape.listening(watch):
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data sets; tests that need it skip loudly where it is missing."""
    root = Path(os.environ.get("TINYVISION_DATA") or Path(__file__).parents[1] / "../shared/data")
    if not root.is_dir():
        pytest.skip(f"no data sets at {root}: let TINYVISION_DATA name the folder with mnist/")
    return root.resolve()


@pytest.fixture(scope="session")
def cifar10_folder(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 in its official binary layout, unpacked once for all tests that read it."""
    script = data_root / "unpack_cifar10.py"
    if not script.is_file():
        pytest.skip(f"no CIFAR-10 under {data_root}")
    folder = tmp_path_factory.mktemp("data") / "cifar10"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder
