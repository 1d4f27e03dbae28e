"""Rows of added images for the file of a split."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.comparison import Comparison
from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.splits.file import read_table
from steelexp.data.splits.growth import extend_split
from steelexp.data.variant import select
from steelexp.data.white_level import set_white_level

SEED = 42
"""Seed of the order of equal groups, the default of the splits."""


def deal_rows(addition: Addition, comparison: Comparison, path: Path) -> dict[str, str]:
    """Deal the images that are added, and those that are there already and have no row.

    Near-duplicates go to one part. Groups without an old image are dealt so that the parts keep
    the shares of version 1.

    Args:
        addition: Images and labels.
        comparison: Images that the data set has already.
        path: File of the split.

    Returns:
        Part of each image without a row, by name in the data set.

    Raises:
        DataError: The file cannot be read, or has rows for images that the data set lacks.
    """
    table = read_table(path, "--split")
    names = addition.existing.names
    old_names = [names[row] for row in (comparison.equal | comparison.changed).values()]
    wanted = {*addition.new.values(), *old_names}
    if missing := sorted(table.parts.keys() - {*names, *wanted}):
        raise DataError(
            f"--split {path}: {len(missing)} of its images are not in {addition.root}, such as "
            f"{missing[0]}; name the split of this data set, or remove their rows"
        )
    if wanted <= table.parts.keys():
        return {}
    every = _all_images(addition)
    groups = duplicate_groups(every, cache_root())
    rows = [row for row, name in enumerate(every.names) if name in table.parts or name in wanted]
    return extend_split(
        select(every, np.array(rows)),
        groups[rows],
        table.parts,
        val=table.shares["val"],
        test=table.shares["test"],
        seed=SEED,
    )


def _all_images(addition: Addition) -> Dataset:
    """The data set with its new images."""
    existing = addition.existing
    new = select(addition.dataset, np.arange(len(addition.new)))
    every = replace(
        existing,
        names=existing.names + new.names,
        paths=existing.paths + new.paths,
        sizes=np.concatenate([existing.sizes, new.sizes]),
        pixels=np.concatenate([existing.pixels, new.pixels]),
        image_hashes=existing.image_hashes + new.image_hashes,
        label_hashes=existing.label_hashes + new.label_hashes,
    )
    return set_white_level(every, "auto")
