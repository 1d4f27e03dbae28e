"""image_scores.parquet: pixels per image and class, from which every comparison starts.

One row per part, image and class. The images of a part keep their order, and each has all classes
in the same order. The column dice follows from the pixels (1 where truth and prediction are empty);
it is there for readers with other tools.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.command_line import command_line
from steelexp.counts import Counts, dice
from steelexp.errors import UserError, reason
from steelexp.metric_names import PART_WORDS, Part
from steelexp.records.atomic import replacing

FILE = "image_scores.parquet"
COLUMNS = {
    "part": "string",
    "image": "string",
    "group": "int64",
    "class": "string",
    "tp": "int64",
    "fp": "int64",
    "fn": "int64",
    "dice": "double",
}
"""Column -> its type in Arrow."""


class ImageScores(NamedTuple):
    """Pixels on the images of one part; S images, C classes.

    Attributes:
        images: Names, [S].
        groups: Numbers, [S]; near-duplicates share one.
        classes: Names, [C].
        counts: Pixels, [S, C] each.
    """

    images: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    counts: Counts


def write_image_scores(file: Path, parts: Mapping[Part, ImageScores]) -> Path:
    """Write the table atomically."""
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    tables = [pa.table(_columns(part, scores), schema=schema) for part, scores in parts.items()]
    with replacing(file) as beside:
        parquet.write_table(pa.concat_tables(tables), beside)
    return file


def _columns(part: Part, scores: ImageScores) -> dict[str, Any]:
    images = len(scores.images)
    classes = len(scores.classes)
    counts = scores.counts
    return {
        "part": [part] * images * classes,
        "image": np.repeat(np.array(scores.images, str), classes),
        "group": np.repeat(scores.groups, classes),
        "class": np.tile(np.array(scores.classes, str), images),
        "tp": counts.tp.ravel(),
        "fp": counts.fp.ravel(),
        "fn": counts.fn.ravel(),
        "dice": dice(counts).ravel(),
    }


def read_image_scores(file: Path, part: Part) -> ImageScores:
    """Read the images of one part.

    Raises:
        UserError: The file cannot be read, is another table, or has no images of this part.
    """
    import pyarrow as pa  # as above
    from pyarrow import parquet

    try:
        table = parquet.read_table(file, columns=list(COLUMNS), partitioning=None)
        _check_columns(table)
        rows = table.filter(pa.array(table["part"].to_numpy() == part))
        return _scores({name: rows[name].to_numpy() for name in COLUMNS}, part)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{file}: not a table of images and classes that this version reads ({reason(error)}); "
            f"evaluate the run again: {command_line('evaluate', file.parent)}"
        ) from None


def _check_columns(table: Any) -> None:
    """Raise a ValueError that names the first column that is missing or of another type."""
    for name, kind in COLUMNS.items():
        if name not in table.column_names:
            raise ValueError(f"no column {name}")
        column_type = str(table.schema.field(name).type).removeprefix("large_")
        if column_type != kind:
            raise ValueError(f"column {name}: {column_type} in place of {kind}")
        if table[name].null_count:
            raise ValueError(f"column {name}: {table[name].null_count} empty cells")


def _scores(columns: Mapping[str, npt.NDArray[Any]], part: Part) -> ImageScores:
    classes = tuple(dict.fromkeys(map(str, columns["class"])))
    if not classes:
        raise ValueError(f"no {PART_WORDS[part]}")
    if len(columns["class"]) % len(classes):
        raise ValueError(f"part {part}: an image without a row for each class")
    grids = {name: values.reshape(-1, len(classes)) for name, values in columns.items()}  # [S, C]
    if (grids["class"] != np.array(classes, object)).any():
        raise ValueError(f"part {part}: an image without a row for each class")
    if any((grids[name] != grids[name][:, :1]).any() for name in ("image", "group")):
        raise ValueError(f"part {part}: rows of one image are apart")
    counts = Counts(grids["tp"], grids["fp"], grids["fn"])
    if min(int(pixels.min()) for pixels in counts) < 0:
        raise ValueError(f"part {part}: a negative number of pixels")
    return ImageScores(tuple(map(str, grids["image"][:, 0])), grids["group"][:, 0], classes, counts)
