"""What a plan is made from: a graph of what runs, and a refusal where that changes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import tinyvision as tv
from tests.ops.strict_backend import STRICT
from tests.train.small import batches
from tinyvision import backend, nn, optim, random
from tinyvision.errors import PlanError, ShapeError
from tinyvision.plan import Forward
from tinyvision.plan.trace import Spec, trace
from tinyvision.tensor import Tensor

FLOAT = np.dtype(np.float32)


def test_each_op_is_noted_with_its_layer_and_nothing_is_computed():
    model = nn.Sequential(nn.Conv2d(4, 3), nn.BatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.Dense(2))
    model.build((6, 5, 3))
    before = model.state()
    random.seed(4)
    graph = trace(model, [Spec((7, 6, 5, 3), FLOAT)], train=True)
    assert [(node.op.name, node.paths) for node in graph.nodes] == [
        ("Conv2d", ("conv1",)),
        ("BatchNorm", ("norm1",)),
        ("ReLU", ("relu1",)),
        ("Reshape", ("flatten1",)),
        ("Dense", ("dense1",)),
    ]
    assert [node.output.shape for node in graph.nodes] == [
        (7, 4, 3, 4), (7, 4, 3, 4), (7, 4, 3, 4), (7, 48), (7, 2),
    ]  # fmt: skip
    assert graph.root is graph.outputs[0] is graph.nodes[-1].output
    leaves = {id(value.tensor) for value in graph.leaves()}
    assert leaves == {id(tensor) for _, tensor in model.tensors()}
    assert random.state() == (4, 0)
    for path, value in model.state().items():  # running statistics did not move
        np.testing.assert_array_equal(value, before[path])


def test_a_wrong_shape_is_refused_by_the_layer():
    model = nn.Sequential(nn.Conv2d(4, 3), nn.Flatten(), nn.Dense(2))
    model.build((6, 5, 3))
    with pytest.raises(ShapeError, match=r"Dense 'dense1'.*I=64 features, weight expects 48"):
        tv.compile(model, (1, 6, 6, 3))


@dataclass(eq=False)
class Restless(nn.Layer):
    """Does something else at each run."""

    way: str
    runs: int = 0

    def forward(self, x: Tensor) -> Any:
        self.runs += 1
        if self.way == "more ops":
            for _ in range(self.runs):
                x = x + 1.0
        if self.way == "another op":
            return x.exp() if self.runs % 2 else x.abs()
        if self.way == "another setting":
            return x.clip(0, self.runs)
        if self.way == "another constant":
            return x * Tensor(np.full(3, self.runs, np.float32))
        if self.way == "numbers for an index":
            return x[np.flatnonzero(x.numpy()[:, 0] < 1)]
        if self.way == "another wiring":
            y = x + 1.0
            return x - y if self.runs % 2 else y - x
        return x


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("more ops", "does not do the same each time: it ran 1 ops, then 2"),
        ("another op", "layer 'odd' does not do the same each time: it ran Exp"),
        ("another setting", r"it ran Clip\(low=0, high=1\), then Clip\(low=0, high=2\)"),
        ("another constant", "it took a constant into Mul, then another one"),
        ("numbers for an index", "it ran GetItem"),
        ("another wiring", "it ran Sub"),
    ],
)
def test_what_changes_from_run_to_run_is_refused(way, message):
    model = nn.Sequential(Restless(way, name="odd"))
    with pytest.raises(PlanError, match=message):
        tv.compile(model, (2, 3))


def test_training_and_inference_go_on_without_a_plan_where_there_can_be_none():
    model = nn.Sequential(nn.Flatten(), nn.Dense(8), Restless("more ops"), nn.ReLU(), nn.Dense(3))
    model.build((8, 8, 1), seed=1)
    trainer = tv.train.Trainer(model, optim.Adam(model, 0.01))
    history = trainer.fit(batches(), batches(12, data=1), epochs=3)
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss


def test_where_arrays_are_not_numpys_there_is_no_plan_and_training_goes_on():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3))
    with backend.using(STRICT):
        model.build((8, 8, 1), seed=1)
        with pytest.raises(PlanError, match="use the model as it is"):
            tv.compile(model, (2, 8, 8, 1))
        x = np.zeros((2, 8, 8, 1), np.float32)
        assert Forward(model)(x).shape == (2, 3)


def test_tracing_needs_no_kernels_and_no_memory():
    model = nn.Sequential(nn.Conv2d(64, 3, pad=1), nn.ReLU(), nn.Conv2d(64, 3, pad=1))
    model.build((512, 512, 3))
    with backend.using("reference"):
        # 64 maps of 512 x 512 for 256 images: 16 GiB a layer, of which nobody touches a byte
        graph = trace(model, [Spec((256, 512, 512, 3), FLOAT)], train=False)
    assert graph.outputs[0].shape == (256, 512, 512, 64)
