"""Kinds and contents of events for tests, as trackers note them."""

from typing import Any

New = tuple[str, dict[str, Any]]

SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc", FIPS 180-4


def run(service: str = "comet", key: str = "3f9c") -> New:
    """A run without settings."""
    texts = {"service": service, "key": key, "project": "steel", "workspace": None, "name": "b4"}
    return "run", {**texts, "tags": [], "parameters": {}, "others": {}, "model": None}


def epoch(number: int) -> New:
    """An epoch without metrics."""
    return "epoch", {"epoch": number, "step": 50 * number, "metrics": {}}


def picture(number: int, name: str) -> New:
    """A picture of an epoch, without polygons."""
    file = {"path": f"overlays/{number}/{name}.png", "sha256": SHA256}
    return "picture", {"epoch": number, "step": 50 * number, "name": name, "layers": None, **file}
