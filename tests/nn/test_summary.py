"""The summary's figures against counts by hand."""

import numpy as np
import pytest

import tinyvision as tv
from tinyvision import nn
from tinyvision.errors import ShapeError
from tinyvision.nn import summarize


def test_lenet5_counted_by_hand():
    model = tv.models.create("lenet5", (28, 28, 1), 10)
    summary = summarize(model, (28, 28, 1))
    expected = {
        # path: output, parameters (weights + biases), FLOPs, values of the output
        "conv1": ((28, 28, 6), 5 * 5 * 1 * 6 + 6, 2 * 25 * 4704, 4704),
        "relu1": ((28, 28, 6), 0, 4704, 4704),
        "pool1": ((14, 14, 6), 0, 4 * 1176, 1176),
        "conv2": ((10, 10, 16), 5 * 5 * 6 * 16 + 16, 2 * 150 * 1600, 1600),
        "relu2": ((10, 10, 16), 0, 1600, 1600),
        "pool2": ((5, 5, 16), 0, 4 * 400, 400),
        "flatten1": ((400,), 0, 0, 400),
        "dense1": ((120,), 400 * 120 + 120, 2 * 400 * 120, 120),
        "relu3": ((120,), 0, 120, 120),
        "dense2": ((84,), 120 * 84 + 84, 2 * 120 * 84, 84),
        "relu4": ((84,), 0, 84, 84),
        "dense3": ((10,), 84 * 10 + 10, 2 * 84 * 10, 10),
    }
    assert {
        row.path: (row.output_shape, row.parameters, row.flops, row.bytes // 4)
        for row in summary.rows
    } == expected
    assert [row.path for row in summary.rows] == list(expected)
    assert summary.total_parameters == model.parameter_count() == 61_706
    assert summary.total_flops == 845_852
    assert summary.total_bytes == 4 * sum(row[3] for row in expected.values())
    assert summary.parameter_bytes == 4 * 61_706


def test_the_table_is_aligned_and_narrow():
    model = tv.models.create("resnet20", (32, 32, 3), 10)
    lines = model.summary((32, 32, 3)).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == ["layer", "type", "output", "parameters", "FLOPs", "bytes"]
    rows = lines[2:-3]
    assert len({len(row) for row in rows[1:]}) == 1  # right-aligned figures end in one column
    assert " ".join(rows[1].split()) == "conv1 Conv2d 32 x 32 x 16 432 884,736 65,536"
    assert lines[-2].split()[:2] == ["total", "269,722"]


def test_deep_paths_are_shortened_from_the_left():
    inner = nn.Sequential(nn.Dense(3, name="the_last_one"), name="a" * 60)
    model = nn.Sequential(nn.Sequential(inner, name="b" * 60))
    lines = model.summary((1000,)).splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("...") and "the_last_one" in line for line in lines)


def test_containers_appear_where_they_compute():
    body = nn.Sequential(nn.Dense(4), nn.ReLU())
    summary = summarize(nn.Sequential(nn.Residual(body), nn.Dropout(0.5)), (4,))
    assert [(row.path, row.type, row.flops) for row in summary.rows] == [
        ("residual1.body.dense1", "Dense", 32),
        ("residual1.body.relu1", "ReLU", 4),
        ("residual1", "Residual", 4),
        ("dropout1", "Dropout", 0),
    ]


def test_a_shared_layer_runs_twice_and_counts_once():
    shared = nn.Dense(4)
    summary = summarize(nn.Sequential(shared, nn.ReLU(), shared), (4,))
    assert [row.parameters for row in summary.rows] == [20, 0, 0]
    assert [row.flops for row in summary.rows] == [32, 4, 32]


def test_summarizing_changes_nothing():
    model = nn.Sequential(nn.BatchNorm2d(), nn.Dropout(0.5), nn.Flatten(), nn.Dense(2))
    model.build((4, 4, 1))
    model[0].eval()
    before, state = model.state(), tv.random.state()
    summarize(model, (4, 4, 1))
    assert [layer.training for layer in model] == [False, True, True, True]
    assert tv.random.state() == state
    assert all(np.array_equal(value, before[path]) for path, value in model.state().items())


def test_float64_counts_eight_bytes():
    model = nn.Sequential(nn.Dense(2))
    model.build((3,))
    model.astype("float64")
    summary = summarize(model, (3,))
    assert summary.total_bytes == 16 and summary.parameter_bytes == 8 * 8


def test_a_shape_that_does_not_fit_is_refused():
    model = tv.models.create("lenet5", (28, 28, 1), 10)
    with pytest.raises(ShapeError, match="Conv2d 'conv1': input has C=3 channels, weight expects"):
        summarize(model, (28, 28, 3))
