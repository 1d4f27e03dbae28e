"""The doctor: issues, statistics and near-duplicates of a data set in one pass, and doctor.json.

Each image is decoded twice: once for checks and statistics, once to find near-duplicates. Only
statistics stay in memory.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from steelexp.data.data_error import DataError
from steelexp.data.doctor.earlier_look import PAIR_SHEET, REPORT
from steelexp.data.doctor.examination import Statistics, collect_statistics
from steelexp.data.doctor.leaks import Leak, find_leaks, read_split
from steelexp.data.doctor.near_duplicates import NearPair, find_near_duplicates
from steelexp.data.doctor.pair_sheet import write_pair_sheet
from steelexp.data.doctor.parts import deal_parts, dealing_issues, missing_classes
from steelexp.data.doctor.shift import shift_issues
from steelexp.data.doctor.survey import survey_data, survey_folder
from steelexp.data.issue import Issue
from steelexp.data.survey import Survey
from steelexp.progress import steps
from steelexp.records.atomic import write_atomically
from steelexp.spec.roots import named_roots
from steelexp.spec.schema import DataSpec, SplitSpec

SCHEMA_VERSION = 3


@dataclass(frozen=True)
class Diagnosis:
    """The result of the doctor.

    Attributes:
        root: Root folder of the data set; several are joined by commas.
        layout: Name of the data source.
        classes: [C] class names.
        names: [S] image names.
        statistics: Statistics of images and labels.
        groups: [S] group of near-duplicates of each image.
        nearest: Pairs of images nearest to the threshold of near-duplicates.
        leaks: Pairs of parts that share near-duplicates.
        issues: All issues.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    statistics: Statistics
    groups: npt.NDArray[np.int64]
    nearest: list[NearPair]
    leaks: list[Leak]
    issues: list[Issue]

    @property
    def near_duplicates(self) -> list[list[int]]:
        """Image numbers of each group of two or more near-duplicates."""
        members: dict[int, list[int]] = {}
        for i, group in enumerate(self.groups.tolist()):
            members.setdefault(group, []).append(i)
        return [group for group in members.values() if len(group) > 1]

    @property
    def distinct_images(self) -> int:
        """Number of images if each group of near-duplicates counts once."""
        return len(np.unique(self.groups))

    @property
    def clean(self) -> int:
        """Number of readable images without labels."""
        return int((self.statistics.readable & ~self.statistics.pixels.any(axis=1)).sum())

    @property
    def unreadable(self) -> int:
        """Number of images that cannot be read, or whose labels cannot be read."""
        return int((~self.statistics.readable).sum())


def diagnose(
    data: Path | DataSpec,
    *,
    split: Path | SplitSpec | None = None,
    classes: tuple[str, ...] | None = None,
) -> Diagnosis:
    """Examine a data set.

    Args:
        data: Data section of a spec, whose settings apply as in a run; or the root folder of a data
            set, whose layout tells how to read it.
        split: Split to check for data leakage and missing classes: a CSV file image,part, or the
            split section beside the data section; by default the set's own subfolders.
        classes: Names of the classes in order, for a folder whose files do not name them.

    Raises:
        DataError: The folder is not a data set, or the split cannot be read.
    """
    if isinstance(data, DataSpec):
        root = Path(", ".join(named_roots(data.settings["root"]).values()))
        files = survey_data(data)
        white = None if data.grey.white == "auto" else data.grey.white
    else:
        root = data
        files = survey_folder(root, classes)
        white = None
    names = tuple(image.name for image in files.images)
    parts = [image.part for image in files.images]
    split_issues: list[Issue] = []
    if isinstance(split, Path):
        parts, split_issues = read_split(split, names)
    with steps("examining", len(names), every=10.0) as advance:
        statistics = collect_statistics(files, white=white, report=advance)
    groups, nearest = find_near_duplicates(files.images, statistics, white)
    if isinstance(split, SplitSpec) and isinstance(data, DataSpec):
        try:
            parts = deal_parts(data, split, names, groups)
        except DataError as error:
            has_reason = files.issues or statistics.issues
            split_issues = [] if has_reason else dealing_issues(root, error)
    split_file = split if isinstance(split, Path) else root
    leaks = find_leaks(groups, parts)
    distinct = f"{len(np.unique(groups))} of the {len(names)} images are distinct"
    split_issues += [Issue("leak", split_file, None, f"{leak}; {distinct}") for leak in leaks]
    class_names = files.classes or _mask_values(statistics)
    return Diagnosis(
        root=root,
        layout=files.layout,
        classes=class_names,
        names=names,
        statistics=statistics,
        groups=groups,
        nearest=nearest,
        leaks=leaks,
        issues=[
            *files.issues,
            *statistics.issues,
            *_no_labels(root, files, statistics),
            *shift_issues(root, files, statistics),
            *split_issues,
            *missing_classes(split_file, parts, statistics.pixels, class_names),
        ],
    )


