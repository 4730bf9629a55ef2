"""Tables of whole networks, and the file that holds their figures."""

import json
import sys

import pytest

pytest.importorskip("numba", reason="the cpu kernels need Numba, which is not installed")

from benchmarks.networks import __main__ as program
from benchmarks.table import markdown, tables

MACHINE = {"processor": "P", "vectors": "V", "threads": 2, "system": "S", "python": "3",
           "jax": "0.1", "opencv-python-headless": "5.0"}  # fmt: skip


def contest(batch: int = 8, bf16: tuple[str, ...] = (), **ms: float) -> dict:
    return {
        "batch": batch,
        "contestants": {
            who.replace("_", " "): {
                "ms": t,
                "spread": batch / 100,
                "p99 ms": 2 * t,
                "bf16": who in bf16,
            }
            for who, t in ms.items()
        },
    }


@pytest.fixture
def results() -> dict:
    return {
        "machine": MACHINE,
        "networks": {
            "training": {
                # in the order in which they were measured, not that of the networks
                "lenet5": contest(
                    30, tinyvision_eager=2, PyTorch_NCHW=8, PyTorch_NHWC=4, JAX=12.5
                ),
                "mlp": contest(
                    tinyvision_eager=4, PyTorch_NCHW=4.4, PyTorch_NHWC=8, JAX=1,
                    PyTorch_bf16=0.5, bf16=("PyTorch_bf16",),
                ),
            },
            "inference of 1": {
                "mlp": contest(tinyvision_plan=0.02, tinyvision_eager=4, ONNX_Runtime=0.016)
            },
            "memory": {
                "vgg_small": {"batch": 8, "contestants": {"JAX": {"imported": 2e8, "peak": 5e8}}}
            },
            "start": {
                "mlp": {
                    "batch": 8,
                    "contestants": {"PyTorch NCHW": {"seconds": 2.5, "least": 2, "most": 3}},
                }
            },
        },
    }  # fmt: skip


def test_a_line_for_each_contestant_and_the_ratios_that_count(results):
    made = {table.title: table for table in tables(results)}
    assert list(made) == [
        "training", "training in bfloat16", "inference of 1", "memory and start", "summary",
    ]  # fmt: skip
    training = made["training"]
    assert training.columns == ("ms", "mlp", "lenet5", "mean ratio", "spread")
    assert training.lines == [
        ("tinyvision eager", "4.00", "2.00", "", "30%"),
        ("PyTorch NCHW", "4.40", "8.00", "2.10", "30%"),  # of 1.1 and 4
        ("PyTorch NHWC", "8.00", "4.00", "2.00", "30%"),
        ("JAX", "1.00", "12.5", "1.25", "30%"),  # of 0.25 and 6.25
        ("best of PyTorch / ours", "1.10", "2.00", "1.48", ""),
        ("best of all / ours", "**0.25**", "2.00", "**0.71**", ""),
    ]
    # who computes in bfloat16 is no rival of ours in float32
    assert made["training in bfloat16"].lines == [("PyTorch bf16", "0.500", "", "8%")]


def test_the_plan_is_ours_where_it_was_measured(results):
    lines = {table.title: table.lines for table in tables(results)}["inference of 1"]
    assert lines == [
        ("tinyvision plan", "0.0200 (0.0400)", "", "8%"),
        ("tinyvision eager", "4.00 (8.00)", "200.00", "8%"),
        ("ONNX Runtime", "0.0160 (0.0320)", "**0.80**", "8%"),
        ("ONNX Runtime / ours", "**0.80**", "**0.80**", ""),
        ("best of all / ours", "**0.80**", "**0.80**", ""),
    ]


@pytest.mark.parametrize(
    ("ms", "shown"), [(0.012345, "0.0123"), (1.5, "1.50"), (20.94, "20.9"), (1512.3, "1,512")]
)
def test_times_show_three_digits_that_count(ms, shown):
    results = {"machine": MACHINE, "networks": {"training": {"mlp": contest(JAX=ms)}}}
    assert tables(results)[0].lines[0] == ("JAX", shown, "", "8%")


def test_memory_and_start_leave_blank_what_was_not_measured(results):
    table = {table.title: table for table in tables(results)}["memory and start"]
    assert table.columns == (
        "training", "peak of vgg_small, MB", "beyond imports, MB",
        "first step of mlp, s",
    )  # fmt: skip
    assert table.lines == [("JAX", "500", "300", ""), ("PyTorch NCHW", "", "", "2.50")]


def test_the_summary_has_a_line_for_each_network(results):
    table = tables(results)[-1]
    assert table.columns == (
        "network", "training ms", "PyTorch / ours", "best / ours", "of 1 ms", "ONNX / ours",
    )  # fmt: skip
    assert table.lines[0] == ("mlp", "4.00", "1.10", "**0.25**", "0.0200", "**0.80**")
    assert table.lines[1] == ("lenet5", "2.00", "2.00", "2.00", "", "")
    assert table.lines[2] == ("small_cnn", "", "", "", "", "")
    assert table.lines[-1] == ("geometric mean", "", "1.48", "**0.71**", "", "**0.80**")


def test_a_page_shows_the_tables_that_it_asks_for(results):
    page = markdown(results, ["training", "summary"]).split("\n")
    assert page[:4] == [
        "**training**",
        "",
        "| ms | mlp | lenet5 | mean ratio | spread |",
        "|---|---:|---:|---:|---:|",
    ]
    assert "**summary**" in page
    assert "**inference of 1**" not in page
    assert "Python 3, jax 0.1, opencv 5.0; a process of its own for each" in page[-1]


def test_networks_measured_anew_take_the_place_of_the_old(results):
    groups = results["networks"]
    merged = program.merged(groups, {"training": {"mlp": contest(JAX=7)}})
    assert merged["training"] == {"mlp": contest(JAX=7), "lenet5": groups["training"]["lenet5"]}
    assert merged["memory"] == groups["memory"]


def test_figures_of_two_machines_do_not_mix(results, tmp_path):
    path = tmp_path / "networks.json"
    assert program.earlier(path, MACHINE) == {}
    path.write_text(json.dumps(results))
    assert program.earlier(path, MACHINE) == results["networks"]
    with pytest.raises(SystemExit, match=r"measured with other jax, torch: name a new file"):
        program.earlier(path, {**MACHINE, "jax": "0.2", "torch": "2"})


def test_the_command_writes_what_it_prints(tmp_path, monkeypatch, capsys):
    target = tmp_path / "networks.json"
    part = ["--net", "mlp", "--only", "inference", "--contestants", "tinyvision"]
    words = ["networks", *part, "--rounds", "2", "--seconds", "0.001", "--results", str(target)]
    monkeypatch.setattr(sys, "argv", words)
    program.main()
    groups = json.loads(target.read_text())["networks"]
    assert {group: list(nets) for group, nets in groups.items()} == {
        "inference of 1": ["mlp"],
        "inference of 64": ["mlp"],
    }
    row = groups["inference of 64"]["mlp"]["contestants"]["tinyvision eager"]
    assert 0 < row["ms"] <= row["p99 ms"]
    assert "tinyvision eager" in capsys.readouterr().out
