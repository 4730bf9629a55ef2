"""The loop: that it learns, what it counts, when it stops, which model is the best."""

import signal
import threading
import time

import numpy as np
import pytest

import tinyvision as tv
from tests.train.small import batches, small_file, small_net, small_trainer, stripes
from tinyvision import nn, optim
from tinyvision.data import Batches, Dataset, Preprocess
from tinyvision.errors import DataError
from tinyvision.train import Checkpoints, Display, Trainer, evaluate


def test_it_learns_real_digits():
    splits = tv.data.load("digits")
    prepare = Preprocess.measure(splits.train)
    model = nn.Sequential(nn.Flatten(), nn.Dense(64), nn.ReLU(), nn.Dense(10))
    model.build((8, 8, 1), seed=0)
    trainer = Trainer(model, optim.AdamW(model, 5e-3))
    trainer.fit(Batches(splits.train, prepare, 32, shuffle=True), epochs=8)
    assert trainer.evaluate(Batches(splits.test, prepare, 256)).report.accuracy >= 0.95
    assert trainer.stopped == "finished"


def test_it_learns_stripes_with_convolution_and_batch_norm():
    trainer = small_trainer()
    history = trainer.fit(batches(60), batches(30, data=1), epochs=6)
    assert history.epochs[-1].val_accuracy == 1.0
    assert history.epochs[-1].train_loss < history.epochs[0].train_loss / 3


def test_the_running_average_is_validated_and_saved(tmp_path):
    tv.seed(3)
    model = small_net()
    optimizer = optim.AdamW(model, 0.01, average=0.8)
    checkpoints = Checkpoints(tmp_path, small_file(model, batches().preprocess))
    trainer = Trainer(model, optimizer, checkpoints=checkpoints)
    (epoch,) = trainer.fit(batches(60), batches(30, data=1), epochs=1).epochs
    raw = model.state()
    assert trainer.evaluate(batches(30, data=1)).loss != epoch.val_loss
    with optimizer.averaged():
        assert trainer.evaluate(batches(30, data=1)).loss == epoch.val_loss
        averaged = model.state()
    for name, expected in (("best", averaged), ("last", raw)):
        saved = tv.load(tmp_path / f"{name}.safetensors").model.state()
        assert {path: a.tobytes() for path, a in saved.items()} == {
            path: a.tobytes() for path, a in expected.items()
        }


class Recorder(Trainer):
    """Keeps each step's loss and number of images."""

    def train_step(self, x, labels):
        logits, loss = super().train_step(x, labels)
        self.record.append((loss, logits.argmax(1) == labels))
        return logits, loss


def recorder(**options) -> Recorder:
    model = small_net()
    trainer = Recorder(model, optim.SGD(model, 0.01), **options)
    trainer.record = []
    return trainer


@pytest.mark.parametrize(
    ("count", "size", "steps"), [(21, 8, [8, 8, 5]), (5, 100, [5]), (4, 1, [1] * 4)]
)
def test_the_figures_of_an_epoch_weigh_every_image_alike(count, size, steps):
    trainer = recorder()
    (epoch,) = trainer.fit(batches(count, size), epochs=1).epochs
    assert [len(right) for _, right in trainer.record] == steps
    losses = np.array([loss for loss, _ in trainer.record])
    assert epoch.train_loss == pytest.approx(losses @ np.array(steps) / count)
    rights = np.concatenate([right for _, right in trainer.record])
    assert epoch.train_accuracy == pytest.approx(rights.mean())
    assert (epoch.epoch, epoch.steps, epoch.lr) == (1, len(steps), 0.01)
    assert epoch.val_loss is None
    assert epoch.val_accuracy is None


def test_every_image_once_an_epoch_in_another_order_each_time():
    seen = []

    class Watching(Trainer):
        def train_step(self, x, labels):
            seen.append(x.copy())
            return super().train_step(x, labels)

    model = small_net()
    data = batches(10, 4)
    Watching(model, optim.SGD(model, 0.01)).fit(data, epochs=2)
    first, second = np.concatenate(seen[:3]), np.concatenate(seen[3:])
    everything = data.preprocess.batch(data.dataset.images)
    for epoch in (first, second):
        assert sorted(image.tobytes() for image in epoch) == sorted(
            image.tobytes() for image in everything
        )
    assert first.tobytes() != second.tobytes()


def test_evaluation_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Dense(3, name="d")).eval()
    model.build((8, 8, 1), seed=3)
    data = batches(17, 5, shuffle=False)
    result = evaluate(model, data)
    x = data.preprocess.batch(data.dataset.images).reshape(17, -1).astype(np.float64)
    logits = x @ model.state()["d.w"] + model.state()["d.b"]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = data.dataset.labels
    assert result.loss == pytest.approx(-np.log(shares[np.arange(17), labels]).mean(), rel=1e-5)
    assert result.report.accuracy == pytest.approx((logits.argmax(1) == labels).mean())
    assert result.report.count == 17


