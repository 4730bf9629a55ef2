"""The ladder and its ceilings, at sizes that take no time: right results, whole tables."""

import dataclasses
import json
import re
import sys

import numpy as np
import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

import numba

from benchmarks import ceilings, ladder
from benchmarks.ceilings import Bandwidth, Ceilings
from benchmarks.ladder import RUNGS, Work
from benchmarks.table import markdown

ROOFS = Ceilings(2, {"float32": [100.0, 190.0]}, [Bandwidth("memory", 9, 1, 2, 3)])
MACHINE = {"processor": "P", "vectors": "V", "threads": 2, "system": "S", "python": "3", "numba": 1}


def tiny(rung: ladder.Rung) -> ladder.Rung:
    return dataclasses.replace(rung, work=Work(2, 5, 3, 4))


def test_every_rung_computes_the_same():
    threads = numba.get_num_threads()
    rows = ladder.measure([tiny(rung) for rung in [*RUNGS, *ladder.referees()]], turns=2)
    assert [row["rung"] for row in rows][: len(RUNGS)] == [rung.name for rung in RUNGS]
    assert {row["work"] for row in rows} == {"2 x 5x5x3 -> 4"}
    assert {row["flops"] for row in rows} == {2 * 2 * 25 * 4 * 27}
    assert max(row["error"] for row in rows) < 1e-5
    assert numba.get_num_threads() == threads
    assert {row["threads"] for row in rows} == {1, threads}


def test_a_rung_that_computes_something_else_is_not_timed():
    def wrong(x, w, b):
        return RUNGS[1].run(x, w, b) * np.float32(1.001)

    rung = dataclasses.replace(tiny(RUNGS[1]), run=wrong)
    with pytest.raises(AssertionError, match=r"NumPy, im2col: off by .* of the largest value"):
        ladder.measure([rung], turns=1)


def test_the_work_counts_two_operations_for_each_product():
    # 3 images of 4 x 4 outputs, 5 filters of 3 x 3 x 2
    assert Work(3, 4, 2, 5).flops == 2 * (3 * 4 * 4) * 5 * (3 * 3 * 2)


def row(rung: str, ms: float, gflops: float, threads: int = 2) -> dict:
    return {"rung": rung, "work": "2 x 5x5x3 -> 4", "flops": 1, "threads": threads, "ms": ms,
            "spread": 0.1, "gflops": gflops, "error": 1.2e-6}  # fmt: skip


def test_the_table_numbers_the_rungs_and_keeps_the_referee_s_better_row():
    rows = [
        row("lanes", 123.4, 0.0123, 1),
        row("PyTorch nchw", 3, 95),
        row("PyTorch nhwc", 2, 142.5),
    ]
    page = markdown({"machine": MACHINE, "ceilings": ROOFS.to_data(), "rungs": rows})
    lines = page.split("\n")
    assert lines[2] == "| 1 lanes | 2 x 5x5x3 -> 4 | 1 | 123 | 0.012 | 0.012 % | 1e-06 |"
    assert lines[3] == "| PyTorch | 2 x 5x5x3 -> 4 | 2 | 2.00 | 142 | 75.0 % | 1e-06 |"
    assert "peak: 100, 190 GFLOP/s measured on 1 and 2 threads" in lines[5]
    assert lines[7].startswith("1. **lanes** ([ladder.py](../benchmarks/ladder.py)). The same with")
    assert len(lines) == 8


def test_each_idea_takes_two_sentences():
    for rung in RUNGS:
        assert len(re.findall(r"[.?](?: |$)", rung.idea)) == 2, rung.name


@pytest.fixture
def small(monkeypatch):
    """Loops that take no time."""
    monkeypatch.setattr(ceilings, "LENGTH", 1000)
    monkeypatch.setattr(ceilings, "SHORTEST", 10_000)
    monkeypatch.setattr(ceilings, "levels", lambda threads: [("L2", 60_000), ("memory", 120_000)])
    monkeypatch.setattr(ladder, "RUNGS", [tiny(rung) for rung in RUNGS])
    monkeypatch.setattr(ladder, "WHOLE", Work(2, 5, 3, 4))
    monkeypatch.setattr(ladder, "WARM", 0)
    monkeypatch.setattr(ladder, "PAUSE", 0)


def test_the_commands_write_what_they_print(small, tmp_path, monkeypatch, capsys):
    target = tmp_path / "ladder.json"
    monkeypatch.setattr(sys, "argv", ["ladder", "--results", str(target)])
    ladder.main()
    results = json.loads(target.read_text())
    assert len(results["rungs"]) >= len(RUNGS)
    assert f"{len(RUNGS)} Winograd" in capsys.readouterr().out
    assert "7. **Winograd**" in markdown(results)

    monkeypatch.setattr(sys, "argv", ["ceilings", "--threads", "1", "--results", str(target)])
    ceilings.main()
    roofs = Ceilings.from_data(json.loads(target.read_text())["ceilings"])
    assert (roofs.threads, len(roofs.gflops["float32"])) == (1, 1)
    printed = capsys.readouterr().out
    assert f"float32 multiply-adds, 1 thread: {roofs.peak():,.0f} GFLOP/s\n" in printed
    assert "memory (0.1 MB): read " in printed


def test_ceilings_are_measured_on_every_number_of_threads(small):
    before = numba.get_num_threads()
    roofs = ceilings.measure()
    assert numba.get_num_threads() == before
    assert {kind: len(peaks) for kind, peaks in roofs.gflops.items()} == {
        "float32": before,
        "float64": before,
    }
    assert min(min(peaks) for peaks in roofs.gflops.values()) > 0.1
    assert [level.level for level in roofs.bandwidth] == ["L2", "memory"]
    assert min(min(b.read, b.copy, b.triad) for b in roofs.bandwidth) > 0.1
    again = Ceilings.from_data(json.loads(json.dumps(roofs.to_data())))
    assert again.to_data() == roofs.to_data()


def test_the_loop_of_multiply_adds_computes_what_it_counts():
    lanes = ceilings.HOST.vector_bytes // 8
    out, length = np.zeros((1, lanes)), 5
    ceilings._multiply_adds(out, 1, length)
    chains = np.arange(ceilings.CHAINS, dtype=float)
    for _ in range(length):
        chains = chains * 0.999 + 0.001
    np.testing.assert_allclose(out[0], chains.sum(), rtol=1e-12)


def test_the_roof_is_the_best_of_the_loops():
    assert ROOFS.bandwidth[0].best == 3
    assert (ROOFS.peak(), ROOFS.peak(1)) == (190, 100)


def test_the_levels_outgrow_the_memories_before_them():
    sizes = [size for _, size in ceilings.levels(2)]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= 200_000_000
