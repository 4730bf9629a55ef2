"""The roofline plot: points where they belong, labels one can read, the results that are there."""

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the plot needs Matplotlib: pip install -e '.[plot]'")

from benchmarks import roofline
from benchmarks.ceilings import Bandwidth, Ceilings
from benchmarks.roofline import Point, points

ROOT = Path(__file__).parents[2]
ROOFS = Ceilings(
    2,
    {"float32": [300.0, 600.0]},
    [Bandwidth("L2", 1, 300, 350, 400), Bandwidth("memory", 9, 50, 48, 49)],
)
LAYERS = "pooling, norms, losses, updates"


def line(group: str, name: str, flops: int = 10**9, bytes: int = 10**8, **ms: float) -> dict:
    return {"group": group, "name": name, "flops": flops, "bytes": bytes, "ms": ms or {"cpu": 10.0}}


def test_a_point_lies_at_operations_a_byte_and_operations_a_second():
    ms = {"cpu": 10.0, "reference": 1.0, "torch nchw": 40.0, "torch nhwc": 20.0}
    results = {"contests": [line("conv2d forward", "64 x 28x28x1 -> 32, 3x3/1", **ms)]}
    assert points(results) == [Point("28²·1 → 32", "convolution 3x3", 10.0, 100.0, 50.0)]
    results = {"contests": [line("dense forward", "128 x 784 -> 512")]}
    assert points(results) == [Point("128·784 → 512", "dense", 10.0, 100.0, None)]


@pytest.mark.parametrize(
    ("group", "name", "label"),
    [
        ("conv2d dx", "64 x 14x14x6 -> 16, 5x5/1", "14²·6 → 16 5x5"),
        ("conv2d dx", "128 x 32x32x16 -> 32, 3x3/2", "32²·16 → 32 /2"),
        ("conv2d dx", "32 x 112x112x64 -> 64, 3x3/1, depthwise", "112²·64 depthwise"),
        (LAYERS, "max_pool2d dx, 128 x 32x32x64", "max pool"),
        (LAYERS, "batch_norm backward, 128 x 32x32x64", "batch norm"),
        (LAYERS, "batch_norm forward, 128 x 32x32x64", None),
        ("conv2d forward", "64 x 14x14x6 -> 16, 5x5/1", None),
        ("training step", "mlp, batch 128", None),
    ],
)
def test_labels_and_what_belongs_to_one_direction(group, name, label):
    found = points({"contests": [line(group, name)]}, "dx")
    assert [p.label for p in found] == ([label] if label else [])


def test_what_moves_next_to_nothing_is_left_out():
    small = line(LAYERS, "softmax_cross_entropy, 128 x 10", bytes=10_240)
    unknown = line(LAYERS, "sgd_step, 5 M")
    del unknown["bytes"]
    assert points({"contests": [small, unknown, line(LAYERS, "adam_step, 5 M")]}) == [
        Point("adam 5 M", LAYERS, 10.0, 100.0, None)
    ]


def crowd() -> list[Point]:
    families = list(roofline.FAMILIES)
    return [
        Point(f"{i} → {i}", families[i % 4], 2 + i % 5 + i / 9, 100 + 9 * i, 70 + 11 * i)
        for i in range(20)
    ]


def test_labels_cover_neither_each_other_nor_a_mark():
    figure = roofline.draw(crowd(), ROOFS, "a crowd")
    figure.draw_without_rendering()
    axes, renderer = figure.axes[0], figure.canvas.get_renderer()
    names = {p.label for p in crowd()}
    boxes = [t.get_window_extent(renderer) for t in axes.texts if t.get_text() in names]
    assert len(boxes) == len(names)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert axes.get_window_extent().contains(*box.min)
        assert axes.get_window_extent().contains(*box.max)
        for p in crowd():
            for speed in (p.ours, p.theirs):
                assert not box.contains(*axes.transData.transform((p.intensity, speed)))


def test_the_picture_is_the_same_every_time_and_follows_dark_screens(tmp_path):
    texts = []
    for name in ("a", "b"):
        svg, png = roofline.save(
            roofline.draw(crowd(), ROOFS, "a crowd"), tmp_path / name, "what it shows"
        )
        assert png.read_bytes().startswith(b"\x89PNG")
        texts.append(svg.read_text())
    assert texts[0] == texts[1]
    words = [element.text for element in ElementTree.fromstring(texts[0]).iter()]
    assert {"what it shows", "7 → 7", "memory: 50 GB/s", "multiply-adds: 600 GFLOP/s"} <= set(words)
    assert "prefers-color-scheme: dark" in texts[0]
    assert texts[0].count(f"fill: {roofline.INK}") > 20


def test_the_command_draws_a_results_file(tmp_path, monkeypatch, capsys):
    machine = {"processor": "P", "threads": 2}
    contests = [
        line("conv2d dw", "64 x 28x28x1 -> 32, 3x3/1"),
        line("dense dw", "128 x 784 -> 512"),
    ]
    (tmp_path / "results.json").write_text(json.dumps({"machine": machine, "contests": contests}))
    (tmp_path / "roofs.json").write_text(json.dumps({"ceilings": ROOFS.to_data()}))
    words = "roofline results.json --ceilings roofs.json --direction dw --out picture"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", words.split())
    roofline.main()
    assert capsys.readouterr().out == "wrote picture.svg\nwrote picture.png\n"
    text = (tmp_path / "picture.svg").read_text()
    assert "28²·1 → 32" in text
    assert "Roofline of the kernels, dw, float32: P, 2 threads" in text


def test_the_committed_picture_shows_the_committed_results():
    results = json.loads((roofline.RESULTS / "zen5-2-cores.json").read_text())
    roofs = json.loads((roofline.RESULTS / "ladder.json").read_text())["ceilings"]
    drawn = points(results)
    assert len(drawn) > 20
    name = roofline.digest(drawn, Ceilings.from_data(roofs))
    again = "python -m benchmarks.roofline draws it anew"
    assert name in (roofline.RESULTS / "roofline.svg").read_text(), again