def test_evaluation_leaves_the_model_as_it_was():
    model = small_net()
    before = model.state()
    for mode in (True, False):
        model.train(mode)
        evaluate(model, batches(6))
        assert model.training is mode
    assert all(np.array_equal(before[path], now) for path, now in model.state().items())


def test_validation_of_one_image():
    trainer = small_trainer()
    trainer.fit(batches(12), batches(1), epochs=2)
    assert {epoch.val_accuracy for epoch in trainer.history.epochs} <= {0.0, 1.0}


def nobody() -> Batches:
    return Batches(stripes(3).subset([]), Preprocess((8, 8), 1), 4)


def test_no_validation_images_are_no_validation():
    trainer = small_trainer()
    trainer.fit(batches(12), nobody(), epochs=2)
    assert [epoch.val_loss for epoch in trainer.history.epochs] == [None, None]


def test_no_images_to_train_or_measure_on():
    with pytest.raises(DataError, match="stripes: there are no images to train on"):
        small_trainer().fit(nobody(), epochs=1)
    with pytest.raises(DataError, match="stripes: there are no images to measure on"):
        evaluate(small_net(), nobody())


def test_images_of_another_channel_count_are_refused():
    gray = batches(6)
    colour = Batches(gray.dataset, Preprocess((8, 8), 3), 4)
    with pytest.raises(DataError, match=r"C=1, but the network takes RGB \(3 channels\)"):
        small_trainer().fit(colour, epochs=1)


# --- stopping early, the best and the last --------------------------------------------------------


class States(Display):
    """Keeps the weights after each epoch."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.states, self.improved = trainer, [], []

    def epoch(self, record, improved):
        self.states.append(self.trainer.model.state())
        self.improved.append(improved)


def misleading() -> Batches:
    """Validation images whose labels are all wrong: the better the training, the worse they do."""
    right = stripes(30, 5)
    wrong = Dataset(right.images, (right.labels + 1) % 3, right.classes, "wrong")
    return Batches(wrong, Preprocess.measure(wrong), 30)


def test_stopping_early_keeps_the_best_and_the_last(tmp_path):
    train, model = batches(60), small_net()
    checkpoints = Checkpoints(tmp_path, small_file(model, train.preprocess))
    trainer = Trainer(model, optim.Adam(model, 0.01), checkpoints=checkpoints, patience=3)
    trainer.display = watched = States(trainer)
    trainer.fit(train, misleading(), epochs=50)
    epochs = trainer.history.epochs
    best = max(epochs, key=lambda e: (e.val_accuracy, -e.val_loss))
    assert trainer.stopped == "early"
    assert len(epochs) == best.epoch + 3 < 50
    assert watched.improved[best.epoch - 1]
    assert not any(watched.improved[best.epoch :])
    for path, expected in ((checkpoints.best, best.epoch), (checkpoints.last, len(epochs))):
        saved = tv.load(path).model.state()
        assert all(np.array_equal(watched.states[expected - 1][k], saved[k]) for k in saved)
    assert tv.load(checkpoints.best).metrics["validation"]["loss"] == best.val_loss

    trainer.fit(train, misleading(), epochs=50)  # patience does not begin anew
    assert (trainer.stopped, len(epochs)) == ("early", best.epoch + 3)


def test_going_on_for_more_epochs():
    whole, parts = small_trainer(), small_trainer()
    whole.fit(batches(), epochs=3)
    tv.seed(0)
    parts.fit(batches(), epochs=1)
    parts.fit(batches(), epochs=3)
    assert [e.train_loss for e in parts.history.epochs] == [
        e.train_loss for e in whole.history.epochs
    ]


# --- times and threads ----------------------------------------------------------------------------


def test_waiting_for_data_counts_as_such():
    class Slow(Batches):
        def epoch(self, e, *, start=0):
            for batch in super().epoch(e, start=start):
                time.sleep(0.02)
                yield batch

    quick = batches(12, 4)
    slow = Slow(quick.dataset, quick.preprocess, 4)
    (epoch,) = small_trainer().fit(slow, epochs=1).epochs
    assert 3 * 0.02 <= epoch.data_seconds < epoch.seconds
    assert epoch.images_per_second == pytest.approx(12 / epoch.seconds)


def test_training_in_a_thread_touches_no_signal():
    handlers, done = signal.getsignal(signal.SIGINT), []

    class Looking(Display):
        def step(self, at):
            assert signal.getsignal(signal.SIGINT) is handlers

    def work() -> None:
        with tv.using("reference"):  # the choice of a thread is its own
            done.append(small_trainer(display=Looking()).fit(batches(), epochs=1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(done[0]) == 1
