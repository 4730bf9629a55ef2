"""Memory: values that are needed at one time never share it, others do."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinyvision as tv
from tests.plan.networks import NETWORKS, images, labels
from tinyvision import backend, nn
from tinyvision.plan.layout import FOREVER, lay_out
from tinyvision.plan.record import Buffer, Record, Step, View

BYTE = np.dtype(np.uint8)


def whole(buffer: Buffer) -> View:
    return View(buffer, 0, (buffer.nbytes,), BYTE)


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Steps that each write a buffer and read some of those before."""
    buffers: list[Buffer] = []
    steps = []
    for _ in range(draw(st.integers(1, 15))):
        reads = draw(st.lists(st.sampled_from(buffers), max_size=3)) if buffers else []
        buffer = Buffer(draw(st.integers(0, 500)))
        steps.append(Step("", (whole(buffer),), tuple(map(whole, reads))))
        buffers.append(buffer)
    outputs = draw(st.lists(st.sampled_from(buffers), max_size=2))
    return Record(steps, outputs=[whole(buffer) for buffer in outputs])


@settings(max_examples=200, deadline=None, derandomize=True)
@given(records())
def test_what_is_needed_at_one_time_lies_apart(record):
    layout = lay_out(record)
    content: dict[int, Buffer] = {}  # who has written each byte last
    for step in record.steps:
        for view in step.reads:
            start = layout.starts[view.buffer]
            assert all(content[i] is view.buffer for i in range(start, start + view.nbytes))
        for view in step.writes:
            start = layout.starts[view.buffer]
            assert start % 64 == 0
            assert start + view.nbytes <= layout.size
            content |= dict.fromkeys(range(start, start + view.nbytes), view.buffer)
    for view in record.outputs:
        assert view.buffer.last == FOREVER
        start = layout.starts[view.buffer]
        assert all(content[i] is view.buffer for i in range(start, start + view.nbytes))


def test_a_chain_takes_the_room_of_two():
    buffers = [Buffer(640) for _ in range(9)]
    steps = [Step("", (whole(b),), (whole(a),)) for a, b in pairwise(buffers)]
    layout = lay_out(Record(steps, outputs=[whole(buffers[-1])]))
    assert layout.size == 2 * 640
    assert layout.apart == 9 * 640
    # an input stays, for who wants to run the steps again
    assert lay_out(Record(steps, inputs=[whole(buffers[0])])).size == 3 * 640


def test_what_is_computed_in_place_takes_no_room():
    x, y, dz = (Buffer(640) for _ in range(3))
    reads = (whole(x), whole(y))
    first = Step("", (whole(x), whole(y)), ())
    step = Step("relu_dx", (whole(dz),), reads)
    assert lay_out(Record([first, step], outputs=[whole(dz)])).size == 2 * 640
    again = Step("", (), reads)  # both are still needed
    assert lay_out(Record([first, step, again], outputs=[whole(dz)])).size == 3 * 640


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_read_that_the_run_has_not_written(name):
    """Fill the memory with NaN before a step: whoever reads too early, or too late, shows."""
    with backend.using("reference"):
        model = NETWORKS[name]()
        model.build((9, 8, 3), seed=3)
        plan = tv.compile(model, train=True, loss=nn.CrossEntropy())
        x, y = images().astype(np.float32), labels()
        tv.seed(1)
        first = plan.step(x, y)
        gradients = [p.grad.copy() for p in model.parameters()]
        (ready,) = plan._ready.values()
        seed = ready.engine.seed.copy()
        plan._memory[...] = 255  # every float32 is NaN
        ready.engine.seed[...] = seed
        for p in model.parameters():
            p.grad[...] = np.nan
        tv.seed(1)
        assert plan.step(x, y) == first
        for p, gradient in zip(model.parameters(), gradients, strict=True):
            np.testing.assert_array_equal(p.grad, gradient)
