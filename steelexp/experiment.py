"""The story of one experiment, read downwards."""

import functools
import json
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.data import pipeline
from steelexp.data.dataset import raise_if
from steelexp.data.sampling import SAMPLERS
from steelexp.data.split import split_csv
from steelexp.errors import UserError
from steelexp.evaluation.evaluator import Evaluator, InferenceSettings
from steelexp.evaluation.result import write_result
from steelexp.lazy import Tensor, tf
from steelexp.metrics import definitions, lower_is_better
from steelexp.model.loss_schedule import mix_losses, warm_up_weight
from steelexp.model.losses import LOSSES
from steelexp.model.optimizers import OPTIMIZERS
from steelexp.model.unet import ARCHITECTURES
from steelexp.plan import Plan, SpecModel, prepare, weighted_losses
from steelexp.progress import say
from steelexp.records import image_scores, provenance
from steelexp.records.atomic import write_atomically
from steelexp.records.record import Record
from steelexp.records.reevaluation import FOLDER as EVALUATIONS
from steelexp.records.reevaluation import Reevaluation
from steelexp.records.store import Epoch, RunFolder
from steelexp.spec import Component, ExperimentSpec, dump, flat
from steelexp.tracking.tracker import Picture, TrackedRun, TrackedTrial, Tracker
from steelexp.tracking.trackers import TRACKERS
from steelexp.training import checkpoint, runtime
from steelexp.training.devices import broadcast_metrics, strategy
from steelexp.training.fit import compile_model, fit
from steelexp.training.plateau import best_epoch


def run(plan: Plan, *, command: str, trial: TrackedTrial | None = None) -> Record:
    """Run an experiment to its end, from wherever an earlier session left it.

    Args:
        plan: what to run.
        command: that runs it again; goes into the record.
        trial: of a search, if it is one.

    Returns:
        The record; it is written as the last act.

    Raises:
        BusyError: another process is at it.
        UserError: the run cannot start; nothing is written.
        DivergedError: the loss is no longer a number; the epochs before are kept.
    """
    spec, folder = plan.spec, plan.folder
    if folder.record is not None:
        return folder.record
    started, origin = datetime.now(UTC).isoformat(timespec="seconds"), _provenance()
    tracker: Tracker = spec.tracking.bind(TRACKERS)()
    device = runtime.prepare(seed=spec.seed, precision=spec.training.precision)
    among = strategy(
        spec.training.devices,
        workers=spec.training.workers,
        batch_size=spec.training.batch_size,
        tiles=plan.tile_count,
    )
    with among.scope():
        model, share = _network(plan)
    evaluator = _evaluator(plan, model)

    with folder.hold(), pipeline.original_errors():
        history = _open(plan, model)
        tracker.start(_tracked_run(plan, trial))
        for epoch in history:
            _track(folder, tracker, epoch)

        def keep(epoch: Epoch, best: bool) -> None:
            _keep(folder, model, epoch, best=best)
            _track(folder, tracker, epoch)

        try:
            history = fit(
                model,
                spec,
                history,
                batches=lambda epoch: _training_batches(plan, epoch, share),
                validate=lambda epoch: broadcast_metrics(
                    evaluator.after_epoch(epoch, folder), among
                ),
                keep=keep,
            )
            checkpoint.restore(folder.best_weights, model)
            result = evaluator.result()
        except BaseException:
            say(tracker.finish({}))
            raise
        write_result(folder.path, plan.dataset, plan.groups, result)
        closing = tracker.finish(result.metrics)
        record = Record(
            name=spec.name,
            digest=plan.digest,
            seed=spec.seed,
            started=started,
            seconds=round(sum(epoch.seconds for epoch in history), 1),
            command=command,
            device=f"{among.num_replicas_in_sync} x {device}".removeprefix("1 x "),
            parameters=model.count_params(),
            steps=plan.steps,
            class_weights=_named_weights(plan),
            epochs=len(history),
            best_epoch=_best(spec, history),
            monitor=spec.training.monitor,
            metrics=result.metrics,
            definitions=definitions(),
            split=plan.split_summary,
            tiling=plan.tiles,
            batch_size=spec.training.batch_size,
            threshold=spec.training.threshold,
            postprocessing=result.postprocessing,
            data=plan.dataset.manifest,
            images=image_scores.FILE,
            tracking=closing,
            provenance=origin,
        )
        folder.write("record.json", record.model_dump_json(indent=2) + "\n")
    return record


