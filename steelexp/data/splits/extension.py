"""Extension of the file of a split by the images that were dealt to parts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelexp.data.dataset import Dataset
from steelexp.data.splits.file import append_new_rows, check_writable, locked, read_table
from steelexp.data.splits.split import PARTS, UNUSED, Split, unused_rows


@dataclass(frozen=True)
class SplitFile:
    """The file of a split beside the data set that it divides.

    Attributes:
        path: Path of the table.
        version: Version of the split that holds the images with a row.
        parts: Part of each image of the data set.
        new: Images of the data set without a row.
        missing: Images with a row that the data set does not hold.
    """

    path: Path
    version: int
    parts: Mapping[str, str]
    new: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def summary(self) -> dict[str, int]:
        """Version, and number of images without a row if there are any; for the record."""
        return {"version": self.version} | ({"without_row": len(self.new)} if self.new else {})

    @property
    def new_parts(self) -> dict[str, str]:
        """Part of each image without a row, sorted by name."""
        return {name: self.parts[name] for name in sorted(self.new)}


def compare_with_file(settings: Mapping[str, Any], dataset: Dataset, split: Split) -> SplitFile:
    """Compare a split with the file that it was read from.

    Args:
        settings: Settings of the split, with the path of the file.
        dataset: Data set.
        split: Its split, before `data.train_fraction`.
    """
    path = Path(settings["path"])
    table = read_table(path)
    rows = zip((*PARTS, UNUSED), (*split, unused_rows(dataset, split)), strict=True)
    parts = {dataset.names[row]: part for part, numbers in rows for row in numbers.tolist()}
    versions = [table.versions[name] for name in parts if name in table.parts]
    return SplitFile(
        path=path,
        version=max(versions, default=1),
        parts=parts,
        new=tuple(name for name in parts if name not in table.parts),
        missing=tuple(sorted(table.parts.keys() - parts.keys())),
    )


def write_new_rows(file: SplitFile) -> SplitFile | None:
    """Append the images without a row to the file.

    Args:
        file: File beside its data set.

    Returns:
        The file with all rows; None if another process has meanwhile dealt an image to another
        part, so that the split has to be made again.

    Raises:
        OSError: The file cannot be written.
    """
    check_writable(file.path)
    with locked(file.path):
        table = read_table(file.path)
        if any(table.parts.get(name, part) != part for name, part in file.parts.items()):
            return None
        version = append_new_rows(file.path, file.new_parts)
    return replace(file, version=version, new=())


def describe_parts(parts: Mapping[str, str]) -> str:
    """Number of images and of those in each part: 40 images (train 28, val 6, test 6)."""
    counts = Counter(parts.values())
    shares = [f"{part} {counts[part]}" for part in (*PARTS, UNUSED) if counts[part]]
    return f"{len(parts)} images ({', '.join(shares)})"
