"""The first training on a machine, whose kernels are still to be compiled, stopped by Ctrl-C."""

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.train.small import stripe_folder
from tests.train.test_processes import IN_TERMINAL, Terminal
from tinyvision_kernels.cpu import ahead

WORDS = "train stripes --model mlp --epochs 1 --batch 8 --size 12 --gray --backend cpu"


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
@pytest.mark.skipif(ahead.usual_jobs() == 1, reason="on one core nothing is compiled ahead")
def test_ctrl_c_while_kernels_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    stripe_folder(tmp_path / "stripes", per_class=6)
    with Terminal(sys.executable, "-c", IN_TERMINAL, *WORDS.split(), cwd=tmp_path) as terminal:
        terminal.read_until("compiling kernels")
        os.write(terminal.master, b"\x03")
        terminal.read_until(None)
    assert terminal.process.returncode == 130
    assert "Traceback" not in terminal.text
    assert re.search(r"tinyvision: interrupted\s*\Z", terminal.text)
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h")  # the cursor
    # the next run compiles what is missing, and trains
    with Terminal(sys.executable, "-c", IN_TERMINAL, *WORDS.split(), cwd=tmp_path) as terminal:
        terminal.read_until(None)
    assert terminal.process.returncode == 0, terminal.text
    assert "saved runs/stripes-mlp/best.safetensors" in terminal.text
