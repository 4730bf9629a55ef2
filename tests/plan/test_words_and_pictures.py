"""A plan as people see it: the table, the picture, the profile."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinyvision as tv
from tests.plan.networks import NETWORKS, images, labels
from tinyvision import backend, models, nn
from tinyvision.errors import PlanError
from tinyvision.plan.table import rows

SVG = "{http://www.w3.org/2000/svg}"


def lenet5(train: bool) -> tv.Plan:
    model = models.create("lenet5", (28, 28, 1), 10)
    loss = nn.CrossEntropy() if train else None
    return tv.compile(model, (4, 28, 28, 1), train=train, loss=loss)


def test_steps_are_counted_as_the_direct_method_multiplies():
    with backend.using("reference"):
        (ready,) = lenet5(train=True)._ready.values()
    found = {(row.step, row.layers): row for row in rows(ready.engine)}
    first = found["conv2d_relu_max_pool", "conv1 + relu1 + pool1"]
    assert first.flops == 2 * 4 * 28 * 28 * 6 * 5 * 5 * 1
    assert first.output == (4, 14, 14, 6)
    # x, w, b in, y and its argmax out
    assert first.bytes == 4 * (4 * 28 * 28 + 150 + 6 + 4 * 14 * 14 * 6) + 4 * 14 * 14 * 6
    second = 2 * 4 * 10 * 10 * 16 * 5 * 5 * 6
    for kernel in ("conv2d_relu_max_pool", "conv2d_dx", "conv2d_dw"):
        assert found[kernel, "conv2 + relu2 + pool2"].flops == second
    for kernel in ("dense_relu", "dense_dx", "dense_dw"):
        assert found[kernel, "dense1 + relu3"].flops == 2 * 4 * 400 * 120
    assert not found["dense_relu", "dense1 + relu3"].backward
    assert found["dense_dw", "dense1 + relu3"].backward
    assert found["dense_dw", "dense1 + relu3"].place == "gradient"


def test_the_table_says_what_became_of_each_layer():
    with backend.using("reference"):
        text = str(lenet5(train=True))
        assert "training on 4x28x28x1 and 4, backend reference" in text
        assert "fused: Conv2d + ReLU + MaxPool2d (conv1 + relu1 + pool1)" in text
        assert re.search(r"^20 steps|^21 steps", text, re.MULTILINE)
        assert max(map(len, text.split("\n"))) <= 110
        model = NETWORKS["shared"]()
        model.build((9, 8, 3))
        assert "Python" not in str(tv.compile(model, (2, 9, 8, 3)))
        model = NETWORKS["own op"]()
        model.build((9, 8, 3))
        assert "by Python, not by kernels: Cube" in str(tv.compile(model, (2, 9, 8, 3)))
        assert "(Cube)" in str(tv.compile(model, (2, 9, 8, 3)))


def test_the_memory_that_is_stated_is_what_the_arrays_take():
    with backend.using("reference"):
        model = NETWORKS["conv relu"]()
        model.build((9, 8, 3), seed=1)
        plan = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
    (ready,) = plan._ready.values()
    weights = sum(p.data.nbytes for p in model.parameters())
    assert ready.engine.weights_nbytes == ready.engine.gradients_nbytes == weights
    assert ready.engine.nbytes == ready.engine.layout.size + 2 * weights
    assert f"{ready.engine.nbytes / 2**20:.2f} MiB in all" in str(plan)


@pytest.mark.parametrize("train", [False, True])
def test_the_picture_shows_each_step_and_each_value(train, tmp_path):
    with backend.using("reference"):
        plan = lenet5(train)
        plan.draw(tmp_path / "plan.svg")
    (ready,) = plan._ready.values()
    picture = ET.parse(tmp_path / "plan.svg").getroot()
    texts = ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]
    for i, step in enumerate(ready.engine.record.steps):
        assert f"{i}  {step.kernel}" in texts
    assert ("backward \u2191" in texts) == train
    titles = [element.text or "" for element in picture.iter(f"{SVG}title")]
    values = [title for title in titles if " MiB, steps " in title]
    assert len(values) == len(ready.engine.layout.starts)
    x, y, width, height = map(float, (picture.get("viewBox") or "").split())
    for rectangle in list(picture.iter(f"{SVG}rect"))[1:]:  # the first is the paper
        left, top = float(rectangle.get("x", 0)), float(rectangle.get("y", 0))
        assert x <= left <= left + float(rectangle.get("width", 0)) <= width + 0.1
        assert y <= top <= top + float(rectangle.get("height", 0)) <= height + 0.1


def test_a_profile_times_every_step_and_leaves_the_plan_usable():
    with backend.using("cpu"):
        model = NETWORKS["dropout"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
        x, y = images().astype(np.float32), labels()
        tv.seed(3)
        first = plan.step(x, y)
        profile = plan.profile()
        (ready,) = plan._ready.values()
        assert len(profile.steps) == len(ready.engine.record.steps)
        assert all(step.seconds > 0 for step in profile.steps)
        assert profile.ceilings.gflops > 0
        assert profile.ceilings.gigabytes > 0
        text = str(profile)
        assert all(step.row.step in text for step in profile.steps)
        tv.seed(3)
        assert plan.step(x, y) == first


def test_a_plan_may_be_profiled_before_it_has_run_and_shows_what_came_last():
    with backend.using("cpu"):
        model = NETWORKS["batch norm"]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, (6, 9, 8, 3), train=True, loss=nn.CrossEntropy())
        plan._memory[...] = 255  # labels of -1, if nobody sees to it
        assert all(step.seconds > 0 for step in plan.profile().steps)
        for count in (6, 2, 6):
            plan.step(images(count, count).astype(np.float32), labels(count, count))
        assert str(plan).startswith("training on 6x9x8x3 and 6")
        (first, last) = plan._ready.values()
        assert (first.engine.inputs[0].shape[0], last.engine.inputs[0].shape[0]) == (2, 6)
        plan.profile()


def test_a_plan_without_steps_says_so(tmp_path):
    model = NETWORKS["conv relu"]()
    model.build((9, 8, 3))
    plan = tv.compile(model)
    assert str(plan).startswith("a plan without steps yet")
    with pytest.raises(PlanError, match="no steps yet"):
        plan.profile()
    with pytest.raises(PlanError, match="no steps yet"):
        plan.draw(tmp_path / "plan.svg")
