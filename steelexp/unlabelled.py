"""The images without labels that a run trains on, and the teacher that labels them.

The teacher is a finished run. What it has seen reaches the new run through its labels. So it is
compared with the validation and test part like a run that a new run starts with, and images that
show the surface of a validation or test image are left out.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.duplicates.relatives import joint_groups
from steelexp.data.image_folder import unlabelled_images
from steelexp.data.splits.split import Rows, Split
from steelexp.data.variant import select
from steelexp.data.white_level import set_white_level
from steelexp.errors import UserError
from steelexp.records.store import RunFolder, is_run_folder
from steelexp.report.tables import is_trial
from steelexp.spec import ExperimentSpec, load
from steelexp.spec.schema import UnlabelledSpec
from steelexp.starting_images import UNLABELLED as FILE
from steelexp.starting_images import (
    Comparison,
    Part,
    compare_images,
    facts_text,
    groups_in_words,
    hash_weights,
    named_run,
    recorded_facts,
    refuse_shared,
    seen_before,
    seen_images,
    weights_file,
)

_TEACHER = "data.unlabelled.teacher"


class UnlabelledFacts(BaseModel):
    """The images without labels of a run, and their teacher.

    Attributes:
        folder: Folder of the teacher.
        digest: Digest of the teacher.
        weights: Hash of its weights.
        at: Epoch of these weights: last, or best with the teacher's post-processing.
        epoch: Number of that epoch.
        comparison: Images of the teacher in the validation and test part.
        images: Hash of the images that are used, by content and in their order.
        count: Number of these images.
        evaluated: Number of images that are left out, because a near-duplicate is in the validation
            or test part.
        labelled: Number of images that are left out, because they are training images with labels.
        share: Share of each epoch's tiles.
        confidence: Score above which a pixel has a class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    digest: str
    weights: str
    at: Literal["last", "best"]
    epoch: int
    comparison: Comparison
    images: str
    count: int
    evaluated: int
    labelled: int
    share: float
    confidence: float

    @property
    def identity(self) -> str:
        """What goes into the digest of the run."""
        teacher = f"{self.digest} {self.weights} {self.at}"
        return f"{teacher} {self.images} {self.share!r} {self.confidence!r}"

    @property
    def file(self) -> Path:
        """The file of the teacher's weights."""
        return weights_file(RunFolder(Path(self.folder)), self.at)


class Unlabelled(NamedTuple):
    """The images without labels of a run.

    Attributes:
        facts: The images and their teacher.
        dataset: The images, with empty masks; None where the teacher or the images are gone.
        seen: Hash of each image that the labels may carry into the weights -> its part.
    """

    facts: UnlabelledFacts
    dataset: Dataset | None
    seen: Mapping[str, Part]


class LabelledImages(NamedTuple):
    """The labelled images of a run.

    Attributes:
        dataset: Data set of the run, S images.
        groups: [S] group of near-duplicates of each image.
        split: Split of the run.
        source: Data set before near-duplicates were taken out, T images.
        source_groups: [T] group of each of them, by the same numbers.
    """

    dataset: Dataset
    groups: Rows
    split: Split
    source: Dataset
    source_groups: Rows


def unlabelled_of(
    spec: ExperimentSpec, labelled: LabelledImages, *, own: RunFolder | None = None
) -> Unlabelled | None:
    """The images that `data.unlabelled` names, after a check of their teacher.

    Args:
        spec: Spec of the new run.
        labelled: Its labelled images.
        own: Folder of the new run, if it has begun: what it recorded stands if the teacher or the
            images are no longer there.

    Returns:
        The images; None where the spec names none.

    Raises:
        UserError: There is no such run or folder, the classes are others, the teacher has seen an
            evaluated image, or no image is left.
    """
    section = spec.data.unlabelled
    if section is None:
        return None
    gone = not is_run_folder(Path(section.teacher)) or not Path(section.root).is_dir()
    if gone and own is not None and (recorded := recorded_facts(own, FILE, UnlabelledFacts)):
        return Unlabelled(recorded, None, seen_before(own))
    folder = named_run(_TEACHER, section.teacher)
    record = folder.finished_record()
    _check_classes(folder, tuple(record.class_weights), labelled.dataset.classes)
    comparison, seen = _compare_teacher(spec, section, folder, record.white, labelled)
    images = _with_white(unlabelled_images(section.root, labelled.dataset.classes), labelled)
    if images.white != record.white and images.depth > 8:
        raise UserError(
            f"{_TEACHER}: {folder.path}: its white level is {record.white}, and that of the images "
            f"is {images.white}; take a teacher of the same camera"
        )
    used, evaluated, known = _without_labelled(images, labelled)
    facts = UnlabelledFacts(
        folder=str(folder.path),
        digest=record.digest,
        weights=hash_weights(_TEACHER, folder, record.digest, section.teacher_at),
        at=section.teacher_at,
        epoch=record.best_epoch if section.teacher_at == "best" else record.epochs,
        comparison=comparison,
        images=used.image_digest,
        count=len(used),
        evaluated=evaluated,
        labelled=known,
        share=section.share,
        confidence=section.confidence,
    )
    # A later run must not validate on an image that its teacher's labels trained this one on.
    return Unlabelled(facts, used, {**seen, **dict.fromkeys(used.image_hashes, "train")})


