"""Re-evaluation of finished runs from the weights of their best epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from steelexp.data import pipeline
from steelexp.data.dataset import raise_if
from steelexp.evaluation.evaluator import Evaluator, InferenceSettings
from steelexp.evaluation.result import write_result
from steelexp.evaluation.tuning_counts import TuningCounts
from steelexp.metric_names import BEST
from steelexp.network import BuildNetwork, compiled_network, evaluator_of
from steelexp.plan import Plan
from steelexp.progress import say
from steelexp.records import image_scores, provenance
from steelexp.records.document import write_document
from steelexp.records.record import Record
from steelexp.records.reevaluation import FILE, Reevaluation
from steelexp.records.reevaluation import FOLDER as EVALUATIONS
from steelexp.records.run_file import hashes_of
from steelexp.records.store import EPOCHS, EVALUATION, RECORD
from steelexp.run_model import check_recorded_weights
from steelexp.tracked_run import tracked_run
from steelexp.tracking.tracker import Tracker
from steelexp.tracking.trackers import TRACKERS
from steelexp.training import checkpoint, runtime
from steelexp.training.execution import execution_of_weights
from steelexp.training.precision import evaluation_precision

CHANGES: Final = "evaluation_changes"
"""Key of a record's provenance: what changed between the training and a later evaluation."""


def evaluate(plan: Plan, *, overlays: Sequence[str] = ()) -> Record:
    """Evaluate a finished run again as the run itself does, and update its record.

    Args:
        plan: Plan of the run's own spec.
        overlays: Names of images to write overlays of.

    Returns:
        The updated record.

    Raises:
        UserError: The run is unfinished, the data set has no image of a name, or the tracker of
            the spec cannot be used.
    """
    folder = plan.folder
    rows = _named_rows(plan, overlays)
    tracker: Tracker = plan.spec.tracking.bind(TRACKERS)()
    record, evaluator = _finished(plan)
    with folder.hold(), pipeline.original_errors():
        evaluator.draw(rows, record.best_epoch, folder)
        result = evaluator.result()
        write_result(folder.path, plan.dataset, plan.groups, result)
        news = {
            "metrics": result.metrics,
            "images": image_scores.FILE,
            "postprocessing": result.postprocessing,
            "provenance": _provenance(folder.path, record),
        }
        record = record.model_copy(update=news)
        record = folder.finish(record)
        run = tracked_run(plan.spec, plan.digest, plan.folder)
        say(tracker.evaluated(run, BEST, result.metrics, folder.path))
    return record


def reevaluate(plan: Plan, inference: InferenceSettings) -> Reevaluation:
    """Re-evaluate a finished run with other inference settings; its record stays as it is.

    Args:
        plan: Plan of the run's own spec.
        inference: Inference settings.

    Returns:
        The contents of evaluations/NAME/reevaluation.json in the run folder.

    Raises:
        UserError: The run is unfinished, the windows do not fit an image, or the tracker of the
            spec cannot be used.
    """
    folder = plan.folder.path / EVALUATIONS / inference.name
    tracker: Tracker = plan.spec.tracking.bind(TRACKERS)()
    _, evaluator = _finished(plan)
    with plan.folder.hold(), pipeline.original_errors():
        result = evaluator.result(inference)
        write_result(folder, plan.dataset, plan.groups, result)
        evaluation = Reevaluation(
            inference=inference.kind,
            tta=inference.tta,
            definition=inference.definition,
            metrics=dict(result.metrics),
            postprocessing=result.postprocessing,
            files=hashes_of(folder, EVALUATION),
        )
        write_document(folder / FILE, evaluation.model_dump(mode="json"))
        run = tracked_run(plan.spec, plan.digest, plan.folder)
        say(tracker.evaluated(run, inference.name, result.metrics, folder))
    return evaluation


def tuning_counts(
    plan: Plan, rows: npt.NDArray[np.int64], build: BuildNetwork = compiled_network
) -> TuningCounts:
    """Score images with the weights of a finished run's best epoch; nothing is written.

    Args:
        plan: Plan of the run's own spec.
        rows: Numbers of the images.
        build: Function that builds the network.

    Raises:
        UserError: The run is unfinished, or its epochs or weights are damaged.
    """
    _, evaluator = _finished(plan, build)
    with pipeline.original_errors():
        return evaluator.tuning_counts(rows)


def _provenance(folder: Path, record: Record) -> dict[str, Any]:
    """The provenance of a record, with what changed until this evaluation of its run, if any."""
    facts = {key: value for key, value in record.provenance.items() if key != CHANGES}
    changes = provenance.changes_since(folder, facts)
    return facts | ({CHANGES: changes} if changes else {})


def _finished(plan: Plan, build: BuildNetwork = compiled_network) -> tuple[Record, Evaluator]:
    """The record of a run, and an evaluator of the weights of its best epoch.

    Raises:
        UserError: The run is unfinished, or its epochs or weights are damaged.
    """
    spec = plan.spec
    record = plan.folder.finished_record()
    plan.folder.file(EPOCHS)  # its hash is written again with the record
    execution = execution_of_weights(record.provenance, plan.folder.path / RECORD)
    precision = evaluation_precision(spec.training.precision)
    runtime.prepare(seed=spec.seed, precision=precision, execution=execution)
    network = build(plan, execution)
    checkpoint.restore(plan.folder.best_weights, network.model, plan.digest)
    check_recorded_weights(plan.folder, record, network.model)
    return record, evaluator_of(plan, network)


def _named_rows(plan: Plan, names: Sequence[str]) -> list[int]:
    """Image numbers.

    Raises:
        DataError: The data set has no image of a name; the message lists all of them.
    """
    number = {name: row for row, name in enumerate(plan.dataset.names)}
    raise_if([f"--overlays {name}: no such image" for name in names if name not in number])
    return [number[name] for name in names]
