"""What a running training shows: a live bar in a terminal, plain lines elsewhere, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..data import Splits
from ..nn.layer import Layer
from .checkpoint import Position
from .history import EpochRecord

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID


class Display:
    """Shows nothing; the base of the others."""

    def reading(self, done: int, total: int | None) -> None:
        """So many images, or bytes of a download, are there (in all None: nobody knows)."""

    def prepared(self, splits: Splits, model: Layer) -> None:
        """Data and model are ready."""

    @contextmanager
    def running(self, epochs: int, steps: int) -> Iterator[None]:
        """Surround a training run of so many epochs of so many steps."""
        yield

    def step(self, at: Position) -> None:
        """A batch is done."""

    def epoch(self, record: EpochRecord, improved: bool) -> None:
        """An epoch is done and validated."""


def describe(record: EpochRecord, improved: bool) -> str:
    """Return one line on an epoch."""
    parts = [f"loss {record.train_loss:.4f}", f"accuracy {record.train_accuracy:.2%}"]
    if record.val_loss is not None and record.val_accuracy is not None:
        parts.append(f"validation loss {record.val_loss:.4f}, accuracy {record.val_accuracy:.2%}")
    parts.append(f"{record.images_per_second:,.0f} images/s")
    parts.append(f"{record.seconds:.1f} s")
    return f"epoch {record.epoch}  " + "  ".join(parts) + ("  (best)" if improved else "")


class TerminalDisplay(Display):
    """A line per epoch; in a real terminal also a bar with loss, accuracy, images/s, time left."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.progress: Progress | None = None
        self.task: TaskID | None = None
        self.epochs = self.steps = 0

    def reading(self, done: int, total: int | None) -> None:
        """So many images, or bytes of a download, are there (in all None: nobody knows)."""
        if not self.console.is_terminal:
            return
        if self.progress is None:
            self.progress = _make_progress(self.console)
            self.task = self.progress.add_task("reading", total=total, figures="")
            self.progress.start()
        assert self.task is not None
        self.progress.update(self.task, completed=done, total=total)
        if total is not None and done >= total:
            self.close()

    def close(self) -> None:
        """Take the live bar off the screen."""
        if self.progress is not None:
            self.progress.stop()
        self.progress = self.task = None

    def prepared(self, splits: Splits, model: Layer) -> None:
        """Say what is about to be trained on what."""
        self.close()
        H, W, C = splits.train.image_shape
        self.say(
            f"{splits.train.name}: {len(splits.train):,} images to train, {len(splits.val):,} to "
            f"validate, {len(splits.test):,} to test; {len(splits.train.classes)} classes, "
            f"{H} x {W} x {C}"
        )
        for skipped in splits.skipped:
            self.say(f"  left out {skipped.path}: {skipped.reason}")
        self.say(f"model: {model.parameter_count():,} parameters")

    def say(self, line: str) -> None:
        """Print one line as it is."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def running(self, epochs: int, steps: int) -> Iterator[None]:
        """Surround a training run of so many epochs of so many steps."""
        self.epochs, self.steps = epochs, steps
        if not self.console.is_terminal:
            yield
            return
        self.progress = _make_progress(self.console)
        self.task = self.progress.add_task("", total=epochs * steps, figures="")
        self.progress.start()
        try:
            yield
        finally:
            self.close()

    def step(self, at: Position) -> None:
        """A batch is done."""
        if self.progress is None or self.task is None:
            return
        figures = (
            f"loss {at.loss_sum / at.seen:.4f}  accuracy {at.correct / at.seen:.1%}  "
            f"{at.seen / max(at.seconds, 1e-9):,.0f} images/s"
        )
        self.progress.update(
            self.task,
            completed=at.epoch * self.steps + at.batch,
            description=f"epoch {at.epoch + 1}/{self.epochs}",
            figures=figures,
        )

    def epoch(self, record: EpochRecord, improved: bool) -> None:
        """An epoch is done and validated."""
        self.say(describe(record, improved))


def _make_progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
    ]
    return Progress(*columns, console=console, transient=True)
