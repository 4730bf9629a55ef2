"""Checkpoints: a run that was stopped anywhere goes on to the very same bits."""

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

import tinyvision as tv
from tests.train.small import Hook, batches, small_file, small_net, small_trainer
from tinyvision import modelfile, optim
from tinyvision.errors import ModelFileError
from tinyvision.schedules import OneCycle
from tinyvision.train import Checkpoints, Display, Trainer, restore

EPOCHS = 3  # of four batches each: 8, 8, 8 and 3 images
COUNT = 27


def trainer_in(folder: Path, file: modelfile.ModelFile, **options) -> Trainer:
    """A run with everything that has a state.

    Momentum, schedule, dropout, running statistics, and a running average of the weights.
    """
    optimizer = optim.AdamW(file.model, OneCycle(0.02, EPOCHS * 4), clip_norm=1.0, average=0.9)
    return Trainer(file.model, optimizer, checkpoints=Checkpoints(folder, file), **options)


def start(folder: Path, **options) -> Trainer:
    tv.seed(7)
    model = small_net()
    return trainer_in(folder, small_file(model, batches(COUNT).preprocess), **options)


def go_on(folder: Path, **options) -> Trainer:
    tv.seed(99)  # wherever the stream stands in a new process, the checkpoint knows better
    file = modelfile.load(folder / "last.safetensors", with_training=True)
    trainer = trainer_in(folder, file, **options)
    trainer.position, trainer.history = restore(file, trainer.optimizer)
    return trainer


def fit(trainer: Trainer) -> Trainer:
    trainer.fit(batches(COUNT), batches(9, data=1), epochs=EPOCHS)
    return trainer


def result(trainer: Trainer) -> tuple[dict[str, bytes], list[dict[str, object]], bytes]:
    """All bits that a run leaves: weights, figures, the best model's file."""
    weights = {path: array.tobytes() for path, array in trainer.model.state().items()}
    best = trainer.checkpoints.best.read_bytes()
    return weights, trainer.history.to_data(times=False), best


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    with tv.using("reference"):
        return result(fit(start(tmp_path_factory.mktemp("undisturbed"))))


@pytest.mark.parametrize(
    ("epoch", "batch"), [(0, 1), (0, 4), (1, 2), (1, 3), (2, 4)], ids=lambda n: str(n)
)
def test_ctrl_c_after_any_batch_changes_no_bit(tmp_path, undisturbed, epoch, batch):
    handler = signal.getsignal(signal.SIGINT)
    trainer = fit(start(tmp_path, display=Hook(epoch, batch, press_ctrl_c)))
    assert trainer.stopped == "interrupted"
    assert (trainer.position.epoch, trainer.position.batch) == (epoch, batch)
    assert signal.getsignal(signal.SIGINT) is handler
    again = fit(go_on(tmp_path))
    assert again.stopped == "finished"
    assert result(again) == undisturbed


def test_ctrl_c_during_validation_lets_it_end(tmp_path, undisturbed):
    class Impatient(Display):
        def validating(self):
            press_ctrl_c()

    trainer = fit(start(tmp_path, display=Impatient()))
    assert (trainer.stopped, trainer.position.epoch, trainer.position.batch) == (
        "interrupted",
        1,
        0,
    )
    assert result(fit(go_on(tmp_path))) == undisturbed


