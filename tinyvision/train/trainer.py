"""The training loop."""

from contextlib import AbstractContextManager, closing, nullcontext
from math import isfinite
from time import perf_counter
from typing import Any

from .. import random
from ..backend import Array, to_host
from ..data import Batches
from ..errors import DataError, PlanError, TrainingError
from ..nn.layer import Layer
from ..nn.losses import CrossEntropy, Loss
from ..optim import Optimizer
from ..plan import Plan
from ..tensor import Tensor
from .checkpoint import Checkpoints, Position
from .display import Display
from .evaluation import Evaluation, TagEvaluation, count_right, evaluate, evaluate_tags
from .health import first_non_finite, non_finite_weights
from .history import EpochRecord, History, quality
from .interrupt import Interrupt


class Trainer:
    """Trains a model: predict, loss, backward, step; validates after each epoch.

    Parameters
    ----------
    model : Layer
        Built.
    optimizer : Optimizer
        Over the model's parameters. If it keeps a running average of them, that is what is
        validated and saved as the best model.
    loss : Loss
        ``loss(logits, labels)`` -> scalar tensor.
    checkpoints : Checkpoints, optional
        Where to write ``last.safetensors`` before the first step, after each epoch and on Ctrl-C,
        and ``best.safetensors`` whenever validation improves.
    patience : int, optional
        Stop when validation has not improved for so many epochs (early stopping).
    display : Display, optional
        Shows progress.
    eager : bool
        Whether to run layers one by one instead of by a plan (:func:`tinyvision.compile`), which
        computes the same numbers faster. A model that does not run the same way at each step is
        trained so in any case.
    precision : str
        "float32", or "bf16" to let a plan compute in bfloat16 what may be
        (:mod:`tinyvision.plan.precision`); validation is in float32.

    Raises
    ------
    ValueError
        Layers are to run one by one in another precision than float32.

    Attributes
    ----------
    position : Position
        The next batch; set by :func:`tinyvision.train.checkpoint.restore` to go on.
    history : History
        Figures of the epochs done.
    stopped : str
        Why the last :meth:`fit` ended: "finished", "early" or "interrupted".
    """

    def __init__(
        self,
        model: Layer,
        optimizer: Optimizer,
        loss: Loss | None = None,
        *,
        checkpoints: Checkpoints | None = None,
        patience: int | None = None,
        display: Display | None = None,
        eager: bool = False,
        precision: str = "float32",
    ) -> None:
        if eager and precision != "float32":
            raise ValueError(f"eager training is in float32, not {precision!r}: leave out one")
        self.model, self.optimizer = model, optimizer
        self.loss = loss or CrossEntropy()
        self.checkpoints, self.patience = checkpoints, patience
        self.display = display or Display()
        self.position, self.history = Position(), History()
        self.stopped = ""
        self.eager, self.precision = eager, precision
        self._plan: Plan | None = None

    def fit(self, train: Batches, validation: Batches | None = None, *, epochs: int) -> History:
        """Train until ``epochs`` epochs are done in total, counting those before a resume.

        Without validation images the best epoch is chosen by the training figures. Each epoch
        begins with ``model.train()``: a layer that is to rest is frozen by
        :meth:`~tinyvision.nn.Layer.freeze`, not by ``eval()``.

        Raises
        ------
        TrainingError
            The loss or a weight is NaN or infinite; the message names the layer and the step. The
            last good checkpoint stays.
        DataError
            There are no images to train on.
        OSError
            A checkpoint cannot be written; the one that was there is intact.
        """
        if len(train) == 0:
            raise DataError(f"{train.dataset.name}: there are no images to train on.")
        if validation is not None and len(validation) == 0:
            validation = None
        self.stopped = ""
        # made anew for each fit: who has the model may change its layers in between
        self._plan = None if self.eager else self._new_plan()
        done = self.position.epoch * len(train) + self.position.batch
        with Interrupt() as interrupt, self.display.running(epochs, len(train), done):
            self._save_last()  # a folder that cannot be written to shows now, not after an epoch
            while not self.stopped:
                if self.position.epoch >= epochs:
                    self.stopped = "finished"
                elif self._no_longer_improves():
                    self.stopped = "early"
                elif interrupt.requested or not self._train_epoch(train, interrupt):
                    self.stopped = "interrupted"
                    self._save_last()
                else:
                    self._finish_epoch(validation)
        return self.history

    def _train_epoch(self, batches: Batches, interrupt: Interrupt) -> bool:
        """Run the rest of an epoch's batches; False when an interrupt came."""
        at = self.position
        self.model.train()
        clock = perf_counter()
        with closing(batches.epoch(at.epoch, start=at.batch)) as epoch:
            for x, labels in epoch:
                at.data_seconds += perf_counter() - clock
                logits, loss = self.train_step(x, labels)
                at.batch += 1
                at.seen += len(labels)
                at.loss_sum += loss * len(labels)
                at.correct += count_right(logits, labels, tagging=batches.dataset.tagging)
                at.seconds += perf_counter() - clock
                clock = perf_counter()
                self.display.step(at)
                if interrupt.requested:
                    return False
        return True

    def train_step(self, x: Any, labels: Any) -> tuple[Array, float]:
        """Learn from one batch; return the logits and the loss before the step."""
        drawn = random.state()
        logits, value = self._gradients(x, labels)
        if not isfinite(value):
            random.restore(drawn)  # the search runs the model again, with the same dropout
            raise self._diverged(
                f"the loss is {value} at step {self.optimizer.step_count + 1} (epoch "
                f"{self.position.epoch + 1}, batch {self.position.batch + 1}): first not finite "
                f"is {first_non_finite(self.model, Tensor(x))}"
            )
        self.optimizer.step()  # a small step that way
        return logits, value

    def _new_plan(self) -> Plan:
        return Plan(self.model, train=True, loss=self.loss, precision=self.precision)

    def _gradients(self, x: Any, labels: Any) -> tuple[Array, float]:
        """Find every weight's gradient; return the logits and the loss."""
        if self._plan is not None:
            try:
                value = self._plan.step(x, labels)
                return to_host(self._plan.outputs[0]), value
            except PlanError:  # it runs another way each time
                if self.precision != "float32":
                    raise
                self._plan = None
        logits = self.model(Tensor(x))  # predict
        loss = self.loss(logits, labels)  # how wrong?
        self.optimizer.zero_grad()
        loss.backward()  # which way is better, for every weight?
        return logits.numpy(), loss.item()

    def evaluate(self, batches: Batches) -> Evaluation | TagEvaluation:
        """Predict every batch in inference mode and measure, tags where images have those."""
        measure = evaluate_tags if batches.dataset.tagging else evaluate
        return measure(self.model, batches, self.loss, eager=self.eager)

    def _finish_epoch(self, validation: Batches | None) -> None:
        at = self.position
        self._refuse_broken_weights()
        judged = None
        if validation is not None:
            self.display.validating()
            with self._averaged():
                judged = self.evaluate(validation)
        record = EpochRecord(
            epoch=at.epoch + 1,
            steps=self.optimizer.step_count,
            lr=self.optimizer.last_lr,
            train_loss=at.loss_sum / at.seen,
            train_accuracy=at.correct / at.seen,
            val_loss=None if judged is None else judged.loss,
            val_accuracy=None if judged is None else judged.accuracy,
            seconds=at.seconds,
            data_seconds=at.data_seconds,
            images_per_second=at.seen / at.seconds,
        )
        best_before = max((quality(e) for e in self.history.epochs), default=None)
        self.history.epochs.append(record)
        improved = best_before is None or quality(record) > best_before
        self.position = Position(epoch=at.epoch + 1)
        if self.checkpoints is not None and improved:
            with self._averaged():
                self.checkpoints.save_best(self.history)
        self._save_last()
        self.display.epoch(record, improved)

    def _averaged(self) -> AbstractContextManager[None]:
        """Inside, the model is what it is worth: its running average, where one is kept."""
        return nullcontext() if self.optimizer.average is None else self.optimizer.averaged()

    def _save_last(self) -> None:
        if self.checkpoints is not None:
            self._refuse_broken_weights()
            self.checkpoints.save_last(self.optimizer, self.position, self.history)

    def _no_longer_improves(self) -> bool:
        if self.patience is None or not self.history.epochs:
            return False
        best = max(self.history.epochs, key=quality)
        return self.history.epochs[-1].epoch - best.epoch >= self.patience

    def _refuse_broken_weights(self) -> None:
        """Stop before a checkpoint is overwritten with weights that the last step broke."""
        path = non_finite_weights(self.model)
        if path is not None:
            raise self._diverged(
                f"the weights {path!r} hold NaN or infinity after step "
                f"{self.optimizer.step_count} (epoch {self.position.epoch + 1}, batch "
                f"{self.position.batch})"
            )

    def _diverged(self, what: str) -> TrainingError:
        kept = ""
        if self.checkpoints is not None and self.checkpoints.last.exists():
            kept = f"; the last good checkpoint is {self.checkpoints.last}"
        way_out = "try a lower learning rate or gradient clipping (clip_norm)"
        return TrainingError(f"{what}; {way_out}{kept}")
