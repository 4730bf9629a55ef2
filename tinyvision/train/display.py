"""What a running training shows: a live bar in a terminal, plain lines elsewhere, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..data import Splits
from ..nn.layer import Layer
from .checkpoint import Position
from .history import EpochRecord

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

HEADER = "  epoch      loss  accuracy  val loss  val acc.  images/s   waits     time"


class Display:
    """Shows nothing; the base of the others."""

    def reading(self, done: int, total: int | None) -> None:
        """So many images, or bytes of a download, are there (in all None: nobody knows)."""

    def prepared(self, splits: Splits, model: Layer, folder: Path) -> None:
        """Data and model are ready; checkpoints will be written to ``folder``."""

    def compiling(self, done: int, total: int, kernel: str) -> None:
        """So many kernels are compiled that the first training on a machine needs."""

    @contextmanager
    def running(self, epochs: int, steps: int, done: int) -> Iterator[None]:
        """Surround the training: epochs of so many steps each, and all steps done already."""
        yield

    def step(self, at: Position) -> None:
        """A batch is done."""

    def validating(self) -> None:
        """An epoch's last batch is done, and validation begins."""

    def epoch(self, record: EpochRecord, improved: bool) -> None:
        """An epoch is done and validated."""


def describe(record: EpochRecord, epochs: int, improved: bool) -> str:
    """Return a line on an epoch, in the columns of ``HEADER``.

    "waits" is the share of the time in which the network had to wait for its images.
    """
    number = f"{record.epoch}/{epochs}"
    training = f"{_loss(record.train_loss)}  {_percent(record.train_accuracy)}"
    validation = f"{_loss(record.val_loss)}  {_percent(record.val_accuracy)}"
    waits = f"{100 * (record.waiting or 0):>5.1f} %"
    speed = f"{record.images_per_second or 0:>8,.0f} {waits}  {record.seconds or 0:>5.1f} s"
    best = "  best" if improved else ""
    return f"{number:>7}  {training}  {validation}  {speed}{best}"


def _loss(value: float | None) -> str:
    return f"{'-':>8}" if value is None else f"{value:8.4f}"


def _percent(share: float | None) -> str:
    return f"{'-':>8}" if share is None else f"{100 * share:6.2f} %"


class TerminalDisplay(Display):
    """A line per epoch; in a real terminal also a bar with loss, accuracy, images/s, time left.

    Use it in a ``with`` block: whatever happens inside, the bar leaves the screen.
    """

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.epochs = self.steps = 0
        self._bar: tuple[Progress, TaskID] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the live bar off the screen."""
        if self._bar is not None:
            progress, _ = self._bar
            self._bar = None
            progress.stop()

    def say(self, line: str) -> None:
        """Print one line as it is; what a file name holds beyond Unicode shows as "?"."""
        whole = line.encode("utf-8", "replace").decode("utf-8")
        self.console.print(whole, highlight=False, markup=False, soft_wrap=True)

    def reading(self, done: int, total: int | None) -> None:
        """So many images, or bytes of a download, are there (in all None: nobody knows)."""
        self._show("reading", done, total, f"{done:,}" + (f" of {total:,}" if total else ""))
        if total is not None and done >= total:
            self.close()

    def prepared(self, splits: Splits, model: Layer, folder: Path) -> None:
        """Say what is about to be trained on what, and where it will be kept."""
        self.close()
        H, W, C = splits.image_shape
        for skipped in splits.skipped:
            self.say(f"left out {skipped.path}: {skipped.reason}")
        self.say(
            f"{len(splits.train):,} images to train, {len(splits.val):,} to validate, "
            f"{len(splits.test):,} to test; {len(splits.classes)} classes, {H} x {W} x {C}"
        )
        self.say(f"{model.parameter_count():,} parameters; checkpoints in {folder}\n")

    def compiling(self, done: int, total: int, kernel: str) -> None:
        """So many kernels are compiled that the first training on a machine needs."""
        self._show("compiling kernels (first run only)", done, total, kernel)
        if done == total:
            self.close()

    @contextmanager
    def running(self, epochs: int, steps: int, done: int) -> Iterator[None]:
        """Surround the training: epochs of so many steps each, and all steps done already."""
        self.epochs, self.steps = epochs, steps
        self.say(HEADER)
        self._show(f"epoch {done // steps + 1}/{epochs}", done, epochs * steps, "")
        try:
            yield
        finally:
            self.close()

    def step(self, at: Position) -> None:
        """A batch is done."""
        self._show(
            f"epoch {at.epoch + 1}/{self.epochs}",
            at.epoch * self.steps + at.batch,
            self.epochs * self.steps,
            f"loss {at.loss_sum / at.seen:.4f}  accuracy {100 * at.correct / at.seen:.1f} %  "
            f"{at.seen / max(at.seconds, 1e-9):,.0f} images/s",
        )

    def validating(self) -> None:
        """An epoch's last batch is done, and validation begins."""
        if self._bar is not None:
            progress, task = self._bar
            progress.update(task, figures="validating")

    def epoch(self, record: EpochRecord, improved: bool) -> None:
        """An epoch is done and validated."""
        self.say(describe(record, self.epochs, improved))

    def _show(self, description: str, done: int, total: int | None, figures: str) -> None:
        """Move the bar, made where there is none; nothing moves where nobody looks."""
        if not self.console.is_terminal:
            return
        if self._bar is None:
            progress = _make_progress(self.console)
            # made with what is done already: the time left is told by the speed from here on
            task = progress.add_task(description, total=total, completed=done, figures=figures)
            self._bar = progress, task
            progress.start()
        else:
            progress, task = self._bar
            progress.update(
                task, description=description, completed=done, total=total, figures=figures
            )


def _make_progress(console: "Console") -> "Progress":
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    return Progress(
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )
