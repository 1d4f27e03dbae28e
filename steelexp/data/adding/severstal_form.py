"""New rows for train.csv, and new images beside it."""

import io
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from steelexp.data import rle
from steelexp.data.adding.addition import Addition
from steelexp.data.adding.moves import Staging
from steelexp.data.dataset import Bits, raise_if
from steelexp.data.severstal import HEADERS, read_table
from steelexp.progress import say
from steelexp.spreadsheet import TableWriter, formula_lines

TABLE = "train.csv"
FOLDER = "train_images"
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")


def stage_severstal(addition: Addition, settings: Mapping[str, Any], staging: Staging) -> None:
    """Stage train.csv, then the images. Rows of other images stay as they are, byte for byte.

    Args:
        addition: Images and labels.
        settings: Data section of the data set.
        staging: Files to move to their places.

    Raises:
        DataError: Images have other names than this layout takes; all are listed.
    """
    raise_if(
        [
            f"{name}: an image of {FOLDER}/ has no folder and ends in {', '.join(SUFFIXES)}"
            for name in addition.new.values()
            if "/" in name or not name.lower().endswith(SUFFIXES)
        ]
    )
    table = addition.root / TABLE
    text = table.read_bytes().decode("utf-8")
    columns, labels, _ = read_table(table)
    replaced = {addition.existing.names[other] for other in addition.changed.values()}
    dropped = {label.line for label in labels if label.image in replaced}
    lines = io.StringIO(text, newline="").readlines()
    remaining = [line for number, line in enumerate(lines, start=1) if number not in dropped]
    end = "\r\n" if remaining and remaining[0].endswith("\r\n") else "\n"
    if remaining and not remaining[-1].endswith(("\n", "\r")):
        remaining[-1] += end
    rows = io.StringIO(newline="")
    writer = TableWriter(rows, end=end, verbatim=True)
    is_long = columns == HEADERS[0]
    for name, bits in addition.labels():
        writer.write_rows(_rows(name, bits, addition.existing.classes, is_long=is_long))
    content = "".join([*remaining, rows.getvalue()]).encode("utf-8")
    staging.add(TABLE, keep=bool(dropped)).write_bytes(content)
    say(*formula_lines(table, list(addition.new.values())))
    for target, path in addition.images():
        shutil.copy2(path, staging.add(target))


def _rows(
    name: str, bits: Bits, classes: tuple[str, ...], *, is_long: bool
) -> Iterator[tuple[str, ...]]:
    """Rows of one image: of each class that it holds, or of every class in the other form."""
    for c, label in enumerate(classes):
        runs = rle.encode(bits >> c & 1 == 1)
        if is_long and runs:
            yield name, label, runs
        elif not is_long:
            yield f"{name}_{label}", runs
