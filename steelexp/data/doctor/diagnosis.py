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
from steelexp.data.doctor.examination import Census, take_census
from steelexp.data.doctor.leaks import Leak, leaks, read_split
from steelexp.data.doctor.survey import Subject, survey
from steelexp.data.finding import Finding
from steelexp.data.strips import decode_image
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
        findings: everything that is wrong.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    names: tuple[str, ...]
    census: Census
    groups: npt.NDArray[np.int64]
    leaks: list[Leak]
    findings: list[Finding]

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
        return int((self.census.known & ~self.census.pixels.any(axis=1)).sum())

    @property
    def unknown(self) -> int:
        """Images that, or whose labels, cannot be read."""
        return int((~self.census.known).sum())


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
    wrong: list[Finding] = []
    if split is not None:
        parts, wrong = read_split(split, names)
    with steps("examining", len(names), every=10.0) as advance:
        census = take_census(found.subjects, one_size=found.one_size, report=advance)
    groups = _near_copies(found.subjects, census)
    leaking = leaks(groups, parts)
    surfaces = f"the {len(names)} images are {len(np.unique(groups))} surfaces"
    leak_findings = [
        Finding("leak", split or root, None, f"{leak}; {surfaces}") for leak in leaking
    ]
    return Diagnosis(
        root=root,
        layout=found.layout,
        classes=found.classes or _values(census),
        names=names,
        census=census,
        groups=groups,
        leaks=leaking,
        findings=[*found.findings, *census.findings, *wrong, *leak_findings],
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
    census, classes = found.census, len(found.classes)
    sizes = Counter(size for size in census.sizes if size is not None)
    shares = area_shares(census)
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
        "co_occurrence": census.co_occurrence[:classes, :classes].tolist(),
        "areas": [[round(share, 8) for share in shares[c]] for c in range(classes)],
        "heat": [
            np.round(census.heat[c] / max(len(shares[c]), 1), 6).tolist() for c in range(classes)
        ],
        "findings": [
            {
                "kind": finding.kind,
                "file": str(finding.file),
                "row": finding.row,
                "text": finding.text,
                "cure": finding.cure,
            }
            for finding in found.findings
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
    census, shares = found.census, area_shares(found.census)
    total = int(census.pixels.sum())
    table = []
    for c, name in enumerate(found.classes):
        pixels = int(census.pixels[:, c].sum())
        row = {
            "class": name,
            "images": len(shares[c]),
            "components": int(census.components[:, c].sum()),
            "pixels": pixels,
            "share_of_labelled": pixels / total if total else None,
            "mean_area": float(np.mean(shares[c])) if shares[c] else None,
            "share_on_black": int(census.black[:, c].sum()) / pixels if pixels else None,
        }
        table.append(row)
    return table


def area_shares(census: Census) -> list[list[float]]:
    """By class, the share of the image that it covers, on each image that holds it."""
    sizes = np.array([size or (1, 1) for size in census.sizes], np.int64).reshape(-1, 2)
    shares = census.pixels / sizes.prod(axis=1)[:, None]  # [S, C]
    return [column[column > 0].tolist() for column in shares.T]


def _values(census: Census) -> tuple[str, ...]:
    """The mask values that were found, up to the highest."""
    present = np.flatnonzero(census.pixels.any(axis=0))
    return tuple(str(c + 1) for c in range(present[-1] + 1)) if len(present) else ()


def _near_copies(subjects: list[Subject], census: Census) -> npt.NDArray[np.int64]:
    """[S] groups; an image that cannot be read is alone in its own."""
    readable = [i for i, size in enumerate(census.sizes) if size is not None]
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
