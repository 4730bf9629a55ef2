"""The command line, called in this process: the real entry point, arguments in, output out."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.train.small import stripe_folder
from tinyvision import backend
from tinyvision.cli import main
from tinyvision.train import Recipe, run


@dataclass(frozen=True)
class Outcome:
    """What a command leaves behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything beside it does not parse."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder of 80 columns, on the backend that compiles nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINYVISION_BACKEND", "reference")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("TINYVISION_DATA", raising=False)
    before, backend._chosen = backend._chosen, None
    yield
    backend._chosen = before


@pytest.fixture
def tinyvision(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command; nothing it does may end in a traceback."""

    def command(*words: object) -> Outcome:
        with pytest.raises(SystemExit) as exit:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Outcome(int(exit.value.code or 0), out, err)

    return command


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 classes with 20 images each."""
    return stripe_folder(tmp_path_factory.mktemp("data") / "stripes")


@pytest.fixture(scope="session")
def model(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on that folder, with a split of its own."""
    before, backend._chosen = backend._chosen, backend.get("reference")
    recipe = Recipe(
        data=str(stripes),
        model="lenet5",
        epochs=4,
        batch=8,
        seed=3,
        size=(12, 12),
        channels=1,
        out=str(tmp_path_factory.mktemp("runs")),
    )
    try:
        return run(recipe).path
    finally:
        backend._chosen = before
