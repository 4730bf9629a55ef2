"""``tinyvision warmup``, with a cache of its own."""

import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from tests.train.test_processes import IN_TERMINAL, Terminal

WORDS = ("warmup", "mlp", "--size", "12", "--batch", "8")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_warm_then_found_then_cleared(tinyvision, store):
    done = tinyvision(*WORDS, "--jobs", 1)
    assert done.code == 0
    first, second = done.out.strip().splitlines()
    compiled = re.fullmatch(
        r"compiled (\d+) kernels in \d+\.\d s with 1 process; 0 were there already", first
    )
    assert compiled, first
    # a loop over chunks compiles the body that runs alone along with it
    held = re.fullmatch(r"cache/numba holds (\d+) kernels, \d+\.\d MB", second)
    assert held, second
    assert int(held[1]) >= int(compiled[1]) > 10

    told = tinyvision(*WORDS, "--json").json
    assert told == {
        "compiled": 0,
        "found": int(compiled[1]),
        "failed": [],
        "seconds": told["seconds"],
        "jobs": 0,
        "directory": str(store / "numba"),
        "kernels": int(held[1]),
        "bytes": sum(file.stat().st_size for file in store.rglob("*") if file.is_file()),
    }

    done = tinyvision("warmup", "--clear")
    assert re.fullmatch(rf"removed {held[1]} kernels, \d+\.\d MB\n", done.out)
    assert not [file for file in store.rglob("*") if file.is_file()]
    told = tinyvision("warmup", "--clear", "--json").json
    assert told == {"removed": 0, "bytes": 0, "directory": str(store / "numba")}


def test_what_cannot_be_compiled_is_told_and_ends_with_1(tinyvision, store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")  # a program that ends with 1
    done = tinyvision(*WORDS)
    assert done.code == 1
    assert "dense._product_tiles: " in done.out
    assert ": the compiling process ended with 1\n" in done.out
    assert "compiled 0 kernels in" in done.out
    told = tinyvision(*WORDS, "--json")
    assert told.code == 1
    assert len(told.json["failed"]) > 10


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["warmup", "small_cnm"], "no model 'small_cnm'; did you mean 'small_cnn'"),
        (["warmup", "--jobs", "0"], "--jobs"),
        (["warmup", "--size", "4"], "--size"),
    ],
)
def test_mistakes(tinyvision, store, words, pattern):
    done = tinyvision(*words)
    assert done.code == 2
    assert re.search(pattern, done.err)


@pytest.mark.skipif(sys.platform != "linux", reason="pseudo-terminals as Linux has them")
def test_ctrl_c_leaves_what_is_done_and_no_process(store, tmp_path):
    words = [*WORDS, "--jobs", "2"]
    with Terminal(sys.executable, "-c", IN_TERMINAL, *words, cwd=tmp_path) as terminal:
        terminal.read_until(r"compiling .* [1-9]/\d\d")
        workers = children(terminal.process.pid)
        assert len(workers) == 2
        os.write(terminal.master, b"\x03")
        terminal.read_until(None)
    assert terminal.process.returncode == 130
    assert "Traceback" not in terminal.text
    assert "first run only" not in terminal.text  # that line is for who compiles unasked
    assert terminal.text.count("\x1b[?25l") == terminal.text.count("\x1b[?25h")
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]
    assert list(store.rglob("*.nbc"))


def children(parent: int) -> list[int]:
    def parent_of(process: Path) -> int:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])

    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if parent_of(process) == parent:
                found.append(int(process.name))
        except OSError:  # it ended meanwhile
            continue
    return found