def unlabelled_lines(facts: UnlabelledFacts) -> list[str]:
    """The images without labels and their teacher, in words."""
    with_rules = " with its post-processing" if facts.at == "best" else ""
    lines = [
        (
            f"{facts.share:.0%} of the tiles are cut from {facts.count} images without labels. "
            f"{facts.folder} labels them after its epoch {facts.epoch}, its {facts.at} one"
            f"{with_rules}, where a score is above {facts.confidence:g} or below "
            f"{1 - facts.confidence:g}. Other pixels are ignored. Sampling and class weights look "
            "at labelled images only."
        )
    ]
    if facts.evaluated:
        lines.append(
            f"Left out because they, or a near-duplicate, are in the val or test part: "
            f"{facts.evaluated} images of the folder."
        )
    if facts.labelled:
        lines.append(
            "Left out because they are training images with labels: "
            f"{facts.labelled} images of the folder."
        )
    if shared := sum(facts.comparison.val.values()):
        lines.append(
            f"{groups_in_words(shared)} of the val part validated the teacher as well; both "
            "trainings were watched on them."
        )
    if facts.comparison.not_compared:
        lines.append(
            f"{facts.comparison.not_compared} images that the teacher has seen are compared by "
            f"content alone, without their near-duplicates ({facts.comparison.why})."
        )
    return lines


def unlabelled_texts(unlabelled: Unlabelled) -> dict[str, str]:
    """The file of a run folder about its images without labels."""
    return {FILE: facts_text(unlabelled.facts)}


def _check_classes(folder: RunFolder, theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
    if set(theirs) != set(ours):
        raise UserError(
            f"{_TEACHER}: {folder.path}: its classes are {', '.join(theirs)}, and those of this "
            f"run are {', '.join(ours)}; take a teacher of the same classes"
        )


def _compare_teacher(
    spec: ExperimentSpec,
    section: UnlabelledSpec,
    folder: RunFolder,
    white: int | None,
    labelled: LabelledImages,
) -> tuple[Comparison, dict[str, Part]]:
    """Check that the teacher has seen no evaluated image."""
    picked = section.teacher_at == "best" or is_trial(folder.path.resolve())
    seen = seen_images(folder, picked=picked)
    other: ExperimentSpec = load(folder.file("spec.yaml"), model=type(spec))
    comparison = compare_images(
        seen, labelled.dataset, labelled.groups, labelled.split, other, white
    )
    refuse_shared(
        folder,
        comparison,
        best=section.teacher_at == "best",
        setting=_TEACHER,
        at="data.unlabelled.teacher_at",
    )
    return comparison, seen


def _with_white(images: Dataset, labelled: LabelledImages) -> Dataset:
    """The images by the white level of the labelled ones, where both have more than 8 bits."""
    white = labelled.dataset.white
    if images.depth > 8 and white is not None:
        return replace(images, white=white)
    return set_white_level(images, "auto")


def _without_labelled(images: Dataset, labelled: LabelledImages) -> tuple[Dataset, int, int]:
    """Leave out images with labels, and those of the surface of an evaluated image.

    Returns:
        The images that are left; the number of those with a near-duplicate in the validation or
        test part, and of those that are training images.
    """
    dataset = labelled.dataset
    evaluated = np.concatenate([labelled.split.val, labelled.split.test])
    # Near-duplicates that were taken out of the data set connect others with those that were not.
    in_source = np.isin(labelled.source_groups, labelled.groups[evaluated])
    shows_evaluated = _near(images, labelled.source, in_source)
    training = {dataset.image_hashes[row] for row in labelled.split.train.tolist()}
    has_labels = np.array([image in training for image in images.image_hashes]) & ~shows_evaluated
    rows = np.flatnonzero(~shows_evaluated & ~has_labels)
    if not len(rows):
        raise DataError(
            f"data.unlabelled.root: none of the {len(images)} images is left: "
            f"{shows_evaluated.sum()} have a near-duplicate in the val or test part, and "
            f"{has_labels.sum()} are training images with labels; add images"
        )
    return select(images, rows), int(shows_evaluated.sum()), int(has_labels.sum())


def _near(images: Dataset, source: Dataset, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Whether an image has a near-duplicate among chosen images.

    An image of the source itself needs no search. A folder of thousands of images often holds it.

    Args:
        images: M images.
        source: T images.
        chosen: [T] whether an image of the source is chosen, with all of its group.

    Returns:
        [M] bool.
    """
    chosen_hashes = {source.image_hashes[row] for row in np.flatnonzero(chosen).tolist()}
    near = np.array([image in chosen_hashes for image in images.image_hashes])
    of_source = set(source.image_hashes)
    new = np.flatnonzero([image not in of_source for image in images.image_hashes])
    if len(new):
        groups, source_groups = joint_groups(select(images, new), source)
        near[new] = np.isin(groups, source_groups[chosen])
    return near
