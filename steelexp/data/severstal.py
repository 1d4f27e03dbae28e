"""Severstal: Steel Defect Detection, as Kaggle publishes it.

    root/train.csv        ImageId,ClassId,EncodedPixels   (one row per mask), or
                          ImageId_ClassId,EncodedPixels   (four rows per image, empty where clean)
    root/train_images/    256 x 1600 grey JPEGs
    root/test_images/     optional, unlabelled

https://www.kaggle.com/c/severstal-steel-defect-detection/data
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import PositiveInt

from steelexp.data import rle
from steelexp.data.strips import Bits, DataError, Strips, digest, draw_subset, image_sizes, refuse

CLASSES = ("1", "2", "3", "4")
HEADERS = (["ImageId", "ClassId", "EncodedPixels"], ["ImageId_ClassId", "EncodedPixels"])


class Label(NamedTuple):
    """One row of train.csv that holds a mask."""

    line: int
    image: str
    class_id: str
    runs: str


def severstal(
    *,
    root: str,
    images: Literal["all", "with_defects"] = "all",
    subset: PositiveInt | None = None,
    subset_seed: int = 0,
) -> Strips:
    """Kaggle's Severstal strips.

    Args:
        root: folder with train.csv and train_images/.
        images: all strips, or only those with a defect.
        subset: how many strips to keep, drawn without replacement; all when absent.
        subset_seed: seed of that draw.

    Returns:
        The strips in the order of their names.

    Raises:
        DataError: the folder is not Severstal's, or rows of train.csv are wrong (all are listed).
    """
    folder = Path(root)
    table, pictures = folder / "train.csv", folder / "train_images"
    _expect_layout(folder, table, pictures)
    labels, incomplete = _read_labels(table)
    files = {path.name: path for path in sorted(pictures.iterdir()) if _is_image(path)}
    labelled = {label.image for label in labels}
    names = [name for name in files if images == "all" or name in labelled]
    sizes = dict(zip(names, image_sizes(files[name] for name in names), strict=True))
    missing = [
        f"{table}:{label.line}: {label.image} is not in {pictures}"
        for label in labels
        if label.image not in files
    ]
    runs, pixels, wrong = _check_runs(table, [x for x in labels if x.image in sizes], sizes)
    refuse(incomplete + missing + wrong)
    kept = draw_subset(names, subset, subset_seed, root)

    def read_mask(strip: int) -> Bits:
        name = kept[strip]
        height, width = sizes[name]
        bits = np.zeros((height, width), np.uint8)
        for class_number, code in runs[name].items():
            bits[rle.decode(code, (height, width))] |= 1 << class_number
        return bits

    return Strips(
        names=tuple(kept),
        paths=tuple(files[name] for name in kept),
        sizes=np.array([sizes[name] for name in kept], np.int32).reshape(-1, 2),
        classes=CLASSES,
        pixels=np.array([pixels[name] for name in kept], np.int64).reshape(-1, len(CLASSES)),
        read_mask=read_mask,
        manifest=digest([(n, files[n].stat().st_size, sorted(runs[n].items())) for n in kept]),
    )


def _expect_layout(folder: Path, table: Path, pictures: Path) -> None:
    if not folder.is_dir():
        raise DataError(
            f"data.root: there is no folder {folder}; download the competition's data from "
            "https://www.kaggle.com/c/severstal-steel-defect-detection/data and set data.root or "
            "STEELEXP_SEVERSTAL, or draw a set like it: python -m steelexp data draw FOLDER"
        )
    missing = [table.name] * (not table.is_file()) + [pictures.name] * (not pictures.is_dir())
    if missing:
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise DataError(
            f"data.root: {folder} is not Severstal's folder: it lacks {' and '.join(missing)} "
            f"(it holds {found})"
        )


def _read_labels(table: Path) -> tuple[list[Label], list[str]]:
    """The rows that hold a mask, and the lines that are no rows; DataError for another table."""
    csv.field_size_limit(2**24)  # the runs of a noisy mask take 2 MB, and csv stops at 128 kB
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: not a readable table of UTF-8 text ({error})") from error
    if header not in HEADERS:
        raise DataError(
            f"{table}:1: the columns are {','.join(header)[:80] or 'absent'}; Kaggle's are "
            f"{' or '.join(map(','.join, HEADERS))}"
        )
    labels, problems = [], []
    for line, row in rows:
        *key, runs = row
        image, class_id = key if len(key) == 2 else "_".join(key).rpartition("_")[::2]
        if len(row) != len(header) or not image:
            problems.append(f"{table}:{line}: not {','.join(header)}: {','.join(row)[:40]!r}")
        elif runs.strip():
            labels.append(Label(line, image, class_id, runs))
    return labels, problems


def _check_runs(
    table: Path, labels: list[Label], sizes: Mapping[str, npt.NDArray[np.int32]]
) -> tuple[dict[str, dict[int, str]], dict[str, list[int]], list[str]]:
    """Runs per image and class number, labelled pixels per image, and what is wrong."""
    runs: dict[str, dict[int, str]] = defaultdict(dict)
    pixels: dict[str, list[int]] = defaultdict(lambda: [0] * len(CLASSES))
    problems = []
    for label in labels:
        where = f"{table}:{label.line}: {label.image}"
        if label.class_id not in CLASSES:
            allowed = ", ".join(CLASSES)
            problems.append(f"{where}: there is no class {label.class_id!r}; allowed: {allowed}")
            continue
        number = CLASSES.index(label.class_id)
        if number in runs[label.image]:
            problems.append(f"{where}: a second row for class {label.class_id}")
        try:
            checked = rle.runs_of(label.runs, int(np.prod(sizes[label.image])))
        except rle.RleError as error:
            problems.append(f"{where}: class {label.class_id}: {error}")
            continue
        runs[label.image][number] = label.runs
        pixels[label.image][number] = int(checked[:, 1].sum())
    return runs, pixels, problems


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp"}
