"""A training that diverges stops at once, says where, and spoils no checkpoint."""

import os
import signal
from dataclasses import dataclass

import numpy as np
import pytest

import tinyvision as tv
from tests.train.small import Hook, batches, small_file, small_net, small_trainer
from tinyvision import nn, optim
from tinyvision.errors import TrainingError
from tinyvision.tensor import Tensor
from tinyvision.train import Checkpoints, Trainer, evaluate
from tinyvision.train.health import first_non_finite


@dataclass(eq=False)
class Overflow(nn.Layer):
    """Turns every number into infinity, from its second run in training on."""

    runs: int = 0

    def forward(self, x):
        self.runs += self.training
        return x * (np.inf if self.runs > 1 else 1.0)


def overflowing() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(4, 3, name="conv"),
        Overflow(name="faulty"),
        nn.BatchNorm2d(name="norm"),
        nn.Flatten(),
        nn.Dense(3, name="answer"),
    )
    model.build((8, 8, 1), seed=0)
    return model


# batch norm behind the faulty layer subtracts infinity from infinity, which NumPy remarks on
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_layer_that_overflows_is_named_and_not_the_norm_behind_it(tmp_path):
    model, train = overflowing(), batches(24, 8)
    checkpoints = Checkpoints(tmp_path, small_file(model, train.preprocess))
    trainer = Trainer(model, optim.SGD(model, 0.01), checkpoints=checkpoints, eager=True)
    with pytest.raises(TrainingError) as caught:
        trainer.fit(train, epochs=1)
    assert "the loss is nan at step 2 (epoch 1, batch 2)" in str(caught.value)
    assert "the output of layer 'faulty' (Mul)" in str(caught.value)
    assert f"the last good checkpoint is {checkpoints.last}" in str(caught.value)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide by zero):RuntimeWarning")
def test_a_huge_learning_rate_stops_and_leaves_a_good_checkpoint(tmp_path):
    model = nn.Sequential(nn.Flatten(), nn.Dense(9, name="a"), nn.ReLU(), nn.Dense(3, name="b"))
    model.build((8, 8, 1), seed=0)
    train = batches(24, 8)
    checkpoints = Checkpoints(tmp_path, small_file(model, train.preprocess))
    start = model.state()
    trainer = Trainer(model, optim.SGD(model, 1e30), checkpoints=checkpoints)
    with pytest.raises(TrainingError, match=r"at step \d+ \(epoch 1, batch \d+\).*lower learning"):
        trainer.fit(train, batches(6), epochs=9)
    kept = tv.load(checkpoints.last).model.state()
    assert all(np.array_equal(start[path], kept[path]) for path in start)
    assert not checkpoints.best.exists()


def test_weights_that_the_last_step_broke_are_not_saved(tmp_path):
    """The loss of a step is that before it: the end of the epoch has to look at the weights."""
    train = batches(24, 8)
    trainer = small_trainer()
    trainer.checkpoints = Checkpoints(tmp_path, small_file(trainer.model, train.preprocess))

    def break_weights() -> None:
        dict(trainer.model.named_parameters())["answer.w"].data[1, 2] = np.nan

    trainer.display = Hook(1, 3, break_weights)
    with pytest.raises(
        TrainingError, match=r"weights 'answer\.w' hold NaN or infinity after step 6"
    ):
        trainer.fit(train, epochs=5)
    kept = tv.load(trainer.checkpoints.last, with_training=True)
    assert kept.training["resume"]["position"]["epoch"] == 1
    for path in (trainer.checkpoints.last, trainer.checkpoints.best):
        assert all(np.isfinite(a).all() for a in tv.load(path).model.state().values())


def test_ctrl_c_after_a_step_that_broke_the_weights_saves_nothing(tmp_path):
    train = batches(24, 8)
    trainer = small_trainer()
    trainer.checkpoints = Checkpoints(tmp_path, small_file(trainer.model, train.preprocess))

    def break_and_interrupt() -> None:
        dict(trainer.model.named_parameters())["conv.b"].data[0] = np.inf
        os.kill(os.getpid(), signal.SIGINT)

    trainer.display = Hook(0, 2, break_and_interrupt)
    with pytest.raises(
        TrainingError, match=r"weights 'conv\.b' .* after step 2 \(epoch 1, batch 2"
    ):
        trainer.fit(train, epochs=1)
    kept = tv.load(trainer.checkpoints.last).model.state()
    assert np.isfinite(kept["conv.b"]).all()


def test_a_batch_that_is_no_numbers_is_named():
    x = np.zeros((2, 8, 8, 1), np.float32)
    x[1, 2, 3] = np.nan
    with pytest.raises(TrainingError, match="first not finite is the input batch itself"):
        small_trainer().train_step(x, np.array([0, 1]))


def test_evaluating_broken_weights_names_them():
    model = small_net()
    dict(model.named_parameters())["conv.b"].data[0] = np.inf
    with (
        pytest.raises(TrainingError, match=r"stripes: the loss is nan: .* the weights 'conv\.b'"),
        np.errstate(invalid="ignore"),
    ):
        evaluate(model, batches(6))


def test_the_same_dropout_is_drawn_again_for_the_search():
    """The fault shows only for images that dropout spares, and is found all the same."""

    @dataclass(eq=False)
    class Picky(nn.Layer):
        def forward(self, x):
            spared = bool((x.data != 0).all())
            return x * (np.inf if spared else 1.0)

    model = nn.Sequential(nn.Dropout(0.5), Picky(name="picky"), nn.Dense(2, name="d"))
    model.build((6,), seed=0)
    trainer = Trainer(model, optim.SGD(model, 1e-3))
    x, labels = np.ones((1, 6), np.float32), np.array([0])
    with np.errstate(invalid="ignore"):
        for _ in range(1000):  # one in 2^6 has the fault, so it comes, but not twice in a row
            try:
                trainer.train_step(x, labels)
            except TrainingError as error:
                assert "the output of layer 'picky'" in str(error)
                return
    pytest.fail("dropout never spared all six numbers")


def test_faults_outside_of_layers():
    class Bare(nn.Layer):
        def forward(self, x):
            return x * np.inf

    x = Tensor(np.ones((1, 2), np.float32))
    assert first_non_finite(Bare(), x) == "an output of the model itself (Mul)"
    assert first_non_finite(nn.Flatten(), x).startswith("the loss itself")
