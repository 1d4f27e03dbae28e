"""The parts that a run would deal the images to, and the classes that a part lacks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import DataError
from steelexp.data.exclusion import exclude
from steelexp.data.issue import Issue
from steelexp.data.sources import LOADERS
from steelexp.data.splits.kinds import SPLITS
from steelexp.data.splits.split import PARTS, UNUSED
from steelexp.data.variant import first_of_each_group, select, thin_training
from steelexp.spec.schema import DataSpec, SplitSpec


def deal_parts(
    data: DataSpec, split: SplitSpec, names: Sequence[str], groups: npt.NDArray[np.int64]
) -> list[str]:
    """Deal images to parts as a run with this spec does.

    Args:
        data: Data section of the spec.
        split: Split section of the spec.
        names: [S] names of the surveyed images.
        groups: [S] group of near-duplicates of each.

    Returns:
        [S] part of each image, "" if it is in none; all "" where the parts are the same images.

    Raises:
        DataError: The data set or the split is refused.
    """
    parts = dict.fromkeys(names, "")
    if split.choice == "overfit":
        return list(parts.values())
    source = data.bind(LOADERS)()
    numbers = {name: i for i, name in enumerate(names)}
    all_groups = np.array([groups[numbers[name]] for name in source.names], np.int64)
    rows = first_of_each_group(all_groups) if data.deduplicate else np.arange(len(source))
    dataset = select(source, rows)
    full = split.bind(SPLITS)(dataset, all_groups[rows])
    thinned = thin_training(dataset, all_groups[rows], full, data)
    division = exclude(dataset, thinned, data.exclude, source.names)
    for part, part_rows in zip(PARTS, division, strict=True):
        parts |= {dataset.names[row]: part for row in part_rows.tolist()}
    return list(parts.values())


def dealing_issues(root: Path, error: DataError) -> list[Issue]:
    """The lines of a refusal by the loader or the split."""
    return [Issue("refused by its loader", root, None, line) for line in error.lines]


def missing_classes(
    file: Path, parts: Sequence[str], pixels: npt.NDArray[np.int64], classes: Sequence[str]
) -> Iterator[Issue]:
    """Classes that are labelled in the set and on no image of a part.

    Args:
        file: File of the split, or root of the data set.
        parts: [S] part of each image; "" if it has none.
        pixels: [S, C] labelled pixels.
        classes: [C] class names.
    """
    part_of = np.array(parts)
    images = (pixels[:, : len(classes)] > 0).sum(axis=0)
    for part in dict.fromkeys(part for part in parts if part not in ("", UNUSED)):
        in_part = part_of == part
        present = pixels[in_part, : len(classes)].any(axis=0)
        for c in np.flatnonzero((images > 0) & ~present).tolist():
            text = (
                f"no image of {part} holds class {classes[c]}: {images[c]} of the {len(parts)} "
                f"images do, and {int(in_part.sum())} are in {part}"
            )
            yield Issue("class missing from part", file, None, text)
