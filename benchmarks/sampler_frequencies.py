"""Count how often an epoch shows each class under each sampler, as Markdown tables.

    python benchmarks/sampler_frequencies.py [IMAGE_STATS_CSV]

The first table is of a toy of 100 tiles. IMAGE_STATS_CSV, which may be gzipped, has one row for
each training image of Severstal with has_class_k and area_percent_k for k = 1 to 4; the second
table is of these images, each taken for one tile. An epoch has as many draws as there are tiles.

A cell has the expected tiles per epoch that hold the class, the factor against uniform, and the
tiles of an epoch sampled with seed 0. The last column has the different tiles of such an epoch,
expected and sampled.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steelexp.data.sampling import SAMPLERS

STRIP = 256 * 1600
CLASSES = 4

RUNS: list[tuple[str, dict[str, Any]]] = [
    ("uniform", {}),
    ("defect_tiles", {}),
    ("foreground", {"share": 0.5}),
    ("foreground", {"share": 0.7}),
    ("class_balanced", {"clean": True}),
    ("class_balanced", {"clean": False}),
    ("power", {"exponent": 0.0}),
    ("power", {"exponent": 0.5}),
    ("power", {"exponent": 0.75}),
    ("repeat_factor", {"threshold": 0.25, "cap": 4.0}),
    ("repeat_factor", {"threshold": 0.5, "cap": 4.0}),
    ("repeat_factor", {"threshold": 0.5, "cap": 2.0}),
]
"""Every sampler with its defaults, and a few with other settings."""


def toy() -> np.ndarray:
    """100 tiles, 80 of them clean: class a in 17, b in 4, both in 1. Pixels, [100, 2]."""
    return np.repeat([[0, 0], [40, 0], [0, 40], [40, 40]], [80, 16, 3, 1], axis=0)


def image_pixels(table: Path) -> np.ndarray:
    """Labelled pixels of each image, [N, C]; at least 1 where an image is said to hold a class."""
    stats = pd.read_csv(table)
    present = stats[[f"has_class_{k + 1}" for k in range(CLASSES)]].to_numpy()
    percent = stats[[f"area_percent_{k + 1}" for k in range(CLASSES)]].to_numpy()
    return np.where(present, np.maximum(np.rint(percent / 100 * STRIP), 1), 0).astype(np.int64)


def row(name: str, settings: dict[str, Any], pixels: np.ndarray) -> tuple[list[str], float]:
    """One line of the table, and its largest deviation in standard errors."""
    tiles = len(pixels)
    clean = ~pixels.any(axis=1)
    holds = np.column_stack([pixels > 0, clean])  # [N, C + 1]
    chances = SAMPLERS[name](lambda: pixels, **settings)
    if chances is None:  # every tile once
        expected = sampled = holds.sum(axis=0)
        error = 1.0
        different = f"{tiles}, {tiles}"
    else:
        rows = np.random.default_rng(0).choice(tiles, tiles, p=chances)
        shares = chances @ holds
        expected = tiles * shares
        sampled = holds[rows].sum(axis=0)
        error = np.maximum(np.sqrt(tiles * shares * (1 - shares)), 1e-9)
        different = f"{(1 - (1 - chances) ** tiles).sum():.0f}, {len(np.unique(rows))}"
    factors = expected / holds.sum(axis=0)
    cells = [f"{e:.0f} (×{f:.2f}), {d}" for e, f, d in zip(expected, factors, sampled, strict=True)]
    label = name + "".join(f", {key} {value}" for key, value in settings.items())
    return [label, *cells, different], float((np.abs(expected - sampled) / error).max())


def show(title: str, pixels: np.ndarray, classes: list[str]) -> None:
    """Print one table."""
    lines, apart = zip(*(row(name, settings, pixels) for name, settings in RUNS), strict=True)
    header = ["sampler", *(f"class {c}" for c in classes), "clean", "different"]
    print(f"\n{title}\n")
    print(
        *(f"| {' | '.join(line)} |" for line in [header, ["---"] * len(header), *lines]), sep="\n"
    )
    print(f"\nLargest deviation of the sampled epochs: {max(apart):.1f} standard errors.")


def main(arguments: list[str]) -> None:
    """Print the tables."""
    show("100 tiles, 80 of them clean", toy(), ["a", "b"])
    for table in arguments:
        pixels = image_pixels(Path(table))
        show(f"The {len(pixels):,} training images", pixels, [str(k + 1) for k in range(CLASSES)])


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
