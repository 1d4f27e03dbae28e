"""Evaluation of finished runs on other labelled data than their own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from steelexp.data import pipeline
from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
from steelexp.data.class_order import match_classes
from steelexp.data.dataset import Dataset, raise_if
from steelexp.data.duplicate_groups import duplicate_groups
from steelexp.data.relatives import joint_groups
from steelexp.data.sources import LOADERS
from steelexp.data.variant import first_of_each_group, select
from steelexp.evaluation.external import evaluate_external
from steelexp.evaluation.result import write_result
from steelexp.labelled_data import LabelledData
from steelexp.plan import Plan
from steelexp.progress import say
from steelexp.records.atomic import write_atomically
from steelexp.records.external_evaluation import FILE, ExternalEvaluation, Relatives
from steelexp.records.reevaluation import FOLDER
from steelexp.records.store import RunFolder
from steelexp.run_model import load_model
from steelexp.tracked_run import tracked_run
from steelexp.tracking.tracker import Tracker
from steelexp.tracking.trackers import TRACKERS


def evaluate_on(
    folder: RunFolder,
    data: LabelledData,
    *,
    renamed: Mapping[str, str],
    plan: Plan | None,
    no_plan: str,
) -> tuple[ExternalEvaluation, Path]:
    """Evaluate a finished run on all images of other data; its record stays as it is.

    Args:
        folder: Run folder.
        data: Other data.
        renamed: Class of the data -> class of the run, where the names differ.
        plan: Plan of the run, to look for near-duplicates of its images and to track the metrics;
            None if its own data are not at hand.
        no_plan: Reason why there is no plan.

    Returns:
        The contents of evaluations/NAME/external.json in the run folder, and evaluations/NAME.

    Raises:
        UserError: The run is unfinished, or the data are wrong, have other classes or no defect.
    """
    record = folder.finished_record()
    classes = tuple(record.class_weights)
    source = match_classes(data.settings.bind(LOADERS)(), classes, renamed)
    raise_if([f"{data.name}: no image has a label"] if not source.pixels.any() else [])
    every = cache_images(source, data.settings.cache, cache_root())
    all_groups = duplicate_groups(every, cache_root())
    once = data.settings.deduplicate
    rows = first_of_each_group(all_groups) if once else np.arange(len(every))
    dataset = select(every, rows)
    relatives = None if plan is None else _relatives(dataset, plan)
    with folder.hold(), pipeline.original_errors():
        result = evaluate_external(
            load_model(folder),
            dataset,
            all_groups[rows],
            threshold=record.threshold,
            postprocessing=record.postprocessing,
        )
        evaluation = ExternalEvaluation(
            name=data.name,
            data=data.settings.model_dump(mode="json"),
            renamed=dict(renamed),
            manifest=dataset.manifest,
            images=len(dataset),
            metrics=dict(result.metrics),
            postprocessing=record.postprocessing,
            relatives=relatives,
            unknown_relatives=no_plan,
        )
        place = folder.path / FOLDER / evaluation.folder_name
        write_result(place, dataset, all_groups[rows], result)
        write_atomically(place / FILE, (evaluation.model_dump_json(indent=2) + "\n").encode())
        if plan is not None:
            tracker: Tracker = plan.spec.tracking.bind(TRACKERS)()
            run = tracked_run(replace(plan, folder=folder), None)
            say(tracker.evaluated(run, evaluation.folder_name, result.metrics))
    return evaluation, place


def _relatives(dataset: Dataset, plan: Plan) -> Relatives:
    """Count the images with a near-duplicate among those the run was trained or tuned on."""
    groups, own = joint_groups(dataset, plan.dataset)
    split = plan.split
    return Relatives(
        train=int(np.isin(groups, own[split.train]).sum()),
        val=int(np.isin(groups, own[split.val]).sum()),
    )