def test_being_told_to_end_is_like_ctrl_c(tmp_path, undisturbed):
    hook = Hook(1, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert fit(start(tmp_path, display=hook)).stopped == "interrupted"
    assert result(fit(go_on(tmp_path))) == undisturbed


def test_many_interruptions(tmp_path, undisturbed):
    trainer = start(tmp_path, display=Hook(0, 3, press_ctrl_c))
    for epoch, batch in ((0, 3), (1, 1), (1, 4), (2, 2)):
        trainer.display = Hook(epoch, batch, press_ctrl_c)
        assert fit(trainer).stopped == "interrupted"
        trainer = go_on(tmp_path)
    assert result(fit(trainer)) == undisturbed


def test_a_second_ctrl_c_leaves_at_once(tmp_path, undisturbed):
    def twice() -> None:
        press_ctrl_c()
        press_ctrl_c()

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(start(tmp_path, display=Hook(1, 2, twice)))
    assert signal.getsignal(signal.SIGINT) is handler
    saved = modelfile.load(tmp_path / "last.safetensors", with_training=True)
    assert saved.training["resume"]["position"]["epoch"] == 1  # as the last epoch left it
    assert saved.training["resume"]["position"]["batch"] == 0
    assert result(fit(go_on(tmp_path))) == undisturbed


def test_a_signal_to_be_ignored_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as nohup, or & in a script
    try:
        assert fit(start(tmp_path, display=Hook(0, 2, press_ctrl_c))).stopped == "finished"
    finally:
        signal.signal(signal.SIGINT, before)


def test_going_on_with_a_finished_run_changes_nothing(tmp_path, undisturbed):
    fit(start(tmp_path))
    assert result(fit(go_on(tmp_path))) == undisturbed


# --- what cannot be resumed -----------------------------------------------------------------------


def test_files_that_are_no_checkpoint_of_this_optimizer(tmp_path):
    fit(start(tmp_path))
    best = modelfile.load(tmp_path / "best.safetensors", with_training=True)
    with pytest.raises(ModelFileError, match=r"no state to resume from: use last\.safetensors"):
        restore(best, optim.AdamW(best.model))
    last = modelfile.load(tmp_path / "last.safetensors", with_training=True)
    with pytest.raises(ModelFileError, match="trained with AdamW, not SGD"):
        restore(last, optim.SGD(last.model))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r.pop("random"), "has no 'random'"),
        (lambda r: r.update(random=[1, "two"]), "does not fit"),
        (lambda r: r["position"].update(page=3), "does not fit: .*page"),
        (lambda r: r.update(position=None), "does not fit"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path, damage, message):
    fit(start(tmp_path))
    last = modelfile.load(tmp_path / "last.safetensors", with_training=True)
    damage(last.training["resume"])
    with pytest.raises(ModelFileError, match=message):
        restore(last, optim.AdamW(last.model, average=0.9))


# --- disks ----------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_to_shows_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("in the way")
    steps = []
    display = Hook(0, 1, lambda: steps.append(1))
    with pytest.raises(OSError, match=r"cannot write .*last\.safetensors: .* is a file, not a"):
        fit(start(tmp_path / "file", display=display))
    assert not steps


def test_a_full_disk_ends_the_run_and_spares_the_old_checkpoint(tmp_path):
    contents: list[bytes] = []
    old = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk() -> None:
        contents.append((tmp_path / "last.safetensors").read_bytes())
        contents.append((tmp_path / "best.safetensors").read_bytes())
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, old[1]))  # Python ignores SIGXFSZ

    try:
        with pytest.raises(OSError, match=r"cannot write .*the file that was there is intact"):
            fit(start(tmp_path, display=Hook(1, 2, fill_the_disk)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert (tmp_path / "last.safetensors").read_bytes() == contents[0]
    assert (tmp_path / "best.safetensors").read_bytes() == contents[1]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["best.safetensors", "last.safetensors"]


def test_a_trainer_without_checkpoints_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_trainer().fit(batches(), epochs=1)
    assert not list(tmp_path.iterdir())


def test_what_the_files_hold(tmp_path):
    trainer = fit(start(tmp_path))
    best = modelfile.load(tmp_path / "best.safetensors", with_training=True)
    last = modelfile.load(tmp_path / "last.safetensors", with_training=True)
    assert not best.tensors
    assert "resume" not in best.training
    assert [row["epoch"] for row in last.training["history"]] == [1, 2, 3]
    assert last.training["history"] == trainer.history.to_data()
    assert "seconds" not in best.training["history"][0]
    assert int(last.tensors["step_count"]) == EPOCHS * 4
    assert {name.split(".")[0] for name in last.tensors} == {"step_count", "m", "v", "average"}
    assert np.isfinite(best.metrics["validation"]["loss"])
