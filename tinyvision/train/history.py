"""What happened in each epoch, as data."""

from dataclasses import asdict, dataclass, field
from typing import Any

TIMES = ("seconds", "data_seconds", "images_per_second")  # what differs from run to run


@dataclass(frozen=True)
class EpochRecord:
    """Figures of one epoch; the validation ones are None without validation data.

    ``seconds`` covers the training batches, ``data_seconds`` the part of it spent waiting for them.
    A finished model's file keeps no times: the same run makes the same bytes, however long it took.
    """

    epoch: int
    steps: int
    lr: float
    train_loss: float
    train_accuracy: float
    val_loss: float | None
    val_accuracy: float | None
    seconds: float | None = None
    data_seconds: float | None = None
    images_per_second: float | None = None

    @property
    def waiting(self) -> float | None:
        """Share of the training's time spent waiting for data, 0 to 1."""
        if not self.seconds or self.data_seconds is None:
            return None
        return self.data_seconds / self.seconds


@dataclass
class History:
    """The epochs of a run, in order; continued over interruptions."""

    epochs: list[EpochRecord] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.epochs)

    def best(self) -> EpochRecord | None:
        """Return the epoch with the highest validation accuracy, ties by the lower loss."""
        judged = [e for e in self.epochs if e.val_accuracy is not None]
        return max(judged, key=quality, default=None)

    def to_data(self, *, times: bool = True) -> list[dict[str, Any]]:
        """Return a list of plain dictionaries, with or without the times."""
        rows = [asdict(epoch) for epoch in self.epochs]
        return [{k: v for k, v in row.items() if times or k not in TIMES} for row in rows]

    @classmethod
    def from_data(cls, data: list[dict[str, Any]]) -> "History":
        """Rebuild what :meth:`to_data` returned."""
        return cls([EpochRecord(**row) for row in data])


def quality(epoch: EpochRecord) -> tuple[float, float]:
    """Order epochs by validation accuracy, ties by loss; by training figures without validation."""
    if epoch.val_accuracy is None or epoch.val_loss is None:
        return epoch.train_accuracy, -epoch.train_loss
    return epoch.val_accuracy, -epoch.val_loss
