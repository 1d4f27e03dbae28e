"""What is wrong with a data set as a whole: sizes, equal files, no labels, the order of runs."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from steelexp.data.doctor.pixel_order import Crossings, are_counted_from_zero
from steelexp.data.issue import Issue
from steelexp.data.survey import LabelledImage, Size


def size_issues(images: list[LabelledImage], sizes: list[Size | None]) -> list[Issue]:
    """Images of another size than most; unreadable ones have none."""
    counts = Counter(size for size in sizes if size is not None)
    if len(counts) < 2:
        return []
    usual, count = counts.most_common(1)[0]
    most = f"{count} of {len(sizes)} images {usual[0]} x {usual[1]}"
    return [
        Issue("wrong size", image.path, None, f"{size[0]} x {size[1]}, but {most}")
        for image, size in zip(images, sizes, strict=True)
        if size is not None and size != usual
    ]


def duplicate_files(paths: Iterable[Path]) -> list[Issue]:
    """Images with equal files; only files of equal length are read and compared."""
    first: dict[bytes, Path] = {}
    issues = []
    for path in _of_equal_length(paths):
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest in first:
            text = f"the same file as {first[digest]}"
            issues.append(Issue("duplicate image", path, None, text))
        first.setdefault(digest, path)
    return issues


def _of_equal_length(paths: Iterable[Path]) -> list[Path]:
    by_length: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_length[path.stat().st_size].append(path)
    return [path for same in by_length.values() if len(same) > 1 for path in same]


def base_issues(crossings: list[tuple[LabelledImage, int, Crossings]]) -> Iterator[Issue]:
    """The issue of a table whose runs look counted from 0.

    Args:
        crossings: Image, class number and areas at the end of columns of each mask.
    """
    if are_counted_from_zero([each for _, _, each in crossings]):
        masks = [(image, c) for image, c, each in crossings if each.crossing]
        columns = sum(each.crossing for _, _, each in crossings)
        image, c = masks[0]
        file, row = image.locate(c)
        text = (
            f"{image.name}: in this mask and {len(masks) - 1} others, areas at the top begin with "
            f"the last pixel of the column before, in {columns} columns"
        )
        yield Issue("runs from 0", file, row, text)
