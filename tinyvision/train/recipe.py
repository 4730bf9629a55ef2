"""A whole training run as data: from a set's name or a folder to a trained, tested, saved model."""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .. import data, modelfile, models, optim, random
from ..data import Batches, Preprocess, Splits
from ..errors import ModelFileError, TinyvisionError
from ..metrics import Report
from ..modelfile import ModelFile
from ..nn.losses import CrossEntropy
from ..schedules import OneCycle
from .checkpoint import Checkpoints, restore
from .display import Display
from .history import History
from .trainer import Trainer, evaluate

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "rmsprop": optim.RMSprop,
}
PEAK_LR = {"sgd": 0.1, "adam": 2e-3, "adamw": 2e-3, "rmsprop": 1e-3}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a run goes; equal recipes give equal bits.

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
        Of the split, the initial weights, the order of the images, and dropout.
    size : (H, W), optional
        Size of the images; by default a named set's own, and 64 x 64 for a folder.
    channels : int, optional
        1 (gray) or 3 (RGB); by default a named set's own, and 3 for a folder.
    fit : str
        How an image of another shape is brought to ``size``: "crop", "stretch" or "pad".
    val, test : float
        Shares of the images held out for validation and test (sets with a test part keep theirs).
    root : str, optional
        Folder with local copies of the named sets.
    out : str
        Folder for ``best.safetensors``, ``last.safetensors``.
    patience : int, optional
        Early stopping: epochs without improvement.
    clip_norm : float, optional
        Gradient clipping.
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
    fit: str = "crop"
    val: float = 0.1
    test: float = 0.2
    root: str | None = None
    out: str = "runs"
    patience: int | None = None
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise ValueError(
                f"epochs and batch must be at least 1, they are {self.epochs} and {self.batch}"
            )
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"there is no optimizer {self.optimizer!r} (known: {', '.join(OPTIMIZERS)})"
            )

    def new_folder(self) -> Path:
        """Return a folder for this run, ``out/<data>-<model>``, numbered if an earlier run has it."""
        stem = f"{Path(self.data).resolve().name}-{self.model}"
        folder, number = Path(self.out) / stem, 2
        while folder.exists():
            folder, number = Path(self.out) / f"{stem}-{number}", number + 1
        return folder

    @classmethod
    def from_data(cls, values: dict[str, Any]) -> "Recipe":
        """Rebuild a recipe from a training record."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ModelFileError(f"the training record has unknown settings {unknown}")
        if values.get("size") is not None:
            values = {**values, "size": tuple(values["size"])}
        return cls(**values)


@dataclass
class Result:
    """What a run leaves behind. ``report`` is None when the run was interrupted."""

    model: ModelFile
    history: History
    report: Report | None
    stopped: str
    path: Path
    splits: Splits


EVAL_BATCH = 256  # images a batch where nothing is learnt


def run(
    recipe: Recipe,
    *,
    display: Display | None = None,
    resume: Path | None = None,
) -> Result:
    """Carry out a recipe: load, split, measure, build, train, test the best model, save it.

    Parameters
    ----------
    recipe : Recipe
    display : Display, optional
        Shows the reading of the data and the training.
    resume : path, optional
        A ``last.safetensors`` of the same recipe to go on from.
    """
    display = display or Display()
    random.seed(recipe.seed)
    splits = load_splits(recipe, progress=display.reading)
    if resume is None:
        file = _fresh(recipe, splits)
    else:
        file = modelfile.load(resume, with_training=True)
        file.training = {**file.training, "recipe": asdict(recipe)}
    display.prepared(splits, file.model)
    train = Batches(splits.train, file.preprocess, recipe.batch, shuffle=True, seed=recipe.seed)
    validation = Batches(splits.val, file.preprocess, EVAL_BATCH)
    folder = recipe.new_folder() if resume is None else resume.parent
    checkpoints = Checkpoints(folder, replace(file, training=_record(file), tensors={}))
    trainer = Trainer(
        file.model,
        _optimizer(recipe, file, steps=recipe.epochs * len(train)),
        CrossEntropy(smoothing=recipe.smoothing),
        checkpoints=checkpoints,
        patience=recipe.patience,
        display=display,
    )
    if resume is not None:
        trainer.position, trainer.history = restore(file, trainer.optimizer)
    trainer.fit(train, validation, epochs=recipe.epochs)
    if trainer.stopped == "interrupted":
        return Result(file, trainer.history, None, trainer.stopped, checkpoints.last, splits)
    best = modelfile.load(checkpoints.best)
    report = evaluate(best.model, Batches(splits.test, best.preprocess, EVAL_BATCH)).report
    best.metrics = {**best.metrics, "test": report.to_dict()}
    best.training = {**best.training, "history": trainer.history.to_data()}
    modelfile.save(best, checkpoints.best)
    return Result(best, trainer.history, report, trainer.stopped, checkpoints.best, splits)


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
        training={"recipe": asdict(recipe)},
    )


def _record(file: ModelFile) -> dict[str, Any]:
    return {key: value for key, value in file.training.items() if key != "resume"}


def _optimizer(recipe: Recipe, file: ModelFile, *, steps: int) -> optim.Optimizer:
    peak = recipe.lr if recipe.lr is not None else PEAK_LR[recipe.optimizer]
    if not peak > 0:
        raise TinyvisionError(f"the learning rate must be positive, it is {peak}")
    return OPTIMIZERS[recipe.optimizer](
        file.model,
        OneCycle(peak, steps),
        weight_decay=recipe.weight_decay,
        clip_norm=recipe.clip_norm,
    )
