"""Synthetic data set like Severstal's, in Kaggle's layout, for use without the real one.

root/train.csv        ImageId,ClassId,EncodedPixels
root/train_images/    256 x 1600 grey JPEGs
root/test_images/     an eighth as many, unlabelled
root/generator.json   manifest: version and settings of the generator
"""

import glob
import itertools
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from steelexp.data import rle
from steelexp.data.dataset import Bits, DataError, Dataset
from steelexp.data.generator.defects import FAMILIES, generate_defects
from steelexp.data.generator.manifest import Settings, is_generated, write_manifest
from steelexp.data.generator.prevalence import choose_classes
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.data.severstal import severstal
from steelexp.errors import explain_write_errors
from steelexp.limits import Seed, Strips
from steelexp.progress import say
from steelexp.spreadsheet import csv_text

Share = Annotated[float, Field(ge=0, le=1)]

# 4 of 7 clean strips of Severstal's sample show weld spatter, and 1 of 18 strips with defects.
_SPATTER_CLEAN = 0.55
_SPATTER_WITH_DEFECTS = 0.06

_FIRST_TEST = 2**35  # number of the first test strip; half of the names belong to test strips
_BYTES_PER_STRIP = 110_000  # mean over 90 strips of two seeds
_ABANDONED_SECONDS = 3600.0  # age of an unfinished set that no process is working on


def synthetic(
    *,
    root: str,
    strips: Strips = 200,
    seed: Seed = 0,
    rarity: Share = 1.0,
    defect_share: Share = 0.53,
    classes_per_strip: Annotated[int, Field(ge=1, le=4)] | None = None,
    images: Literal["all", "with_defects"] = "all",
) -> Dataset:
    """Synthetic strips like Severstal's, generated at the first use.

    Args:
        root: Root folder of the data set. If it was generated with the same settings, it is reused.
        strips: Number of training strips.
        seed: Seed of the generator; the first strips are the same for any number of strips.
        rarity: Class imbalance, as exponent of Severstal's class frequencies, from 1 (Severstal's
            imbalance) to 0 (all classes equally frequent).
        defect_share: Share of the strips with a defect.
        classes_per_strip: Number of classes of a strip with a defect; by default Severstal's
            mixture, mostly one.
        images: All strips, or only strips with a defect.

    Returns:
        The strips, sorted by name.

    Raises:
        DataError: The folder has other content, or was generated with other settings.
    """
    generate(
        Path(root),
        strips=strips,
        seed=seed,
        rarity=rarity,
        defect_share=defect_share,
        classes_per_strip=classes_per_strip,
    )
    return severstal(root=root, images=images)


def generate(
    root: Path,
    *,
    strips: int,
    seed: int,
    rarity: float = 1.0,
    defect_share: float = 0.53,
    classes_per_strip: int | None = None,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Generate a data set like Severstal's, atomically.

    The set is written to a temporary folder beside `root`, which is renamed at the end. Neither a
    kill nor a second process leaves half a set. An existing set with the same settings is reused.

    Args:
        root: Root folder of the data set. It must not exist, be empty, or have these settings.
        strips: Number of training strips; an eighth as many test strips are added.
        seed: Seed of the generator. Strip k depends on the seed, k and the class settings only.
        rarity: Exponent of Severstal's class frequencies, 0 to 1.
        defect_share: Share of the strips with a defect.
        classes_per_strip: Number of classes of a strip with a defect; None for Severstal's mixture.
        report: Progress callback, called with the number of strips generated and the total.

    Raises:
        DataError: The folder has other content or other settings, or a setting is out of range.
    """
    settings = Settings(strips, seed, float(rarity), float(defect_share), classes_per_strip)
    root = root.resolve()  # a rename would replace a symbolic link
    if is_generated(root, settings):
        return
    images = strips + _test_strips(strips)
    size = images * _BYTES_PER_STRIP / 1e6
    say(f"Generating {images} strips in {root}, about {size:.0f} MB, once")
    fix = "choose another folder with data.root, or as FOLDER of data generate"
    with explain_write_errors(root.parent, fix), _unfinished(root) as folder:
        _generate_strips(folder, settings, report or (lambda done, total: None))
        try:
            folder.rename(root)  # replaces an empty folder only
        except OSError as error:
            if not is_generated(root, settings):
                raise DataError(f"{root}: cannot be created: {error.strerror}") from error


def image_name(seed: int, strip: int) -> str:
    """File name of a strip: 9 hex digits as Kaggle's, in an order unrelated to the number.

    Multiplication by odd factors modulo 2^36 and shifted exclusive ors are one-to-one, so names are
    unique.
    """
    number = strip + seed * 0x9E3779B1
    for factor in (0x5851F42D5, 0x94D049BB1):
        number = number * factor % 16**9
        number ^= number >> 18
    return f"{number:09x}.jpg"


def _generate_strips(folder: Path, settings: Settings, report: Callable[[int, int], None]) -> None:
    """Write training strips, labels, test strips and settings to the folder."""
    for name in ("train_images", "test_images"):
        (folder / name).mkdir()
    train = range(settings.strips)
    test = range(_FIRST_TEST, _FIRST_TEST + _test_strips(settings.strips))
    rows = []
    for done, strip in enumerate(itertools.chain(train, test), start=1):
        name, image, labels = _generate_strip(settings, strip)
        is_train = strip < _FIRST_TEST
        _write_jpeg(folder / ("train_images" if is_train else "test_images") / name, image)
        rows += [(name, *row) for row in _rows(labels)] if is_train else []
        report(done, len(train) + len(test))
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        file.write(
            csv_text([("ImageId", "ClassId", "EncodedPixels"), *sorted(rows)], verbatim=True)
        )
    write_manifest(folder, settings)


def _test_strips(strips: int) -> int:
    """Number of test strips: an eighth as many as for training, rounded up."""
    return (strips + 7) // 8


def _generate_strip(settings: Settings, strip: int) -> tuple[str, npt.NDArray[np.uint8], Bits]:
    """File name, grey image and labels of one strip; both [H, W]."""
    rng = np.random.default_rng([settings.seed, strip])
    classes = choose_classes(
        settings.seed,
        strip,
        rarity=settings.rarity,
        defect_share=settings.defect_share,
        classes_per_strip=settings.classes_per_strip,
    )
    sheet = generate_sheet(rng, spatter=_SPATTER_WITH_DEFECTS if classes else _SPATTER_CLEAN)
    _, labels = generate_defects(rng, sheet, classes)
    return image_name(settings.seed, strip), photograph(rng, sheet), labels


def _rows(labels: Bits) -> Iterator[tuple[int, str]]:
    """ClassId and EncodedPixels of every class in the labels."""
    for c in range(len(FAMILIES)):
        mask = (labels >> c & 1).astype(bool)
        if mask.any():
            yield c + 1, rle.encode(mask)


def _write_jpeg(path: Path, grey: npt.NDArray[np.uint8]) -> None:
    """Write a grey image as a JPEG of three channels, as Kaggle stores it."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), quality)
    path.write_bytes(data.tobytes())


@contextmanager
def _unfinished(root: Path) -> Iterator[Path]:
    """A temporary folder beside `root`, removed unless it was renamed.

    Folders of killed processes are removed too, an hour after their last write.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    for leftover in root.parent.glob(f".{glob.escape(root.name)}.*.partial"):
        with suppress(OSError):  # another process may remove it at the same time
            if time.time() - (leftover / "train_images").stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(leftover)
    folder = root.with_name(f".{root.name}.{uuid.uuid4().hex[:12]}.partial")
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
