"""Evaluation of finished runs on other labelled data than their own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from steelexp.data import pipeline
from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
from steelexp.data.class_order import match_classes
from steelexp.data.dataset import Dataset, raise_if
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.duplicates.relatives import joint_groups
from steelexp.data.run_data import read_run_data
from steelexp.data.variant import first_of_each_group, select
from steelexp.errors import UserError
from steelexp.evaluation.external import evaluate_external
from steelexp.evaluation.result import write_result
from steelexp.inference.scoring import build_scorer
from steelexp.labelled_data import LabelledData
from steelexp.plan import SpecModel
from steelexp.privacy import public, public_values
from steelexp.progress import say
from steelexp.records.document import write_document
from steelexp.records.external_evaluation import (
    FILE,
    ExternalEvaluation,
    Relatives,
    external_folder,
)
from steelexp.records.reevaluation import FOLDER
from steelexp.records.run_file import hashes_of
from steelexp.records.store import EVALUATION, RunFolder
from steelexp.run_model import load_model
from steelexp.spec import ExperimentSpec, load
from steelexp.starting_images import seen_images
from steelexp.tracked_run import tracked_run
from steelexp.tracking.tracker import Tracker
from steelexp.tracking.trackers import TRACKERS


def evaluate_on(
    folder: RunFolder,
    data: LabelledData,
    *,
    renamed: Mapping[str, str],
) -> tuple[ExternalEvaluation, Path]:
    """Evaluate a finished run on all images of other data; its record stays as it is.

    Args:
        folder: Run folder.
        data: Other data.
        renamed: Class of the data -> class of the run, where the names differ.

    Returns:
        The contents of evaluations/NAME/external.json in the run folder, and evaluations/NAME.

    Raises:
        UserError: The run is unfinished, or the data are wrong, have other classes or no defect.
    """
    record = folder.finished_record()
    classes = tuple(record.class_weights)
    source = match_classes(read_run_data(data.settings, record.white), classes, renamed)
    raise_if([f"{data.name}: no image has a label"] if not source.pixels.any() else [])
    every = cache_images(source, data.settings.cache, cache_root())
    all_groups = duplicate_groups(every, cache_root())
    once = data.settings.deduplicate
    rows = first_of_each_group(all_groups) if once else np.arange(len(every))
    dataset = select(every, rows)
    spec: ExperimentSpec = load(folder.file("spec.yaml"), model=SpecModel)
    tracker: Tracker = spec.tracking.bind(TRACKERS)()
    relatives = None
    unknown = ""
    try:
        relatives = count_relatives(dataset, read_run_data(spec.data, record.white), folder)
    except UserError as error:  # the run's own data are elsewhere
        unknown = public(error.lines[0])
    with folder.hold(), pipeline.original_errors():
        result = evaluate_external(
            build_scorer(load_model(folder)),
            dataset,
            np.arange(len(dataset)),
            all_groups[rows],
            threshold=record.threshold,
            postprocessing=record.postprocessing,
            source=folder.best_weights,
        )
        place = folder.path / FOLDER / external_folder(data.name, dataset.manifest)
        write_result(place, dataset, all_groups[rows], result)
        evaluation = ExternalEvaluation(
            name=data.name,
            data=public_values(data.settings.model_dump(mode="json")),
            renamed=dict(renamed),
            manifest=dataset.manifest,
            images=len(dataset),
            metrics=dict(result.metrics),
            postprocessing=record.postprocessing,
            relatives=relatives,
            unknown_relatives=unknown,
            files=hashes_of(place, EVALUATION),
        )
        write_document(place / FILE, evaluation.model_dump(mode="json"))
        run = tracked_run(spec, record.digest, folder)
        say(tracker.evaluated(run, place.name, result.metrics, place))
    return evaluation, place


def count_relatives(dataset: Dataset, own: Dataset, folder: RunFolder) -> Relatives:
    """Count the images with a near-duplicate among those the run was trained or tuned on.

    Images that the run's first weights had seen count as its own. They are often of other data
    than the run's, and then they are known by their content alone.

    Args:
        dataset: Other data.
        own: Data set of the run as it is now.
        folder: Run folder.

    Raises:
        UserError: The run keeps no table of its images.
    """
    seen = seen_images(folder, picked=True)
    rows = np.flatnonzero([image in seen for image in own.image_hashes])
    groups, own_groups = joint_groups(dataset, select(own, rows))
    every = np.concatenate([groups, own_groups])
    hashes = [*dataset.image_hashes, *(own.image_hashes[row] for row in rows)]
    trained = every[[seen.get(image) == "train" for image in hashes]]
    tuned = every[[seen.get(image) in {"picked", "val"} for image in hashes]]
    return Relatives(
        train=int(np.isin(groups, trained).sum()),
        val=int(np.isin(groups, tuned).sum()),
        missing=len(seen.keys() - set(hashes)),
    )
