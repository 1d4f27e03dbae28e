"""Tables of run-length codes in the loose forms of Severstal's train.csv.

    root/train.csv        ImageId,ClassId,EncodedPixels, or another form: see csv_columns.py
    root/train_images/    images

Images without a row are clean.
"""

import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from steelexp.data import rle
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.class_names import ClassNames, open_class_bits, unknown_class
from steelexp.data.forms.coco_rle import runs_patch
from steelexp.data.forms.csv_columns import Row, is_loose, read_csv_table
from steelexp.data.forms.reading import (
    Area,
    AreaImage,
    Reading,
    images_folder,
    load,
    missing_image,
    stem_of,
)
from steelexp.data.forms.shapes import Patch, ShapeError, Size
from steelexp.data.forms.writing import (
    PlaceImage,
    WriterReport,
    area_names,
    check_one_folder,
    class_masks,
    copy,
    new_folder,
    place_images,
    written_settings,
)
from steelexp.data.image_files import list_images
from steelexp.data.severstal import CLASSES as SEVERSTAL_CLASSES
from steelexp.data.survey import listing_issues
from steelexp.limits import Seed
from steelexp.progress import say
from steelexp.spreadsheet import TableWriter, formula_lines

TABLE = "train.csv"
IMAGES = "train_images"
HEADER = ("ImageId", "ClassId", "EncodedPixels")

Order = Literal["columns", "rows"]
Start = Literal[0, 1]


def csv_table(
    *,
    root: str,
    table: str = TABLE,
    images: str = IMAGES,
    classes: ClassNames | None = None,
    ignore: str | None = None,
    order: Order = "columns",
    start: Start = 1,
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Images and a table of run-length codes, in the loose forms of train.csv.

    Columns are image, class and runs; or image and class joined by "_", and runs; or image, and a
    column of runs for each class. Names of images may lack their suffix. Empty cells and NaN are
    empty masks. Several rows of an image and a class are one area.

    Args:
        root: Root folder of the data set.
        table: Table below the root.
        images: Folder of the images below the root.
        classes: Class names in the order of the classes; by default those of the table, sorted.
        ignore: Name of the class whose areas are left out of loss and metrics.
        order: Order in which pixels are numbered: down the columns, as Kaggle does, or along the
            rows.
        start: Number of the first pixel.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A folder or the table is missing, or rows are wrong; all are listed.
    """
    reading = read_csv(
        root,
        table=table,
        images=images,
        classes=classes,
        ignore=ignore,
        order=order,
        start=start,
    )
    return load(reading, subset=subset, subset_seed=subset_seed)


def is_csv_table(root: Path) -> bool:
    """Whether a folder has train_images/ and a train.csv in another form than Kaggle's."""
    has_both = (root / TABLE).is_file() and (root / IMAGES).is_dir()
    return has_both and is_loose(root / TABLE)


def read_csv(
    root: str,
    *,
    table: str = TABLE,
    images: str = IMAGES,
    classes: tuple[str, ...] | None = None,
    ignore: str | None = None,
    order: Order = "columns",
    start: Start = 1,
) -> Reading:
    """Read a table of run-length codes; see `csv_table` for the settings.

    Raises:
        DataError: A folder or the table is missing, or the class names do not fit.
    """
    folder = images_folder(root, images)
    file = Path(root) / table
    if not file.is_file():
        raise DataError(f"data.table: there is no file {file}; set data.table")
    rows, issues = read_csv_table(file)
    if not rows and issues and classes is None:
        return Reading("csv", file, (), False, [], issues)
    class_table = open_class_bits((row.class_name for row in rows), classes, ignore, file)
    listing = list_images(folder, recursive=True)
    paths_by_name = listing.paths
    issues += listing_issues(listing)
    by_stem = _unique_stems(paths_by_name)
    read = {name: AreaImage(name, path, file) for name, path in paths_by_name.items()}
    for row in rows:
        image = read.get(row.image) or read.get(by_stem.get(row.image, ""))
        if row.class_name not in class_table.bits:
            issues.append(unknown_class(file, row.line, row.image, row.class_name, class_table))
        elif image is None:
            issues.append(missing_image(file, row.line, "", row.image, (folder, paths_by_name)))
        elif row.runs:
            bit = class_table.bits[row.class_name]
            draw = _drawing(row, order, start)
            image.areas.append(Area(bit, f"class {row.class_name}", row.line, draw))
    return Reading(
        "csv", file, class_table.classes, class_table.has_ignore, list(read.values()), issues
    )


def write_csv(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> WriterReport:
    """Write train_images/ and train.csv in Kaggle's form of one row for each mask.

    Args:
        dataset: Data set.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what the table cannot say of this data set.
    """
    names = area_names(dataset)
    buffer = io.StringIO(newline="")
    writer = TableWriter(buffer, verbatim=True)
    writer.write_row(HEADER)
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name in enumerate(dataset.names):
            for bit, mask in class_masks(dataset, row):
                writer.write_row([name, names[bit], rle.encode(mask)])
        (partial / TABLE).write_text(buffer.getvalue(), encoding="utf-8")
    say(*formula_lines(folder / TABLE, [*dataset.names, *names]))
    return WriterReport(written_settings("csv", dataset), [])


def write_severstal(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> WriterReport:
    """Write Severstal's own layout, which the source severstal reads.

    Args:
        dataset: Data set with the classes 1 to 4.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Raises:
        DataError: The data set has other classes, ignored pixels, or images in folders.
    """
    if dataset.classes != SEVERSTAL_CLASSES or dataset.has_ignore:
        raise DataError(
            f"severstal: the classes are 1, 2, 3 and 4, without ignored pixels; this set has "
            f"{', '.join(area_names(dataset))}; take csv"
        )
    check_one_folder(dataset, "severstal")
    write_csv(dataset, folder, place=place)
    return WriterReport({"source": "severstal"}, [])


def _unique_stems(paths: Mapping[str, Path]) -> dict[str, str]:
    """Names of images by the name without suffix, where only one has it."""
    names: dict[str, list[str]] = {}
    for name in paths:
        names.setdefault(stem_of(name), []).append(name)
    return {stem: same[0] for stem, same in names.items() if len(same) == 1}


def _drawing(row: Row, order: Order, start: Start) -> Callable[[Size], Patch]:
    return functools.partial(_decode, row.runs, order, start)


def _decode(runs: str, order: Order, start: Start, size: Size) -> Patch:
    """Decode the runs of a mask.

    Raises:
        ShapeError: They are no mask of this size.
    """
    numbers = _from_one(runs) if start == 0 else runs
    try:
        parsed = rle.parse_runs(numbers, size[0] * size[1])
    except rle.RleError as error:
        zero_based = start == 1 and "before pixel 1" in str(error)
        hint = "; if the first pixel is 0, set data.start=0" if zero_based else ""
        raise ShapeError(f"{error}{hint}") from None
    if order == "columns":
        return runs_patch(parsed, size)
    turned = runs_patch(parsed, size[::-1])
    return Patch(turned.part.T, turned.top, turned.left)


def _from_one(runs: str) -> str:
    """Runs whose first pixel is 1, of runs whose first pixel is 0."""
    words = runs.split()
    starts = words[::2]
    words[::2] = [
        str(int(word) + 1) if word.isdecimal() and len(word) < 20 else word for word in starts
    ]
    return " ".join(words)
