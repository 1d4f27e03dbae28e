"""images.csv of a run: the content of its images and labels, to tell later what has changed."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from steelexp.data.dataset import Dataset
from steelexp.errors import UserError, explain_read_errors
from steelexp.spreadsheet import csv_text, original

FILE = "images.csv"
HEADER = ("image", "image_hash", "label_hash")

_NAMED = 3
"""Names in a message at most."""


class Content(NamedTuple):
    """Hashes of an image and of its labels."""

    image: str
    labels: str


Contents = Mapping[str, Content]
"""Content by name of the image."""


def contents_of(dataset: Dataset) -> Contents:
    """The content of each image of a data set."""
    pairs = zip(dataset.image_hashes, dataset.label_hashes, strict=True)
    return {name: Content(*pair) for name, pair in zip(dataset.names, pairs, strict=True)}


def image_table(dataset: Dataset) -> str:
    """The table image,image_hash,label_hash, sorted by image."""
    rows = ((name, *content) for name, content in sorted(contents_of(dataset).items()))
    return csv_text([HEADER, *rows])


def read_image_table(file: Path) -> Contents | None:
    """Read the table of a run; None if the run has none.

    Raises:
        UserError: The file is not such a table.
    """
    if not file.is_file():
        return None
    with (
        explain_read_errors(file, "restore it"),
        file.open(newline="", encoding="utf-8") as stream,
    ):
        rows = list(csv.reader(stream))
    if not rows or tuple(rows[0]) != HEADER or any(len(row) != len(HEADER) for row in rows):
        raise UserError(f"{file}: not a table of {','.join(HEADER)}; restore it")
    return {original(name): Content(image, labels) for name, image, labels in rows[1:]}


def describe_changes(before: Contents, now: Contents) -> str:
    """Which images or labels changed, were added or removed; "" if none.

    Example: "1 image changed: a.jpg; labels of 2 images changed: b.jpg, c.jpg".
    """
    shared = sorted(before.keys() & now.keys())
    changes = [
        ("{} changed", [name for name in shared if before[name].image != now[name].image]),
        ("labels of {} changed", [n for n in shared if before[n].labels != now[n].labels]),
        ("{} added", sorted(now.keys() - before.keys())),
        ("{} removed", sorted(before.keys() - now.keys())),
    ]
    return "; ".join(_describe(words, names) for words, names in changes if names)


def _describe(words: str, names: list[str]) -> str:
    count = f"{len(names)} image{'s' if names[1:] else ''}"
    rest = len(names) - _NAMED
    first_names = ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f"{words.format(count)}: {first_names}"
