"""Checkpoints: the best model so far, and the last state to go on from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import modelfile, random
from ..errors import ModelFileError
from ..modelfile import ModelFile
from ..optim import Optimizer
from .history import History


@dataclass
class Position:
    """Where a run stands: the next batch to train on, and the sums over the epoch's batches so far.

    ``batch`` counts the batches of ``epoch`` that are done. The sums make the figures of an epoch
    that was interrupted the same as those of one that was not.
    """

    epoch: int = 0
    batch: int = 0
    seen: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0


class Checkpoints:
    """Writes ``best.safetensors`` and ``last.safetensors`` into a folder, each atomically.

    Parameters
    ----------
    folder : path
        Made when first needed.
    file : ModelFile
        What every checkpoint carries: the model (its weights are read at each save), labels,
        preprocessing, training record.
    """

    def __init__(self, folder: str | Path, file: ModelFile) -> None:
        self.folder = Path(folder)
        # a file to resume from brings a state along, which is not that of the next checkpoint
        record = {key: value for key, value in file.training.items() if key != "resume"}
        self.file = replace(file, training=record, tensors={})

    @property
    def best(self) -> Path:
        """The best model by validation."""
        return self.folder / "best.safetensors"

    @property
    def last(self) -> Path:
        """The state to resume from."""
        return self.folder / "last.safetensors"

    def save_best(self, history: History) -> None:
        """Write the model as it is now as the best one."""
        last = history.epochs[-1]
        metrics = {"validation": {"loss": last.val_loss, "accuracy": last.val_accuracy}}
        training = {**self.file.training, "history": history.to_data(times=False)}
        modelfile.save(replace(self.file, metrics=metrics, training=training), self.best)

    def save_last(self, optimizer: Optimizer, position: Position, history: History) -> None:
        """Write everything a resumed run needs to go on as if nothing had happened."""
        seed, count = random.state()
        resume: dict[str, Any] = {
            "position": vars(position),
            "random": [seed, count],
            "optimizer": type(optimizer).__name__,
        }
        training = {**self.file.training, "history": history.to_data(), "resume": resume}
        modelfile.save(replace(self.file, training=training, tensors=optimizer.state()), self.last)


def restore(file: ModelFile, optimizer: Optimizer) -> tuple[Position, History]:
    """Put the optimiser and the random stream where a checkpoint left them.

    Parameters
    ----------
    file : ModelFile
        Loaded with ``with_training=True``; ``optimizer`` belongs to its model.

    Raises
    ------
    ModelFileError
        The file is a finished model, not a checkpoint, or of another optimiser, or damaged.
    """
    resume = file.training.get("resume")
    if not isinstance(resume, dict):
        raise ModelFileError("this model file holds no state to resume from: use last.safetensors")
    if resume.get("optimizer") != type(optimizer).__name__:
        raise ModelFileError(
            f"the checkpoint was trained with {resume.get('optimizer')}, not "
            f"{type(optimizer).__name__}"
        )
    try:
        position = Position(**resume["position"])
        history = History.from_data(file.training.get("history", []))
        seed, count = resume["random"]
        optimizer.load_state(file.tensors)
        random.restore((seed, count))
    except KeyError as error:
        raise ModelFileError(f"the checkpoint's training record has no {error}") from error
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the checkpoint's training record does not fit: {error}") from error
    return position, history
