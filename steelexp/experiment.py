"""Run one experiment: train, restore the best epoch, evaluate, write the record."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.data import pipeline
from steelexp.data.image_table import FILE as IMAGE_TABLE
from steelexp.data.image_table import image_table
from steelexp.data.sampling import SAMPLERS
from steelexp.data.splits.split import split_csv
from steelexp.evaluation.result import write_result
from steelexp.metrics import definitions, lower_is_better
from steelexp.model.loss_schedule import warm_up_weight
from steelexp.network import compiled_network, evaluator_of
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.progress import say
from steelexp.records import image_scores, provenance
from steelexp.records.record import Record
from steelexp.records.store import Epoch, RunFolder
from steelexp.spec import ExperimentSpec, dump
from steelexp.tracked_run import tracked_run
from steelexp.tracking.tracker import Picture, TrackedTrial, Tracker
from steelexp.tracking.trackers import TRACKERS
from steelexp.training import checkpoint, runtime
from steelexp.training.devices import broadcast_metrics, strategy
from steelexp.training.fit import fit
from steelexp.training.plateau import best_epoch


def run(plan: Plan, *, command: str, trial: TrackedTrial | None = None) -> Record:
    """Run an experiment to its end, from wherever an earlier session left it.

    Args:
        plan: Plan of the experiment.
        command: Command that runs it again, for the record.
        trial: Trial of a search; None for a single run.

    Returns:
        The record, the last file that is written.

    Raises:
        BusyError: Another process runs the experiment.
        UserError: The run cannot start; nothing is written.
        DivergedError: The loss is no longer a number; the epochs before are kept.
    """
    spec = plan.spec
    folder = plan.folder
    if folder.record is not None:
        return folder.record
    started = datetime.now(UTC).isoformat(timespec="seconds")
    code_and_machine = _provenance()
    tracker: Tracker = spec.tracking.bind(TRACKERS)()
    device = runtime.prepare(seed=spec.seed, precision=spec.training.precision)
    distribution = strategy(
        spec.training.devices,
        workers=spec.training.workers,
        batch_size=spec.training.batch_size,
        tiles=plan.tile_count,
    )
    with distribution.scope():
        model, main_loss_weight = compiled_network(plan)
    evaluator = evaluator_of(plan, model)

    with folder.hold(), pipeline.original_errors():
        history = _start_or_resume(plan, model)
        tracker.start(tracked_run(spec, plan.digest, folder, trial))
        for epoch in history:
            _track(folder, tracker, epoch)

        def on_epoch_end(epoch: Epoch, best: bool) -> None:
            _save_epoch(folder, model, epoch, best=best)
            _track(folder, tracker, epoch)

        try:
            history = fit(
                model,
                spec,
                history,
                batches=lambda epoch: _training_batches(plan, epoch, main_loss_weight),
                validate=lambda epoch: broadcast_metrics(
                    evaluator.after_epoch(epoch, folder), distribution
                ),
                on_epoch_end=on_epoch_end,
            )
            checkpoint.restore(folder.best_weights, model)
            result = evaluator.result()
        except BaseException:
            say(tracker.finish({}))  # no metrics: the run failed or was interrupted
            raise
        write_result(folder.path, plan.dataset, plan.groups, result)
        tracking_line = tracker.finish(result.metrics)
        record = Record(
            name=spec.name,
            digest=plan.digest,
            seed=spec.seed,
            started=started,
            seconds=round(sum(epoch.seconds for epoch in history), 1),
            command=command,
            device=f"{distribution.num_replicas_in_sync} x {device}".removeprefix("1 x "),
            parameters=model.count_params(),
            steps=plan.steps,
            class_weights=_weights_by_class(plan),
            epochs=len(history),
            best_epoch=_best_epoch(spec, history),
            monitor=spec.training.monitor,
            metrics=result.metrics,
            definitions=definitions(),
            split=plan.split_summary,
            tiling=plan.tiling_summary,
            batch_size=spec.training.batch_size,
            weights=checkpoint.weights_hash(model),
            threshold=spec.training.threshold,
            postprocessing=result.postprocessing,
            data=plan.dataset.manifest,
            white=plan.dataset.white,
            images=image_scores.FILE,
            tracking=tracking_line,
            provenance=code_and_machine,
        )
        folder.write("record.json", record.model_dump_json(indent=2) + "\n")
    return record


def run_as_worker(spec: dict[str, Any], runs: Path, command: str, chief: bool) -> None:
    """Run an experiment together with other workers.

    All workers do the same. The chief does it in the run folder. The others do it in a temporary
    folder that begins as a copy of the run folder.

    Args:
        spec: The resolved spec as plain values.
        runs: Folder of the run folders, shared by all workers.
        command: Command that runs the experiment again, for the record.
        chief: Whether this worker writes the run folder.
    """
    plan = prepare(SpecModel.model_validate(spec), runs)
    if chief or plan.folder.record is not None:
        run(plan, command=command)
        return
    with tempfile.TemporaryDirectory() as temporary:
        copy = RunFolder(Path(temporary, plan.folder.path.name))
        for file in ("epochs.jsonl", "weights/last.h5", "weights/best.h5"):
            if (source := plan.folder.path / file).is_file():
                (copy.path / file).parent.mkdir(parents=True, exist_ok=True)
                checkpoint.copy(source, copy.path / file)
        untracked = SpecModel.model_validate(spec | {"tracking": {"name": "none"}})
        run(replace(plan, spec=untracked, folder=copy), command=command)


def _start_or_resume(plan: Plan, model: Any) -> list[Epoch]:
    """Write the files that describe the run, or restore what an earlier session left.

    Returns:
        The epochs that were trained before.
    """
    folder = plan.folder
    spec = plan.spec
    last = checkpoint.epoch_of(folder.last_weights)
    if last is None or not (folder.path / "split.json").is_file():  # split.json is written last
        folder.write("spec.yaml", dump(spec))
        folder.write("environment.json", json.dumps(provenance.environment(), indent=2) + "\n")
        folder.write("changes.patch", provenance.git_state().patch)
        folder.write(IMAGE_TABLE, image_table(plan.dataset))
        folder.write("split.csv", split_csv(plan.dataset, plan.split))
        folder.write("split.json", json.dumps(plan.split_summary, indent=2) + "\n")
    if last is None:
        return []
    history = folder.epochs
    if len(history) < last.epoch:  # killed between the two writes of _save_epoch
        folder.append(last)
        history = folder.epochs
    if _best_epoch(spec, history) == last.epoch != checkpoint.number_of(folder.best_weights):
        checkpoint.copy(folder.last_weights, folder.best_weights)
    checkpoint.restore(folder.last_weights, model)
    say(f"{folder.path}: going on after epoch {last.epoch}")
    return history


def _save_epoch(folder: RunFolder, model: Any, epoch: Epoch, *, best: bool) -> None:
    """Save the weights with the epoch's record, then append the record to epochs.jsonl."""
    checkpoint.save(folder.last_weights, model, epoch)
    folder.append(epoch)
    if best:
        checkpoint.copy(folder.last_weights, folder.best_weights)


