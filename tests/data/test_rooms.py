"""The guide on top of the package: it names every room, and none that is not there."""

import re
from pathlib import Path

from tinyvision import data


def test_the_guide_names_every_room():
    folder = Path(data.__file__).parent
    rooms = {path.stem for path in folder.iterdir() if not path.name.startswith(("_", "."))}
    table = data.__doc__.split("====\n", 1)[1]
    assert set(re.findall(r"``(\w+)``", table)) == rooms
