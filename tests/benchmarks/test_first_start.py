"""Timing first starts, in real processes."""

import json
import sys

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from benchmarks import first_start
from benchmarks.table import markdown


def test_what_is_timed_ends_with_the_first_line(tmp_path):
    program = "import os; print(os.environ['TINYVISION_CACHE'], flush=True)"
    seconds, printed = first_start.start(program, str(tmp_path))
    assert printed == f"{tmp_path}\n"
    assert seconds > 0
    with pytest.raises(RuntimeError, match="ended with 3"):
        first_start.start("print(flush=True); raise SystemExit(3)", str(tmp_path))


@pytest.mark.slow
def test_every_way_to_start_computes_the_same(tmp_path, monkeypatch, capsys):
    # raises if the losses of our own ways differ
    target = tmp_path / "starts.json"
    words = f"first_start --model mlp --batch 2 --rounds 1 --results {target}".split()
    monkeypatch.setattr(sys, "argv", words)
    first_start.main()
    results = json.loads(target.read_text())
    starts = results["starts"]
    names = [row["start"] for row in starts]
    assert names[0].startswith("first ever")
    assert len(names) == len(set(names)) >= 3
    assert all(row["least"] == row["seconds"] == row["most"] for row in starts)
    page = markdown(results).split("\n")
    assert page[0] == "| start to first training step of mlp, batch 2 | seconds | least to most |"
    assert page[2].startswith(f"| {names[0]} | {starts[0]['seconds']:.2f} | ")
    assert page[-1].endswith("fresh processes, medians</sub>")
    assert f"{starts[0]['seconds']:.2f}" in capsys.readouterr().out
