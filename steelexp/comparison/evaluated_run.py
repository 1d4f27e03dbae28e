"""One finished run: its record, its spec, and its pixels on each image and class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.command_line import command_line
from steelexp.counts import Counts, Pixels, Values, dice
from steelexp.errors import UserError
from steelexp.metric_names import Part, full_name
from steelexp.records.image_scores import read_image_scores
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec

PART_OF_SPLIT: Final[Mapping[Part, str]] = {"test": "test", "val": "val", "test_post": "test"}


class EvaluatedImages(NamedTuple):
    """The images that a run was evaluated on; S images, C classes.

    Attributes:
        part: Part of the split; "test_post" is the test images with post-processing.
        names: [S].
        groups: [S] from 0; near-duplicates share a number.
        classes: [C] names.
        labelled: [S, C] pixels.
    """

    part: Part
    names: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    labelled: Pixels

    @property
    def has_class(self) -> npt.NDArray[np.bool_]:
        """Whether the image holds the class, [S, C]."""
        return self.labelled > 0


@dataclass(frozen=True)
class EvaluatedRun:
    """A finished run.

    Attributes:
        folder: Run folder.
        record: Its record.json.
        spec: Its spec.yaml.
        images: Images that it was evaluated on.
        counts: Its pixels on them, [S, C].
    """

    folder: RunFolder
    record: Record
    spec: ExperimentSpec
    images: EvaluatedImages
    counts: Counts

    @property
    def label(self) -> str:
        """Name of the run in messages."""
        return str(self.folder.path)

    @cached_property
    def dice(self) -> Values:
        """Dice of each image and class, [S, C]; 1 where truth and prediction are empty."""
        return dice(self.counts)

    def metric(self, name: str) -> float:
        """A metric of the record, such as "dice_positive/1", on these images; NaN if undefined."""
        return self.record.metrics.get(full_name(name, self.images.part), float("nan"))


def read_run(folder: RunFolder, record: Record, spec: ExperimentSpec, part: Part) -> EvaluatedRun:
    """Read the pixels of a finished run.

    Raises:
        UserError: There are no such images, the table is not one of the record's images, or the
            run has no post-processing.
    """
    of_split = PART_OF_SPLIT[part]
    expected = record.split["parts"][of_split]
    if not expected:
        raise UserError(
            f"{folder.path}: it has no {of_split} images (split {record.split['kind']}); "
            "--part val compares on the images that picked the epoch, or leave it out"
        )
    if part == "test_post" and record.postprocessing is None:
        raise UserError(
            f"{folder.path}: it has no tuned post-processing; where there are test images, tune "
            f"one: {command_line('evaluate', folder.path)}"
        )
    scores = read_image_scores(folder.file(record.images), part)
    if len(scores.images) != expected:
        raise UserError(
            f"{folder.path / record.images}: {len(scores.images)} {part} images, the record has "
            f"{expected}; run it again"
        )
    groups = np.unique(scores.groups, return_inverse=True)[1]
    labelled = scores.counts.tp + scores.counts.fn
    images = EvaluatedImages(part, scores.images, groups, scores.classes, labelled)
    return EvaluatedRun(folder, record, spec, images, scores.counts)
