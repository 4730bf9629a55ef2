"""Collect from the server, and look at what is there."""

import json

from tinyvision.data import collect


def get(server, folder, *paths, **options):
    options = {"allow_private": True, **options}
    return collect([(server.url(path), "things") for path in paths], folder, **options)


def lines(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def files(folder):
    """Every file of a collection but its manifest and its lock."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    return sorted(found - {"manifest.jsonl", ".collecting/lock"})
