"""One finished run: its record, its spec, and its pixels on each image and class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import yaml

from steelexp.records.record import Record
from steelexp.records.store import RunFolder

Part = Literal["test", "val", "test_post"]
Pixels = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

COLUMNS: Final = ("part", "image", "group", "class", "tp", "fp", "fn", "dice")
PREFIX: Final[Mapping[Part, str]] = {  # of a record's metrics
    "test": "test",
    "val": "val",
    "test_post": "test_post",
}
OF_SPLIT: Final[Mapping[Part, str]] = {"test": "test", "val": "val", "test_post": "test"}


class RunError(Exception):
    """Runs that cannot be compared; the message says why and what to do."""


class EvaluatedImages(NamedTuple):
    """The images that all runs were evaluated on.

    Attributes:
        part: of the split; "test_post" are the test images with a tuned post-processing.
        names: [S].
        groups: [S] from 0; near-duplicates share a number.
        classes: [C] names.
        labelled: [S, C] pixels.
    """

    part: Part
    names: tuple[str, ...]
    groups: Pixels
    classes: tuple[str, ...]
    labelled: Pixels

    @property
    def held(self) -> npt.NDArray[np.bool_]:
        """[S, C], whether the image holds the class."""
        return self.labelled > 0


@dataclass(frozen=True)
class EvaluatedRun:
    """A finished run.

    Attributes:
        folder: where it lies.
        record: its record.json.
        spec: its spec.yaml.
        images: what it was evaluated on.
        tp: [S, C] pixels labelled and predicted.
        fp: [S, C] pixels predicted only.
        dice: [S, C], 1 where truth and prediction are empty.
    """

    folder: RunFolder
    record: Record
    spec: Mapping[str, Any]
    images: EvaluatedImages
    tp: Pixels
    fp: Pixels
    dice: Values

    @property
    def label(self) -> str:
        """How messages call it."""
        return str(self.folder.path)

    def metric(self, name: str) -> float:
        """A metric of the record, such as "dice_positive/1", on these images; NaN if undefined."""
        return self.record.metrics.get(f"{PREFIX[self.images.part]}_{name}", float("nan"))


def read_run(folder: RunFolder, record: Record, part: Part) -> EvaluatedRun:
    """Read spec and images of a finished run.

    Raises:
        RunError: spec.yaml is not a spec, the table is not one of the record's images, or no
            decision was tuned.
    """
    if part == "test_post" and record.postprocessing is None:
        raise RunError(
            f"{folder.path}: it has no tuned post-processing; where there are test images, "
            f"python -m steelexp evaluate {folder.path} tunes one"
        )
    path, spec_path = folder.path / record.images, folder.path / "spec.yaml"
    try:
        spec = dict(yaml.safe_load(spec_path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, TypeError, ValueError):
        raise RunError(f"{spec_path}: not a spec; run it again") from None
    try:
        table = pd.read_parquet(path, columns=list(COLUMNS))
        table = table[table["part"] == part]
        classes = tuple(dict.fromkeys(map(str, table["class"])))
        shape = (-1, len(classes))
        grids = {name: table[name].to_numpy().reshape(shape) for name in COLUMNS}  # [S, C] each
    except (OSError, KeyError, ValueError, ZeroDivisionError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"{path}: not a table of {', '.join(COLUMNS)} ({reason}); run it again"
        ) from None
    wanted = record.split["parts"][OF_SPLIT[part]]
    if len(grids["image"]) != wanted:
        raise RunError(
            f"{path}: {len(grids['image'])} {part} images, the record has {wanted}; run it again"
        )
    names, groups = grids["image"][:, 0], np.unique(grids["group"][:, 0], return_inverse=True)[1]
    labelled = grids["tp"] + grids["fn"]
    images = EvaluatedImages(part, tuple(map(str, names)), groups, classes, labelled)
    return EvaluatedRun(folder, record, spec, images, grids["tp"], grids["fp"], grids["dice"])