def evaluate(plan: Plan, *, pictures: Sequence[str] = ()) -> Record:
    """Evaluate a finished run again, from its best weights; the record gets what comes out.

    Args:
        plan: of the run's own spec.
        pictures: names of images to draw, as the run draws some validation images after each epoch.

    Returns:
        The record as it is now.

    Raises:
        UserError: the run has no record yet, the data set holds no image of a name, or the
            tracking that was asked for cannot be had.
    """
    folder, rows = plan.folder, _named_rows(plan, pictures)
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
        }
        record = record.model_copy(update=news)
        folder.write("record.json", record.model_dump_json(indent=2) + "\n")
        say(tracker.evaluated(_tracked_run(plan, None), "best", result.metrics))
    return record


def reevaluate(plan: Plan, inference: InferenceSettings) -> Reevaluation:
    """Evaluate a finished run in another way; its record stays as it is.

    Args:
        plan: of the run's own spec.
        inference: how its images go through the network.

    Returns:
        What is written to evaluations/NAME/ in the run folder.

    Raises:
        UserError: the run has no record yet, the windows do not fit an image, or the tracking that
            was asked for cannot be had.
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
        )
        text = evaluation.model_dump_json(indent=2) + "\n"
        write_atomically(folder / "evaluation.json", text.encode())
        say(tracker.evaluated(_tracked_run(plan, None), inference.name, result.metrics))
    return evaluation


def _finished(plan: Plan) -> tuple[Record, Evaluator]:
    """The record of a run, and an evaluate of its best weights.

    Raises:
        UserError: the run has no record yet.
    """
    spec, folder = plan.spec, plan.folder
    if (record := folder.record) is None:
        raise UserError(f"{folder.path}: unfinished; run its spec again to go on")
    runtime.prepare(seed=spec.seed, precision=spec.training.precision)
    model, _ = _network(plan)
    checkpoint.restore(folder.best_weights, model)
    return record, _evaluator(plan, model)


def _named_rows(plan: Plan, names: Sequence[str]) -> list[int]:
    """Strip numbers.

    Raises:
        DataError: naming every name that the data set does not hold.
    """
    number = {name: row for row, name in enumerate(plan.dataset.names)}
    raise_if([f"--overlays {name}: no such image" for name in names if name not in number])
    return [number[name] for name in names]


def _network(plan: Plan) -> tuple[Any, Any]:
    """The model with its loss and optimizer, and the loss's share beside the warm-up's."""
    spec, share = plan.spec, tf.Variable(1.0, trainable=False)
    model = spec.model.bind(ARCHITECTURES)(plan.classes)
    loss, optimizer = _loss(plan, spec.loss), spec.optimizer.bind(OPTIMIZERS)()
    run_model = (
        mix_losses(_loss(plan, spec.loss_warm_up), loss, share)
        if spec.loss_warm_up.epochs
        else loss
    )
    compile_model(model, loss=run_model, optimizer=optimizer, classes=plan.classes)
    return model, share


def _evaluator(plan: Plan, model: Any) -> Evaluator:
    spec, loss = plan.spec, _loss(plan, plan.spec.loss)
    return Evaluator(
        model,
        loss,
        spec.training,
        spec.postprocessing.metric,
        plan.dataset,
        plan.groups,
        plan.split,
        plan.tiling,
        spec.seed,
    )


def run_as_worker(spec: dict[str, Any], runs: Path, command: str, chief: bool) -> None:
    """Be one of several workers that run an experiment together.

    All do the same; the chief does it in the run folder, the others in one of their own that
    begins as a copy of what an earlier session left and is thrown away.

    Args:
        spec: resolved, as plain values.
        runs: folder of the run folders, which all workers see.
        command: as for run.
        chief: whether this is the one that writes.
    """
    plan = prepare(SpecModel.model_validate(spec), runs)
    if chief or plan.folder.record is not None:
        run(plan, command=command)
        return
    with tempfile.TemporaryDirectory() as aside:
        copy = RunFolder(Path(aside, plan.folder.path.name))
        for file in ("epochs.jsonl", "weights/last.h5", "weights/best.h5"):
            if (left := plan.folder.path / file).is_file():
                (copy.path / file).parent.mkdir(parents=True, exist_ok=True)
                checkpoint.copy(left, copy.path / file)
        silent = SpecModel.model_validate(spec | {"tracking": {"name": "none"}})
        run(replace(plan, spec=silent, folder=copy), command=command)


def _loss(plan: Plan, chosen: Component) -> Callable[[Tensor, Tensor], Tensor]:
    """A loss with its settings and the class weights that it can use, tried out on one pixel.

    Raises:
        UserError: it does not fit the number of classes.
    """
    loss = chosen.bind(LOSSES)
    if plan.class_weights is not None and chosen.choice in weighted_losses():
        loss = functools.partial(loss, class_weights=plan.class_weights)
    pixel = tf.zeros([1, 1, 1, plan.classes])
    loss(pixel, pixel)
    return loss


def _open(plan: Plan, model: Any) -> list[Epoch]:
    """Write down what is run; load what an earlier session left. The epochs behind."""
    folder, spec = plan.folder, plan.spec
    last = checkpoint.epoch_of(folder.last_weights)
    if last is None or not (folder.path / "split.json").is_file():  # the last of these
        folder.write("spec.yaml", dump(spec))
        folder.write("environment.json", json.dumps(provenance.environment(), indent=2) + "\n")
        folder.write("changes.patch", provenance.git_state().patch)
        folder.write("split.csv", split_csv(plan.dataset, plan.split))
        folder.write("split.json", json.dumps(plan.split_summary, indent=2) + "\n")
    if last is None:
        return []
    history = folder.epochs
    if len(history) < last.epoch:  # killed between the weights and the line
        folder.append(last)
        history = folder.epochs
    if _best(spec, history) == last.epoch != checkpoint.number_of(folder.best_weights):
        checkpoint.copy(folder.last_weights, folder.best_weights)
    checkpoint.restore(folder.last_weights, model)
    say(f"{folder.path}: going on after epoch {last.epoch}")
    return history


def _keep(folder: RunFolder, model: Any, epoch: Epoch, *, best: bool) -> None:
    """Weights first: they hold the epoch's line too, so that a kill in between loses nothing."""
    checkpoint.save(folder.last_weights, model, epoch)
    folder.append(epoch)
    if best:
        checkpoint.copy(folder.last_weights, folder.best_weights)


