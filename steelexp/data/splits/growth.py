"""Extension of a split to the new images of a data set that grows; no old image moves."""

from collections.abc import Mapping

import numpy as np

from steelexp.data.dataset import Dataset
from steelexp.data.splits.split import PARTS, UNUSED, Rows, check_shares
from steelexp.data.splits.stratification import combinations, count_groups, deal_groups
from steelexp.terminal import print_error

MOST_NAMES = 5
"""Names in a line."""


def extend_split(
    dataset: Dataset,
    groups: Rows,
    parts: Mapping[str, str],
    *,
    val: float,
    test: float,
    seed: int,
) -> dict[str, str]:
    """Part of each image that has none yet.

    A new image goes where the old images of its group are. If these lie in different parts or are
    all unused, it is not used, and a line on standard error names it. New groups are dealt to the
    parts that lack most images of their class combination. The order of the images does not matter.

    Args:
        dataset: Data set with old and new images.
        groups: [S] group of near-duplicates of each image.
        parts: Part of each old image; other images are ignored.
        val: Share of the used images in validation.
        test: Share of the used images in the test part.
        seed: Random seed of the order of equal groups.

    Returns:
        Part of each new image by name.

    Raises:
        DataError: The shares leave nothing to train on.
    """
    check_shares(val, test)
    homes = _group_parts(dataset, groups, parts)
    order = sorted(range(len(dataset)), key=lambda row: dataset.names[row])
    part_of_row = {
        row: parts.get(dataset.names[row]) or homes[int(groups[row])]
        for row in order
        if dataset.names[row] in parts or int(groups[row]) in homes
    }
    new = np.array([row for row in order if row not in part_of_row], np.int64)
    if len(new):
        codes = combinations(dataset.pixels > 0, len(PARTS))
        width = int(codes.max()) + 1
        used = [row for row, part in part_of_row.items() if part in PARTS]
        totals = np.bincount(codes[[*used, *new]], minlength=width)
        lacking = np.outer((1 - val - test, val, test), totals)  # [P, K] images
        for row in used:
            lacking[PARTS.index(part_of_row[row]), codes[row]] -= 1
        numbers = _numbers(groups[new])
        counts = count_groups(numbers, codes[new], width)
        new_parts = deal_groups(counts, lacking, seed)[numbers]
        part_of_row |= {int(row): PARTS[part] for row, part in zip(new, new_parts, strict=True)}
    names = dataset.names
    return {names[row]: part_of_row[row] for row in order if names[row] not in parts}


def _group_parts(dataset: Dataset, groups: Rows, parts: Mapping[str, str]) -> dict[int, str]:
    """Part of the new images of each group that has old images."""
    old: dict[int, set[str]] = {}
    for name, group in zip(dataset.names, groups.tolist(), strict=True):
        if name in parts:
            old.setdefault(group, set()).add(parts[name])
    used = {group: sorted(names - {UNUSED}) for group, names in old.items()}
    homes = {group: names[0] if len(names) == 1 else UNUSED for group, names in used.items()}
    new = [
        (name, group)
        for name, group in zip(dataset.names, groups.tolist(), strict=True)
        if name not in parts and homes.get(group) == UNUSED
    ]
    _say_unused([name for name, group in new if used[group]], "lie in different parts")
    _say_unused([name for name, group in new if not used[group]], "are unused as well")
    return homes


def _say_unused(names: list[str], reason: str) -> None:
    """Say which new images are not used, and why their near-duplicates make it so."""
    if names:
        rest = len(names) - MOST_NAMES
        text = ", ".join(sorted(names)[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
        print_error(
            f"split: {len(names)} new images are unused: their near-duplicates {reason}: {text}"
        )


def _numbers(groups: Rows) -> Rows:
    """Numbers of groups from 0, in the order of their first image."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(group, len(first)) for group in groups.tolist()], np.int64)
