"""The doctor: everything that is wrong with a data set, in one go, and what its labels amount to.

Each image is decoded twice: once for the checks and the figures, once to find near copies. What is
kept of it is figures only.
"""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data import duplicates
from steelexp.data.dataset import decode_image
from steelexp.data.doctor.examination import Statistics, collect_statistics
from steelexp.data.doctor.leaks import Leak, leaks, read_split
from steelexp.data.doctor.survey import LabelledImage, survey
from steelexp.data.issue import Issue
from steelexp.progress import steps
from steelexp.records.store import write_atomically

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found.

    Attributes:
        root: folder of the data set.
        layout: "severstal" or "mask_folder".
        classes: [C] names.
        names: [S] images.
        census: what the images amount to.
        groups: [S] near copies of one another share a number.
        leaks: pairs of parts that share near copies.
        issues: everything that is wrong.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    statistics: Statistics
    groups: npt.NDArray[np.int64]
    leaks: list[Leak]
    issues: list[Issue]

    @property
    def copies(self) -> list[list[int]]:
        """The groups of near copies: numbers of their images."""
        members: dict[int, list[int]] = {}
        for i, group in enumerate(self.groups.tolist()):
            members.setdefault(group, []).append(i)
        return [group for group in members.values() if len(group) > 1]

    @property
    def surfaces(self) -> int:
        """How many images are left when each group counts once."""
        return len(np.unique(self.groups))

    @property
    def clean(self) -> int:
        """Images that are known to have no label."""
        return int((self.statistics.known & ~self.statistics.pixels.any(axis=1)).sum())

    @property
    def unknown(self) -> int:
        """Images that, or whose labels, cannot be read."""
        return int((~self.statistics.known).sum())


def diagnose(
    root: Path, *, split: Path | None = None, classes: tuple[str, ...] | None = None
) -> Diagnosis:
    """Examine a data set of either layout.

    Args:
        root: its folder.
        split: CSV file of image,part, under which leaks are looked for; the set's own subfolders
            when absent.
        classes: names of the mask values 1, 2, ... of a folder of masks.

    Raises:
        DataError: root is not a data set, or the split cannot be read.
    """
    found = survey(root, classes)
    names = tuple(subject.name for subject in found.subjects)
    parts = [subject.part for subject in found.subjects]
    wrong: list[Issue] = []
    if split is not None:
        parts, wrong = read_split(split, names)
    with steps("examining", len(names), every=10.0) as advance:
        statistics = collect_statistics(found.subjects, one_size=found.one_size, report=advance)
    groups = _near_copies(found.subjects, statistics)
    leaking = leaks(groups, parts)
    surfaces = f"the {len(names)} images are {len(np.unique(groups))} surfaces"
    leak_findings = [Issue("leak", split or root, None, f"{leak}; {surfaces}") for leak in leaking]
    return Diagnosis(
        root=root,
        layout=found.layout,
        classes=found.classes or _values(statistics),
        names=names,
        statistics=statistics,
        groups=groups,
        leaks=leaking,
        issues=[*found.issues, *statistics.issues, *wrong, *leak_findings],
    )


def write(diagnosis: Diagnosis, folder: Path) -> Path:
    """Write doctor.json, one key a line.

    Args:
        diagnosis: what was found.
        folder: where to write; made if it is not there.
    """
    entries = (
        f"{json.dumps(key)}: {json.dumps(value)}" for key, value in _figures(diagnosis).items()
    )
    text = "{\n" + ",\n".join(entries) + "\n}\n"
    return write_atomically(folder / "doctor.json", text.encode())


def _figures(found: Diagnosis) -> dict[str, Any]:
    """All of doctor.json."""
    statistics, classes = found.statistics, len(found.classes)
    sizes = Counter(size for size in statistics.sizes if size is not None)
    shares = area_shares(statistics)
    return {
        "schema_version": SCHEMA_VERSION,
        "root": str(found.root),
        "layout": found.layout,
        "images": len(found.names),
        "clean": found.clean,
        "unknown": found.unknown,
        "sizes": [
            {"height": height, "width": width, "images": images}
            for (height, width), images in sizes.most_common()
        ],
        "classes": class_table(found),
        "co_occurrence": statistics.co_occurrence[:classes, :classes].tolist(),
        "areas": [[round(share, 8) for share in shares[c]] for c in range(classes)],
        "heat": [
            np.round(statistics.heat[c] / max(len(shares[c]), 1), 6).tolist()
            for c in range(classes)
        ],
        "issues": [
            {
                "kind": issue.kind,
                "file": str(issue.file),
                "row": issue.row,
                "text": issue.text,
                "cure": issue.fix,
            }
            for issue in found.issues
        ],
        "surfaces": found.surfaces,
        "near_copies": [[found.names[i] for i in group] for group in found.copies],
        "leaks": [
            {**leak._asdict(), "copies": [found.names[i] for i in leak.copies]}
            for leak in found.leaks
        ],
    }


def class_table(found: Diagnosis) -> list[dict[str, Any]]:
    """One row a class: counts, and shares between 0 and 1; None where nothing is labelled."""
    statistics, shares = found.statistics, area_shares(found.statistics)
    total = int(statistics.pixels.sum())
    table = []
    for c, name in enumerate(found.classes):
        pixels = int(statistics.pixels[:, c].sum())
        row = {
            "class": name,
            "images": len(shares[c]),
            "components": int(statistics.components[:, c].sum()),
            "pixels": pixels,
            "share_of_labelled": pixels / total if total else None,
            "mean_area": float(np.mean(shares[c])) if shares[c] else None,
            "share_on_black": int(statistics.black[:, c].sum()) / pixels if pixels else None,
        }
        table.append(row)
    return table


def area_shares(statistics: Statistics) -> list[list[float]]:
    """By class, the share of the image that it covers, on each image that holds it."""
    sizes = np.array([size or (1, 1) for size in statistics.sizes], np.int64).reshape(-1, 2)
    shares = statistics.pixels / sizes.prod(axis=1)[:, None]  # [S, C]
    return [column[column > 0].tolist() for column in shares.T]


def _values(statistics: Statistics) -> tuple[str, ...]:
    """The mask values that were found, up to the highest."""
    present = np.flatnonzero(statistics.pixels.any(axis=0))
    return tuple(str(c + 1) for c in range(present[-1] + 1)) if len(present) else ()


def _near_copies(subjects: list[LabelledImage], statistics: Statistics) -> npt.NDArray[np.int64]:
    """[S] groups; an image that cannot be read is alone in its own."""
    readable = [i for i, size in enumerate(statistics.sizes) if size is not None]
    groups = np.arange(len(subjects), dtype=np.int64)
    if not readable:
        return groups

    def image(number: int) -> npt.NDArray[np.uint8]:
        path = subjects[readable[number]].path
        grey = decode_image(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
        return grey.astype(np.uint8, copy=False)

    with steps("comparing", len(readable), every=10.0) as advance:
        numbers = duplicates.near_duplicates(
            image, len(readable), report=lambda done, total: advance(done)
        )
    groups[readable] = len(subjects) + numbers
    return groups
