"""A whole training run as data: from a set's name or a folder to a trained, tested, saved model."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, get_args

from .. import data, modelfile, models, optim, random
from ..data import Augment, Batches, Preprocess, Splits, save_image
from ..data.resize import Fit
from ..data.sets import find_source
from ..data.split.division import By
from ..errors import DataError, ModelFileError, UnknownNameError
from ..metrics import Report
from ..modelfile import ModelFile
from ..nn import Layer
from ..nn.losses import CrossEntropy
from ..schedules import OneCycle
from ..warmup import before_training
from .checkpoint import Checkpoints, restore
from .display import Display
from .evaluation import evaluate
from .history import History
from .trainer import Trainer

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
}
PEAK_LR = {"sgd": 0.1, "adam": 2e-3, "adamw": 2e-3, "rmsprop": 1e-3}
EVAL_BATCH = 256  # images a batch where nothing is learnt
# Where things lie on one machine, and how they are read: they decide no bit and are not kept
PLACES = ("root", "out", "cache")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run goes; equal recipes give equal bits on equal data.

    Parameters
    ----------
    data : str
        A set's name or a folder with one sub-folder per class.
    model : str
        One of :func:`tinyvision.models.names`.
    epochs, batch : int
        Passes over the training part; images per step.
    lr : float, optional
        Peak of the one-cycle learning rate; by default what suits the optimiser.
    optimizer : str
        "sgd", "adam", "adamw" or "rmsprop".
    weight_decay, smoothing : float
        Of the optimiser; of the labels in the loss.
    seed : int
        Of the split, the initial weights, the order of the images, augmentation and dropout.
    size : (H, W), optional
        Size of the images; by default a named set's own, and 64 x 64 for a folder.
    channels : int, optional
        1 (gray) or 3 (RGB); by default a named set's own, and 3 for a folder.
    fit : str
        How an image of another shape is brought to ``size``: "crop", "stretch" or "pad".
    val, test : float
        Shares of the images held out for validation and test (sets with a test part keep theirs).
    groups : str, optional
        What a split must not cut: a column of a list, a folder level such as "-1", or a regular
        expression to find in the path.
    split : str
        "random", or "hash": by the hash of each file's path, or of its group's name.
    balanced : bool
        Learn from every class equally often.
    root : str, optional
        Folder with local copies of the named sets.
    out : str
        Folder for the folders of runs, each with ``best.safetensors``, ``last.safetensors`` and
        ``sample.png``, an image of the test part.
    cache : bool
        Keep the decoded images of a folder, a list or shards on disk for later runs.
    patience : int, optional
        Early stopping: epochs without improvement.
    clip_norm : float, optional
        Gradient clipping: the largest norm of the whole gradient.
    average : float, optional
        Validate, test and save a running average of the weights, of this decay, such as 0.999.
    augment : str, optional
        How images to learn from are changed at random: words of
        :meth:`tinyvision.data.Augment.parse`, such as ``"flip,crop=4,cutout=8"`` or ``"cifar"``.

    Raises
    ------
    ValueError
        A number out of its range; an UnknownNameError for a model or an optimiser that is not
        there, a DataError for an augmentation. What concerns the data is found when they are
        loaded.
    """

    data: str = "shapes"
    model: str = "small_cnn"
    epochs: int = 5
    batch: int = 64
    lr: float | None = None
    optimizer: str = "adamw"
    weight_decay: float = 0.01
    smoothing: float = 0.0
    seed: int = 0
    size: tuple[int, int] | None = None
    channels: int | None = None
    fit: Fit = "crop"
    val: float = 0.1
    test: float = 0.2
    groups: str | None = None
    split: By = "random"
    balanced: bool = False
    root: str | None = None
    out: str = "runs"
    cache: bool = False
    patience: int | None = None
    clip_norm: float | None = None
    average: float | None = None
    augment: str | None = None

    def __post_init__(self) -> None:
        if self.model not in models.names():
            raise UnknownNameError("model", self.model, models.names())
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)
        _need("split", self.split, lambda by: by in get_args(By), "random or hash")
        _need("epochs", self.epochs, lambda n: n >= 1, "at least 1")
        _need("batch", self.batch, lambda n: n >= 1, "at least 1")
        _need("seed", self.seed, lambda n: 0 <= n < 2**64, "in 0 .. 2**64 - 1")
        _need("weight_decay", self.weight_decay, lambda x: 0 <= x < inf, "a number of at least 0")
        _need("smoothing", self.smoothing, lambda x: 0 <= x <= 1, "in 0 .. 1")
        if self.lr is not None:
            _need("lr", self.lr, lambda x: 0 < x < inf, "a number above 0")
        if self.patience is not None:
            _need("patience", self.patience, lambda n: n >= 1, "at least 1")
        if self.clip_norm is not None:
            _need("clip_norm", self.clip_norm, lambda x: 0 < x < inf, "a number above 0")
        if self.average is not None:
            _need("average", self.average, lambda x: 0 <= x < 1, "a number in [0, 1)")
        if self.augment is not None:  # in full: a preset may be another in the next version
            object.__setattr__(self, "augment", str(Augment.parse(self.augment)))

    def new_folder(self) -> Path:
        """Return a folder for this run, ``out/<data>-<model>``, numbered if that is taken."""
        stem = f"{Path(self.data).resolve().name}-{self.model}"
        folder, number = Path(self.out) / stem, 2
        while folder.exists():
            folder, number = Path(self.out) / f"{stem}-{number}", number + 1
        return folder

    def to_data(self) -> dict[str, Any]:
        """Return what the model file keeps: every setting that decides bits."""
        return {key: value for key, value in asdict(self).items() if key not in PLACES}

    @classmethod
    def from_data(cls, values: dict[str, Any]) -> "Recipe":
        """Rebuild a recipe from a training record; the places are those of a new one.

        Raises
        ------
        ModelFileError
            The record does not fit, for example because a newer version wrote it.
        """
        known = {f.name for f in fields(cls)} - set(PLACES)
        if unknown := sorted(set(values) - known):
            raise ModelFileError(f"the training record has unknown settings {unknown}")
        try:
            if values.get("size") is not None:
                values = {**values, "size": tuple(values["size"])}
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise ModelFileError(f"the training record does not fit: {error}") from error


