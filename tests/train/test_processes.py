"""Real processes, really killed and really interrupted: they go on to the very same bytes."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.train.small import stripe_folder
from tinyvision import modelfile
from tinyvision.train import Recipe, recipe_of, run

ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
EPOCHS = 40
MOST = 4000  # characters of a screen that a failing test shows

KILLED = """
import os, signal, sys
from tests.train.small import Hook
from tinyvision.train import Recipe, run

end = Hook(2, 2, lambda: os.kill(os.getpid(), signal.SIGKILL))
run(Recipe(**{settings}), display=end)
"""


# Ctrl-C goes to who owns the terminal; and tests run in the background hand down that the signal
# is to be ignored.
IN_TERMINAL = """
import fcntl, signal, termios
from tinyvision.cli import main

fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": PATH, "TINYVISION_BACKEND": "reference", "TERM": "xterm"}


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stripe_folder(tmp_path_factory.mktemp("data") / "stripes")


def settings(folder: Path, out: Path, epochs: int = EPOCHS) -> dict[str, object]:
    """What the command line below says: 42 images to train on, six batches an epoch."""
    return {
        "data": str(folder),
        "model": "lenet5",
        "epochs": epochs,
        "batch": 8,
        "size": (12, 12),
        "channels": 1,
        "out": str(out),
    }


def test_killed_in_the_middle_of_an_epoch(stripes, tmp_path):
    keywords = settings(stripes, tmp_path / "killed", epochs=4)
    code = KILLED.format(settings=keywords)
    done = subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    last = tmp_path / "killed" / "stripes-lenet5" / "last.safetensors"
    state = modelfile.load(last, with_training=True).training["resume"]
    assert (state["position"]["epoch"], state["position"]["batch"]) == (2, 0)
    resumed = run(recipe_of(last), resume=last)
    whole = run(Recipe(**settings(stripes, tmp_path / "whole", epochs=4)))
    assert resumed.path.read_bytes() == whole.path.read_bytes()


class Terminal:
    """A program in a pseudo-terminal of 80 columns."""

    def __init__(self, *command: str, cwd: Path) -> None:
        self.text = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environment(),
            start_new_session=True,
        )
        os.close(slave)

    def read_until(self, pattern: str | None, seconds: float = 60) -> None:
        """Read until the pattern is there, or to the end."""
        end = time.monotonic() + seconds
        while pattern is None or not re.search(pattern, self.text):
            assert time.monotonic() < end, self.text[-MOST:]
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                self.text += os.read(self.master, 1 << 16).decode(errors="replace")
            except OSError:  # the program has ended
                break
        assert pattern is None or re.search(pattern, self.text), self.text[-MOST:]

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
def test_ctrl_c_in_a_terminal(stripes, tmp_path):
    (tmp_path / "stripes").symlink_to(stripes)
    words = f"train stripes --model lenet5 --epochs {EPOCHS} --batch 8 --size 12 --gray".split()
    with Terminal(sys.executable, "-c", IN_TERMINAL, *words, cwd=tmp_path) as terminal:
        terminal.read_until(rf" 1/{EPOCHS} +\d")
        os.write(terminal.master, b"\x03")  # the key itself: the terminal makes a signal of it
        terminal.read_until(None)
    assert terminal.process.returncode == 130
    assert "Traceback" not in terminal.text
    assert re.search(rf"epoch 1/{EPOCHS} .*━", terminal.text)  # the live bar
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h")
    command = re.search(
        r"interrupted; go on with:\s+(tinyvision train --resume \S+)", terminal.text
    )
    assert command, terminal.text[-MOST:]

    words = command[1].split()[1:]
    done = subprocess.run(
        [sys.executable, "-m", "tinyvision", *words],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    resumed = tmp_path / "runs" / "stripes-lenet5" / "best.safetensors"
    # the same data by the same name, as the file keeps it
    whole = run(Recipe(**{**settings(stripes, tmp_path / "whole"), "data": str(stripes)}))
    ours, theirs = modelfile.load(resumed), modelfile.load(whole.path)
    assert ours.training["history"] == theirs.training["history"]
    state, expected = ours.model.state(), theirs.model.state()
    assert all(state[path].tobytes() == expected[path].tobytes() for path in expected)