def _track(folder: RunFolder, tracker: Tracker, epoch: Epoch) -> None:
    pictures = [Picture(path.stem, path) for path in folder.overlays(epoch.epoch)]
    tracker.epoch(epoch.epoch, epoch.metrics, epoch.step, pictures)


def _training_batches(plan: Plan, epoch: int, share: Any) -> Any:
    """An epoch's tiles; the share that the loss has in it is set."""
    loss_warm_up = plan.spec.loss_warm_up
    share.assign(warm_up_weight(epoch, epochs=loss_warm_up.epochs, fade=loss_warm_up.fade))
    return pipeline.training_batches(
        plan.dataset,
        plan.split.train,
        plan.tiling,
        plan.spec.sampling.bind(SAMPLERS),
        plan.chain,
        batch_size=plan.spec.training.batch_size,
        seed=plan.spec.seed,
        epoch=epoch,
    ).tf_dataset()


def _named_weights(plan: Plan) -> dict[str, float]:
    weights = np.ones(plan.classes) if plan.class_weights is None else plan.class_weights
    return dict(zip(plan.dataset.classes, weights.tolist(), strict=True))


def _best(spec: ExperimentSpec, history: Sequence[Epoch]) -> int:
    values = [epoch.metrics[spec.training.monitor] for epoch in history]
    return best_epoch(values, lower_is_better=lower_is_better(spec.training.monitor))


def _tracked_run(plan: Plan, trial: TrackedTrial | None) -> TrackedRun:
    spec, folder, git = plan.spec, plan.folder, provenance.git_state()
    names = ("spec.yaml", "environment.json", "changes.patch", "split.csv", "split.json")
    return TrackedRun(
        identity=f"{spec.name}/{plan.digest}",
        name=f"{spec.name} {plan.digest}",
        folder=folder.path,
        parameters=_parameters(spec),
        tags=(spec.name, spec.loss.choice, f"seed {spec.seed}"),
        git={"commit": git.commit, "branch": git.branch, "dirty": str(git.dirty).lower()},
        files=tuple(folder.path / name for name in names),
        model=None if trial else re.sub("[^a-z0-9]+", "-", spec.name.lower()),
        weights=folder.best_weights,
        trial=trial,
    )


def _parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """Every setting, under a dotted key; lists as text."""
    return {
        key: json.dumps(value) if isinstance(value, (list, dict)) else value
        for key, value in flat(spec.model_dump(mode="json")).items()
    }


def _provenance() -> dict[str, Any]:
    git = provenance.git_state()
    return {
        "commit": git.commit,
        "branch": git.branch,
        "dirty": git.dirty,
        **provenance.environment(),
    }