def _need(name: str, value: Any, accepts: Callable[[Any], bool], wanted: str) -> None:
    if not accepts(value):
        raise ValueError(f"{name} must be {wanted}, got {value}")


def recipe_of(checkpoint: Path) -> Recipe:
    """Return the recipe of an interrupted run, from its ``last.safetensors``.

    Raises
    ------
    ModelFileError
        The file is missing or damaged, or no run can go on from it.
    """
    header, _ = modelfile.read(checkpoint, with_training=False)
    record = header.get("training")
    if not isinstance(record, dict) or "resume" not in record or "recipe" not in record:
        raise ModelFileError(
            f"{checkpoint} holds no run to go on with: give the last.safetensors of one"
        )
    recipe = Recipe.from_data(record["recipe"])
    if len(record.get("history", ())) >= recipe.epochs:
        raise ModelFileError(
            f"{checkpoint} is the end of a run that has done its {recipe.epochs} epochs: use "
            "best.safetensors beside it, or start a new run with more epochs"
        )
    return recipe


@dataclass
class Result:
    """What a run leaves behind.

    Attributes
    ----------
    model : ModelFile
        The best model, or the last state of an interrupted run.
    history : History
    report : Report or None
        The test of the best model; None if the run was interrupted or there are no test images.
    stopped : str
        "finished", "early" or "interrupted".
    path : path
        Where ``model`` lies.
    splits : Splits
        The data.
    sample : path or None
        An image of the test part, to try the model on; where there is a report.
    """

    model: ModelFile
    history: History
    report: Report | None
    stopped: str
    path: Path
    splits: Splits
    sample: Path | None = None