def _no_labels(root: Path, files: Survey, statistics: Statistics) -> Iterator[Issue]:
    """The issue of a set whose labels can be read and hold nothing; other issues of labels say why.

    An issue of an image names the image's file, an issue of labels theirs.
    """
    paths = {image.path for image in files.images}
    has_label_issues = any(issue.file not in paths for issue in files.issues + statistics.issues)
    count = int(statistics.readable.sum())
    classes = files.classes and len(files.classes)
    if count and not has_label_issues and not statistics.pixels[:, :classes].any():
        yield Issue("no labels", root, None, f"none of the {count} images has a labelled pixel")


def write(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write doctor.json, one key per line, and the sheet of the nearest pairs if there are any.

    Args:
        diagnosis: Result of the doctor.
        folder: Folder of the file, created if it does not exist.
    """
    entries = (
        f"{json.dumps(key)}: {json.dumps(value)}" for key, value in _content(diagnosis).items()
    )
    text = "{\n" + ",\n".join(entries) + "\n}\n"
    sheet = folder / PAIR_SHEET
    if diagnosis.nearest:
        write_pair_sheet(diagnosis.nearest, diagnosis.names, sheet)
    else:
        sheet.unlink(missing_ok=True)  # of an earlier look
    return write_atomically(folder / REPORT, text.encode())


def _content(diagnosis: Diagnosis) -> dict[str, Any]:
    """The content of doctor.json."""
    statistics = diagnosis.statistics
    classes = len(diagnosis.classes)
    sizes = Counter(size for size in statistics.sizes if size is not None)
    shares = area_shares(statistics)
    return {
        "schema_version": SCHEMA_VERSION,
        "root": str(diagnosis.root),
        "layout": diagnosis.layout,
        "images": len(diagnosis.names),
        "clean": diagnosis.clean,
        "unreadable": diagnosis.unreadable,
        "sizes": [
            {"height": height, "width": width, "images": images}
            for (height, width), images in sizes.most_common()
        ],
        "classes": class_table(diagnosis),
        "co_occurrence": statistics.co_occurrence[:classes, :classes].tolist(),
        "area_shares": [[round(share, 8) for share in shares[c]] for c in range(classes)],
        "heatmap": [
            np.round(statistics.heatmap[c] / max(len(shares[c]), 1), 6).tolist()
            for c in range(classes)
        ],
        "issues": [
            {
                "kind": issue.kind,
                "file": str(issue.file),
                "row": issue.row,
                "text": issue.text,
                "fix": issue.fix,
            }
            for issue in diagnosis.issues
        ],
        "distinct_images": diagnosis.distinct_images,
        "near_duplicates": [
            [diagnosis.names[i] for i in group] for group in diagnosis.near_duplicates
        ],
        "nearest_pairs": [
            {
                "images": [diagnosis.names[pair.a], diagnosis.names[pair.b]],
                "similarity": round(pair.similarity, 4),
                "near_duplicates": pair.near_duplicates,
            }
            for pair in diagnosis.nearest
        ],
        "leaks": [
            {**leak._asdict(), "duplicates": [diagnosis.names[i] for i in leak.duplicates]}
            for leak in diagnosis.leaks
        ],
    }


def class_table(diagnosis: Diagnosis) -> list[dict[str, Any]]:
    """One row per class: counts, and shares between 0 and 1, None if nothing is labelled."""
    statistics = diagnosis.statistics
    shares = area_shares(statistics)
    total = int(statistics.pixels.sum())
    table = []
    for c, name in enumerate(diagnosis.classes):
        pixels = int(statistics.pixels[:, c].sum())
        on_black = int(statistics.pixels_on_black[:, c].sum())
        row = {
            "class": name,
            "images": len(shares[c]),
            "components": int(statistics.components[:, c].sum()),
            "pixels": pixels,
            "share_of_labelled": pixels / total if total else None,
            "mean_area_share": float(np.mean(shares[c])) if shares[c] else None,
            "share_on_black": on_black / pixels if pixels else None,
        }
        table.append(row)
    return table


def area_shares(statistics: Statistics) -> list[list[float]]:
    """Labelled share of each image of a class, by class number."""
    sizes = np.array([size or (1, 1) for size in statistics.sizes], np.int64).reshape(-1, 2)
    shares = statistics.pixels / sizes.prod(axis=1)[:, None]  # [S, C]
    return [column[column > 0].tolist() for column in shares.T]


def _mask_values(statistics: Statistics) -> tuple[str, ...]:
    """The mask values from 1 to the highest one."""
    present = np.flatnonzero(statistics.pixels.any(axis=0))
    return tuple(str(c + 1) for c in range(present[-1] + 1)) if len(present) else ()
