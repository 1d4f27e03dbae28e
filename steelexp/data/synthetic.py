"""A drawn data set like Severstal's, in Kaggle's own layout, for trials without the real one.

root/train.csv        ImageId,ClassId,EncodedPixels
root/train_images/    256 x 1600 grey JPEGs
root/test_images/     an eighth as many, unlabelled
root/drawn.json       the settings it was drawn with
"""

import csv
import glob
import itertools
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field, PositiveInt

from steelexp.data import rle
from steelexp.data.dataset import Bits, DataError, Dataset
from steelexp.data.generator.defects import FAMILIES, draw_defects
from steelexp.data.generator.prevalence import classes_of
from steelexp.data.generator.steel import photograph, sheet
from steelexp.data.severstal import severstal
from steelexp.errors import explain_write_errors

Share = Annotated[float, Field(ge=0, le=1)]

_DRAWING = 1
"""Version of the drawing; raised whenever the same settings give other pixels."""

_TEST = 2**35  # test strips are numbered from here; half of the names are theirs
_ABANDONED = 3600.0  # seconds after which an unfinished drawing belongs to nobody


@dataclass(frozen=True)
class Settings:
    """What a drawn set depends on, and what drawn.json holds.

    Raises:
        DataError: a setting is out of its range.
    """

    strips: int
    seed: int
    rarity: float
    defect_share: float
    classes_per_strip: int | None = None
    drawing: int = _DRAWING

    def __post_init__(self) -> None:
        for key, lowest in (("strips", 1), ("seed", 0)):
            if getattr(self, key) < lowest:
                raise DataError(f"{key}: {getattr(self, key)} is less than {lowest}")
        for key in ("rarity", "defect_share"):
            if not 0 <= getattr(self, key) <= 1:
                raise DataError(f"{key}: {getattr(self, key)} is not between 0 and 1")
        if self.classes_per_strip is not None and not 1 <= self.classes_per_strip <= len(FAMILIES):
            raise DataError(f"classes_per_strip: {self.classes_per_strip} is not between 1 and 4")


def synthetic(
    *,
    root: str,
    strips: PositiveInt = 200,
    seed: Annotated[int, Field(ge=0)] = 0,
    rarity: Share = 1.0,
    defect_share: Share = 0.53,
    classes_per_strip: Annotated[int, Field(ge=1, le=4)] | None = None,
    images: Literal["all", "with_defects"] = "all",
) -> Dataset:
    """Dataset like Severstal's, drawn the first time they are asked for.

    Args:
        root: folder to draw into; drawn already with the same settings, it is used as it is.
        strips: training strips to draw.
        seed: seed of the drawing; the first strips are the same for any number of strips.
        rarity: how rare the rare classes are: a class's frequency is proportional to Severstal's
            to this power, from 1, Severstal's own imbalance, to 0, all classes equally frequent.
        defect_share: share of the strips that have a defect.
        classes_per_strip: of those strips; absent: Severstal's mixture, mostly one.
        images: all strips, or only those with a defect.

    Returns:
        The strips in the order of their names.

    Raises:
        DataError: the folder holds something else, or was drawn with other settings.
    """
    draw(
        Path(root),
        strips=strips,
        seed=seed,
        rarity=rarity,
        defect_share=defect_share,
        classes_per_strip=classes_per_strip,
    )
    return severstal(root=root, images=images)