def run(
    recipe: Recipe,
    *,
    display: Display | None = None,
    resume: Path | None = None,
    eager: bool = False,
) -> Result:
    """Carry out a recipe: load, split, measure, build, train, test the best model, save it.

    Parameters
    ----------
    recipe : Recipe
    display : Display, optional
        Shows the reading of the data and the training.
    resume : path, optional
        A ``last.safetensors`` of the same recipe to go on from; the run stays in its folder.
    eager : bool
        Run layers one by one instead of by a plan.

    Raises
    ------
    TinyvisionError
        The data, the checkpoint or the training went wrong; the sentence says what.
    OSError
        A file cannot be written; what was there is intact.
    """
    display = display or Display()
    random.seed(recipe.seed)
    splits = load_splits(recipe, progress=display.reading)
    if resume is None:
        file, folder = _fresh(recipe, splits), recipe.new_folder()
    else:
        file, folder = modelfile.load(resume, with_training=True), resume.parent
        _refuse_other_data(file, splits, recipe)
    display.prepared(splits, file.model, folder)
    augment = Augment() if recipe.augment is None else Augment.parse(recipe.augment)
    order: dict[str, Any] = {"balanced": recipe.balanced, "seed": recipe.seed}
    train = Batches(
        splits.train, file.preprocess, recipe.batch, shuffle=True, augment=augment, **order
    )
    steps = recipe.epochs * len(train)
    before_training(
        file.model,
        splits.train.image_shape,
        lambda model: _optimizer(recipe, model, steps=steps),
        train=_sizes(len(splits.train), recipe.batch),
        predict=_sizes(len(splits.val), EVAL_BATCH) + _sizes(len(splits.test), EVAL_BATCH),
        prepare=[partial(augment.rehearse, classes=len(file.labels))],
        progress=display.compiling,
        eager=eager,
    )
    checkpoints = Checkpoints(folder, replace(file, training=_record(recipe, splits)))
    trainer = Trainer(
        file.model,
        _optimizer(recipe, file.model, steps=steps),
        CrossEntropy(smoothing=recipe.smoothing),
        checkpoints=checkpoints,
        patience=recipe.patience,
        display=display,
        eager=eager,
    )
    if resume is not None:
        trainer.position, trainer.history = restore(file, trainer.optimizer)
    trainer.fit(train, Batches(splits.val, file.preprocess, EVAL_BATCH), epochs=recipe.epochs)
    if trainer.stopped == "interrupted":
        return Result(file, trainer.history, None, trainer.stopped, checkpoints.last, splits)
    best = modelfile.load(checkpoints.best)
    best.training = {**best.training, "history": trainer.history.to_data(times=False)}
    report = sample = None
    if len(splits.test):
        batches = Batches(splits.test, best.preprocess, EVAL_BATCH)
        report = evaluate(best.model, batches, eager=eager).report
        best.metrics = {**best.metrics, "test": report.to_dict()}
        sample = folder / "sample.png"
        save_image(splits.test.images[0], sample)
    modelfile.save(best, checkpoints.best)
    return Result(best, trainer.history, report, trainer.stopped, checkpoints.best, splits, sample)


def seen_again(file: ModelFile, data: str, root: str | Path | None = None) -> Recipe:
    """Return a recipe that loads data as a model takes them, split as in its training.

    A named set has no files whose names could decide, so that it is split without them.
    """
    record = file.training.get("recipe")
    record = record if isinstance(record, dict) else {}
    H, W, C = file.input_shape
    deciding = ("seed", "val", "test", *(("groups", "split") if find_source(data) is None else ()))
    split = {name: record[name] for name in deciding if name in record}
    return replace(
        Recipe.from_data({"data": data, **split}),
        root=str(root) if root else None,
        size=(H, W),
        channels=C,
        fit=file.preprocess.fit,
    )


def load_splits(recipe: Recipe, *, progress: Any = None) -> Splits:
    """Load the data of a recipe, split as it says."""
    return data.load(
        recipe.data,
        root=recipe.root,
        size=recipe.size,
        channels=recipe.channels,
        fit=recipe.fit,
        seed=recipe.seed,
        val=recipe.val,
        test=recipe.test,
        groups=recipe.groups,
        split=recipe.split,
        cache=recipe.cache,
        progress=progress,
    )


def _fresh(recipe: Recipe, splits: Splits) -> ModelFile:
    """Build a new model for the data; the preprocessing is measured on the training part alone."""
    train = splits.train
    return ModelFile(
        model=models.create(recipe.model, train.image_shape, len(train.classes), seed=recipe.seed),
        input_shape=train.image_shape,
        labels=train.classes,
        preprocess=Preprocess.measure(train, fit=recipe.fit),
    )


def _record(recipe: Recipe, splits: Splits) -> dict[str, Any]:
    """Return where a model comes from, for its file."""
    return {"recipe": recipe.to_data(), "images": _counts(splits)}


def _counts(splits: Splits) -> dict[str, int]:
    return {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)}


def _refuse_other_data(file: ModelFile, splits: Splits, recipe: Recipe) -> None:
    """Refuse to go on with other images: their order, and so every bit, would be another."""
    before, now = file.training.get("images"), _counts(splits)
    if splits.classes != file.labels or (before is not None and before != now):
        raise DataError(
            f"{recipe.data} is not what this run began with: {before} images of "
            f"{', '.join(file.labels)} then, {now} of {', '.join(splits.classes)} now; bring "
            "the images back or start a new run"
        )


def _sizes(images: int, batch: int) -> list[int]:
    """Return how many images the batches have: the full ones, and the last."""
    return sorted({min(batch, images), images % batch} - {0}, reverse=True)


def _optimizer(recipe: Recipe, model: Layer, *, steps: int) -> optim.Optimizer:
    peak = recipe.lr if recipe.lr is not None else PEAK_LR[recipe.optimizer]
    return OPTIMIZERS[recipe.optimizer](
        model,
        OneCycle(peak, steps),
        weight_decay=recipe.weight_decay,
        clip_norm=recipe.clip_norm,
        average=recipe.average,
    )
