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
from steelexp.overlays.legend import INK, Entry, band
from steelexp.overlays.overlay import CLASS_COLOURS
from steelexp.progress import say

SIZE = 256  # a tile
SHOWN = 192  # pixels of it in the picture
GAP, LINE = 4, 30
DRAWS = 3
SEED = 2
COLUMNS = 2
RARE: dict[str, Any] = {"classes": ("1", "2")}
SETTINGS: dict[str, dict[str, Any]] = {
    "copy_paste": RARE | {"probability": 1.0},
    "flips": {},
    "shift": {"pixels": 64, "probability": 1.0},
    "brightness": {"amount": 0.3, "probability": 1.0},
    "contrast": {"amount": 0.5, "probability": 1.0},
    "gamma": {"amount": 0.5, "probability": 1.0},
    "sheet_edge": {"width": 0.4, "probability": 1.0},
    "blackout": {"margin": 4, "probability": 1.0},
    "noise": {"std": 10.0, "probability": 1.0},
}

Tile = tuple[Grey, Bits]


def main(picture: Path) -> None:
    """Draw the images, then the picture."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "synthetic"
        synthetic.draw(root, dataset=60, seed=5, rarity=0.0, defect_share=0.8)
        panels = gallery(severstal(root=str(root)))
    panels.quantize(dither=Image.Dither.NONE).save(picture, optimize=True)
    say(f"{picture}: {picture.stat().st_size // 1000} kB")


def gallery(dataset: Dataset) -> Image.Image:
    """A panel for each augmentation in the order of a chain, one for all of them, and a legend."""
    donors = Donors(dataset.classes, functools.partial(tile_of, dataset))
    panels = [
        panel(caption, chain, donors, number)
        for number, (caption, chain) in enumerate(captioned_chains())
    ]
    width, height = panels[0].size
    entries = [
        Entry(f"class {name}", CLASS_COLOURS[c], outlined=True, filled=False)
        for c, name in enumerate(dataset.classes)
    ]
    legend = band(entries, width=COLUMNS * width, title="left of each row: the tile as it was")
    rows = -(-len(panels) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, rows * height + legend.height), "white")
    for number, each in enumerate(panels):
        page.paste(each, (number % COLUMNS * width, number // COLUMNS * height))
    page.paste(legend, (0, rows * height))
    return page


def captioned_chains() -> Iterator[tuple[str, list[Augmentation]]]:
    """Each augmentation, applied every time, then all of them, each as often as by default."""
    for name, change in AUGMENTATIONS.items():
        yield f"{name}  {shown(SETTINGS[name])}", [functools.partial(change, **SETTINGS[name])]
    together: list[Augmentation] = [
        functools.partial(change, **(RARE if name == "copy_paste" else {}))
        for name, change in AUGMENTATIONS.items()
    ]
    yield "all of them, each with its default probability", together


def shown(settings: dict[str, Any]) -> str:
    """Settings as a caption shows them."""
    return ", ".join(
        f"{key}: {', '.join(value) if isinstance(value, tuple) else value}"
        for key, value in settings.items()
        if key != "probability"
    )


def panel(caption: str, chain: list[Augmentation], donors: Donors, number: int) -> Image.Image:
    """A tile with a defect, then what the chain makes of it."""
    draw = np.random.default_rng([SEED, number])
    tile = donors.tile(draw, number % len(donors.classes))
    if tile is None:
        raise ValueError("a class has no image; draw more images")
    tiles = [tile]
    for _ in range(DRAWS):
        grey, bits = augment(tile[0][None], tile[1][None], draw, donors, chain)
        tiles.append((grey[0], bits[0]))
    page = Image.new("RGB", (4 * GAP + len(tiles) * (SHOWN + GAP), SHOWN + LINE + GAP), "white")
    font = ImageFont.load_default(size=17)
    ImageDraw.Draw(page).text((GAP, LINE // 2), caption, INK, font, anchor="lm")
    for place, each in enumerate(tiles):
        left = GAP + place * (SHOWN + GAP) + (2 * GAP if place else 0)
        page.paste(Image.fromarray(outlined(*each)), (left, LINE))
    return page


def outlined(grey: Grey, bits: Bits) -> npt.NDArray[np.uint8]:
    """The tile, reduced, with its labels outlined: [SHOWN, SHOWN, 3]."""
    small = cv2.resize(grey, (SHOWN, SHOWN), interpolation=cv2.INTER_AREA)
    small = np.minimum(small // 5 * 5 + 2, 250)  # 52 greys: half of the picture's bytes
    canvas = np.repeat(small[:, :, None], 3, axis=2).astype(np.uint8)
    for c, colour in enumerate(CLASS_COLOURS):
        region = cv2.resize(bits >> c & 1, (SHOWN, SHOWN), interpolation=cv2.INTER_NEAREST)
        lines, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, lines, -1, colour, 2)
    return canvas


def tile_of(dataset: Dataset, draw: np.random.Generator, number: int) -> Tile | None:
    """A random tile that holds the class."""
    rows = np.flatnonzero(dataset.pixels[:, number])
    if not len(rows):
        return None
    image = int(draw.choice(rows))
    mask = dataset.mask(image)
    column = int(draw.choice(np.flatnonzero((mask >> number & 1).any(axis=0))))
    left = int(np.clip(column - draw.integers(SIZE), 0, mask.shape[1] - SIZE))
    part = slice(left, left + SIZE)
    return dataset.image(image)[:, part], mask[:, part]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("augment.png"))