def draw(
    root: Path,
    *,
    strips: int,
    seed: int,
    rarity: float = 1.0,
    defect_share: float = 0.53,
    classes_per_strip: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Draw a data set like Severstal's, whole or not at all.

    It is drawn beside `root` and renamed as the last act, so that neither a kill nor a second
    process that draws the same set at the same time leaves half a set. A root that already holds
    this very set is left alone.

    Args:
        root: folder to make; it must be absent, empty or drawn with these settings.
        strips: training strips; an eighth as many test strips are added.
        seed: seed of the drawing; strip k depends on the seed, k and the two shares only.
        rarity: power of Severstal's class frequencies, 0 to 1.
        defect_share: share of the strips that have a defect.
        classes_per_strip: of those strips; None: Severstal's mixture, mostly one.
        report: called with strips drawn and strips in all, after each.

    Raises:
        DataError: root holds something else or was drawn with other settings, or a setting is out
            of its range.
    """
    settings = Settings(strips, seed, float(rarity), float(defect_share), classes_per_strip)
    root = root.resolve()  # through links: a rename would replace the link
    if _is_drawn(root, settings):
        return
    fix = "choose another folder with data.root, or as FOLDER of data generate"
    with explain_write_errors(root.parent, fix), _unfinished(root) as folder:
        _draw_strips(folder, settings, report or (lambda done, total: None))
        try:
            folder.rename(root)  # replaces an empty folder, never one that holds anything
        except OSError as error:
            if not _is_drawn(root, settings):
                raise DataError(f"{root}: cannot be made: {error.strerror}") from error


def image_name(seed: int, strip: int) -> str:
    """File name of a strip: 9 hex digits as Kaggle's, in an order that tells nothing of the strip.

    Odd factors modulo 2^36 and shifted exclusive ors are one to one, so no two strips share a name.
    """
    number = strip + seed * 0x9E3779B1
    for factor in (0x5851F42D5, 0x94D049BB1):
        number = number * factor % 16**9
        number ^= number >> 18
    return f"{number:09x}.jpg"


def _draw_strips(folder: Path, settings: Settings, report: Callable[[int, int], None]) -> None:
    """Fill the folder: training strips, labels, test strips, settings."""
    for name in ("train_images", "test_images"):
        (folder / name).mkdir()
    train = range(settings.strips)
    test = range(_TEST, _TEST + (len(train) + 7) // 8)
    rows = []
    for done, strip in enumerate(itertools.chain(train, test), start=1):
        name, image, labels = _draw_strip(settings, strip)
        of_train = strip < _TEST
        _write_jpeg(folder / ("train_images" if of_train else "test_images") / name, image)
        rows += [(name, *row) for row in _rows(labels)] if of_train else []
        report(done, len(train) + len(test))
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("ImageId", "ClassId", "EncodedPixels"))
        writer.writerows(sorted(rows))
    (folder / "drawn.json").write_text(
        json.dumps(asdict(settings), indent=2) + "\n", encoding="utf-8"
    )


def _draw_strip(settings: Settings, strip: int) -> tuple[str, npt.NDArray[np.uint8], Bits]:
    """File name, grey image and labels of one strip; both [H, W]."""
    rng = np.random.default_rng([settings.seed, strip])
    surface = sheet(rng)
    classes = classes_of(
        settings.seed,
        strip,
        rarity=settings.rarity,
        defect_share=settings.defect_share,
        classes_per_strip=settings.classes_per_strip,
    )
    _, labels = draw_defects(rng, surface, classes)
    return image_name(settings.seed, strip), photograph(rng, surface), labels


def _rows(labels: Bits) -> Iterator[tuple[int, str]]:
    """ClassId and EncodedPixels of every class in the labels."""
    for c in range(len(FAMILIES)):
        mask = (labels >> c & 1).astype(bool)
        if mask.any():
            yield c + 1, rle.encode(mask)


def _write_jpeg(path: Path, grey: npt.NDArray[np.uint8]) -> None:
    """As a grey picture in three channels, which is how Kaggle stores them."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), quality)
    path.write_bytes(data.tobytes())


def _is_drawn(root: Path, settings: Settings) -> bool:
    """Whether the set is there already; raises DataError where something else is."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = dict(json.loads((root / "drawn.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{root}: is there and was not drawn by steelexp; "
            "choose another root, or read it with data.source: severstal"
        ) from error
    differing = [
        f"{key} {found.get(key)}, not {value}"
        for key, value in asdict(settings).items()
        if found.get(key) != value
    ]
    if differing:
        raise DataError(
            f"{root}: was drawn with {' and '.join(differing)}; "
            "set the same, choose another root, or remove the folder to have it drawn again"
        )
    return True


@contextmanager
def _unfinished(root: Path) -> Iterator[Path]:
    """A folder beside `root` to draw into, removed unless it was renamed.

    What a killed process left behind is removed too, once nothing was written there for an hour.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    for left in root.parent.glob(f".{glob.escape(root.name)}.*.drawing"):
        with suppress(OSError):  # another process may be at it too
            if time.time() - (left / "train_images").stat().st_mtime > _ABANDONED:
                shutil.rmtree(left)
    folder = root.with_name(f".{root.name}.{uuid.uuid4().hex[:12]}.drawing")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