def _track(folder: RunFolder, tracker: Tracker, epoch: Epoch) -> None:
    pictures = [Picture(path.stem, path) for path in folder.overlays(epoch.epoch)]
    tracker.epoch(epoch.epoch, epoch.metrics, epoch.step, pictures)


def _training_batches(plan: Plan, epoch: int, main_loss_weight: Any) -> Any:
    """Set the main loss's weight for an epoch; return its batches as a tf.data.Dataset."""
    loss_warm_up = plan.spec.loss_warm_up
    main_loss_weight.assign(
        warm_up_weight(epoch, epochs=loss_warm_up.epochs, fade=loss_warm_up.fade)
    )
    return pipeline.training_batches(
        plan.dataset,
        plan.split.train,
        plan.tiling,
        plan.spec.sampling.bind(SAMPLERS),
        plan.augmentations,
        batch_size=plan.spec.training.batch_size,
        seed=plan.spec.seed,
        epoch=epoch,
    ).tf_dataset()


def _weights_by_class(plan: Plan) -> dict[str, float]:
    weights = np.ones(plan.class_count) if plan.class_weights is None else plan.class_weights
    return dict(zip(plan.dataset.classes, weights.tolist(), strict=True))


def _best_epoch(spec: ExperimentSpec, history: Sequence[Epoch]) -> int:
    values = [epoch.metrics[spec.training.monitor] for epoch in history]
    return best_epoch(values, lower_is_better=lower_is_better(spec.training.monitor))


def _provenance() -> dict[str, Any]:
    git = provenance.git_state()
    return {
        "commit": git.commit,
        "branch": git.branch,
        "dirty": git.dirty,
        **provenance.environment(),
    }
