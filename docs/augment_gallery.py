"""Draw docs/augment.png: each augmentation on tiles of synthetic strips.

    python docs/augment_gallery.py [PICTURE]

The strips are generated in a temporary folder. Labels are outlined in the colours of the overlays.
"""

import functools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from steelexp.data import synthetic
from steelexp.data.augment import AUGMENTATIONS, Augmentation, augment
from steelexp.data.augment.donors import Donors, Grey
from steelexp.data.dataset import Bits, Dataset
from steelexp.data.severstal import severstal
from steelexp.overlays.legend import TEXT, Entry, band
from steelexp.overlays.painting import CLASS_RGB
from steelexp.progress import say

SIZE = 256  # side of a tile in pixels
REDUCED = 192  # side of a tile in the picture
GAP, LINE = 4, 30
DRAWS = 3
SEED = 2
COLUMNS = 2
RARE: dict[str, Any] = {"classes": ("1", "2")}
SETTINGS: dict[str, dict[str, Any]] = {
    "copy_paste": RARE | {"probability": 1.0},
    "flips": {},
    "rotation": {"degrees": 30.0, "probability": 1.0},
    "scale": {"amount": 0.6, "probability": 1.0},
    "elastic": {"pixels": 24.0, "spacing": 64, "probability": 1.0},
    "grid_distortion": {"cells": 5, "amount": 0.6, "probability": 1.0},
    "shift": {"pixels": 64, "probability": 1.0},
    "brightness": {"amount": 0.3, "probability": 1.0},
    "contrast": {"amount": 0.5, "probability": 1.0},
    "gamma": {"amount": 0.5, "probability": 1.0},
    "blur": {"sigma": 4.0, "probability": 1.0},
    "sheet_edge": {"width": 0.4, "probability": 1.0},
    "blackout": {"margin": 4, "probability": 1.0},
    "cut_out": {"side": 0.4, "count": 2, "probability": 1.0},
    "noise": {"std": 10.0, "probability": 1.0},
}

Tile = tuple[Grey, Bits]


def main(picture: Path) -> None:
    """Generate strips, then draw the picture."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "synthetic"
        synthetic.generate(root, strips=60, seed=5, rarity=0.0, defect_share=0.8)
        panels = gallery(severstal(root=str(root)))
    panels.quantize(dither=Image.Dither.NONE).save(picture, optimize=True)
    say(f"{picture}: {picture.stat().st_size // 1000} kB")


def gallery(dataset: Dataset) -> Image.Image:
    """A panel for each augmentation in their order, one for all of them, and a legend."""
    donors = Donors(dataset.classes, functools.partial(random_tile, dataset))
    panels = [
        panel(caption, augmentations, donors, number)
        for number, (caption, augmentations) in enumerate(captioned_augmentations())
    ]
    width, height = panels[0].size
    entries = [
        Entry(f"class {name}", CLASS_RGB[c], outlined=True, filled=False)
        for c, name in enumerate(dataset.classes)
    ]
    legend = band(entries, width=COLUMNS * width, title="left of each row: the tile as it was")
    rows = -(-len(panels) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, rows * height + legend.height), "white")
    for number, each in enumerate(panels):
        page.paste(each, (number % COLUMNS * width, number // COLUMNS * height))
    page.paste(legend, (0, rows * height))
    return page


def captioned_augmentations() -> Iterator[tuple[str, list[Augmentation]]]:
    """Each augmentation, applied every time, then all of them, each as often as by default."""
    for name, augmentation in AUGMENTATIONS.items():
        yield (
            f"{name}  {describe_settings(SETTINGS[name])}",
            [functools.partial(augmentation, **SETTINGS[name])],
        )
    combined: list[Augmentation] = [
        functools.partial(augmentation, **(RARE if name == "copy_paste" else {}))
        for name, augmentation in AUGMENTATIONS.items()
    ]
    yield "all of them, each with its default probability", combined


def describe_settings(settings: dict[str, Any]) -> str:
    """Settings as text of a caption."""
    return ", ".join(
        f"{key}: {', '.join(value) if isinstance(value, tuple) else value}"
        for key, value in settings.items()
        if key != "probability"
    )


def panel(
    caption: str, augmentations: list[Augmentation], donors: Donors, number: int
) -> Image.Image:
    """A tile with a defect, then augmented versions of it."""
    rng = np.random.default_rng([SEED, number])
    tile = donors.tile(rng, number % len(donors.classes))
    if tile is None:
        raise ValueError("a class has no strip; generate more strips")
    tiles = [tile]
    for _ in range(DRAWS):
        grey, bits = augment(tile[0][None], tile[1][None], rng, donors, augmentations)
        tiles.append((grey[0], bits[0]))
    page = Image.new("RGB", (4 * GAP + len(tiles) * (REDUCED + GAP), REDUCED + LINE + GAP), "white")
    font = ImageFont.load_default(size=17)
    ImageDraw.Draw(page).text((GAP, LINE // 2), caption, TEXT, font, anchor="lm")
    for column, each in enumerate(tiles):
        left = GAP + column * (REDUCED + GAP) + (2 * GAP if column else 0)
        page.paste(Image.fromarray(outline_labels(*each)), (left, LINE))
    return page


def outline_labels(grey: Grey, bits: Bits) -> npt.NDArray[np.uint8]:
    """The reduced tile with its labels outlined: [REDUCED, REDUCED, 3]."""
    reduced = cv2.resize(grey, (REDUCED, REDUCED), interpolation=cv2.INTER_AREA)
    reduced = np.minimum(reduced, 249) // 5 * 5 + 2  # 50 greys: half of the picture's bytes
    canvas = np.repeat(reduced[:, :, None], 3, axis=2).astype(np.uint8)
    for c, colour in enumerate(CLASS_RGB):
        region = cv2.resize(bits >> c & 1, (REDUCED, REDUCED), interpolation=cv2.INTER_NEAREST)
        lines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, lines, -1, colour, 2)
    return canvas


def random_tile(dataset: Dataset, rng: np.random.Generator, number: int) -> Tile | None:
    """A random tile of the class."""
    rows = np.flatnonzero(dataset.pixels[:, number])
    if not len(rows):
        return None
    image = int(rng.choice(rows))
    mask = dataset.mask(image)
    column = int(rng.choice(np.flatnonzero((mask >> number & 1).any(axis=0))))
    left = int(np.clip(column - rng.integers(SIZE), 0, mask.shape[1] - SIZE))
    part = slice(left, left + SIZE)
    return dataset.image(image)[:, part], mask[:, part]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("augment.png"))
