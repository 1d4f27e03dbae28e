"""Run one experiment: train, restore the best epoch, evaluate, write the record."""

import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from steelexp.data import pipeline
from steelexp.data.sampling import SAMPLERS
from steelexp.data.splits.split import split_digest
from steelexp.epoch_profile import CHECKPOINTS, TRACKING, EpochProfile
from steelexp.evaluation.result import write_result
from steelexp.metric_names import DATA_MANIFEST, PARAMETER_COUNT, SPLIT_HASH
from steelexp.metrics import definitions, lower_is_better
from steelexp.model.loss_schedule import warm_up_weight
from steelexp.network import BuildNetwork, Network, compiled_network, evaluator_of
from steelexp.plan import Plan
from steelexp.privacy import public, public_values
from steelexp.progress import say
from steelexp.pseudo_labels import PseudoLabels, check_labels, labels_line, pseudo_labels
from steelexp.records import image_scores, provenance
from steelexp.records.record import Record
from steelexp.records.store import BusyError, Epoch, RunFolder
from steelexp.report.final_page import leave_report
from steelexp.report.thumbnails import keep_thumbnails
from steelexp.run_description import best_epoch_of, describe, mend
from steelexp.spec.effects import effective_settings
from steelexp.starting_run import start_lines
from steelexp.tracked_model import tracked_model
from steelexp.tracked_run import (
    best_value,
    epoch_costs,
    folder_of_runs,
    tracked_data,
    tracked_run,
)
from steelexp.tracking.tracker import Goal, Picture, TrackedTrial, Tracker
from steelexp.tracking.trackers import TRACKERS
from steelexp.training import checkpoint, runtime
from steelexp.training.averaging import AVERAGES, Averages
from steelexp.training.devices import strategy, variable_scope
from steelexp.training.epoch import Methods
from steelexp.training.execution import Execution, execution_of_run, wishes_of
from steelexp.training.fit import DivergedError, fit
from steelexp.training.precision import check_precision
from steelexp.training.resume import resume, save_epoch, take_epochs
from steelexp.unlabelled import unlabelled_lines

T = TypeVar("T")


def _one_process(value: T) -> T:
    """The broadcast of a run that one process trains."""
    return value


def run(
    plan: Plan,
    *,
    command: str,
    trial: TrackedTrial | None = None,
    execution: Execution | None = None,
    broadcast: Callable[[Any], Any] = _one_process,
    profile: EpochProfile | None = None,
    build: BuildNetwork = compiled_network,
) -> Record:
    """Run an experiment to its end, from wherever an earlier session left it.

    Args:
        plan: Plan of the experiment.
        command: Command that runs it again, for the record.
        trial: Trial of a search; None for a single run.
        execution: Choices of TensorFlow's computation, if the run has not begun; None for this
            machine's best.
        broadcast: Function that hands a value to the workers of the same run and returns it. They
            get the epochs and the hash of the weights to begin with, then each epoch's validation
            metrics.
        profile: Profile that the seconds of the epochs go to.
        build: Function that builds the network on one device.

    Returns:
        The record, the last file that is written.

    Raises:
        BusyError: Another process runs the experiment.
        UserError: The run cannot start; nothing is written.
        DivergedError: The loss is no longer a number; the epochs before are kept.
    """
    spec = plan.spec
    folder = plan.folder
    if folder.is_finished:
        return mend(plan)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    if plan.start is not None and plan.start.at == "continue":
        execution = execution or execution_of_run(Path(plan.start.folder))
    wishes = wishes_of(spec.training)
    execution = execution_of_run(folder.path, new=execution, wishes=wishes)
    if execution.xla != wishes.xla:
        say(f"{spec.name}: goes on {'with' if execution.xla else 'without'} XLA, as it began")
    if execution.convolutions != wishes.convolutions:
        say(f"{spec.name}: goes on with {execution.convolutions} convolutions, as it began")
    code_and_machine = provenance.facts(execution._asdict())
    tracker: Tracker = spec.tracking.bind(TRACKERS)()
    profile = profile or EpochProfile()
    labels = pseudo_labels(plan, execution.threads)
    network, device = network_on_devices(plan, execution, build)
    model = network.model
    evaluator = evaluator_of(plan, network, profile)

    with folder.hold(), pipeline.original_errors():
        if folder.is_finished:
            raise BusyError(
                f"{folder.path}: another process has just finished this experiment; the same "
                "command shows it"
            )
        averages: Averages = spec.averaging.bind(AVERAGES)(model)
        history = _start_or_resume(plan, model, averages, execution)
        check_labels(folder, labels)
        broadcast((history, checkpoint.weights_hash(model)))
        tracker.start(
            tracked_run(
                spec,
                plan.digest,
                folder,
                trial,
                facts=_facts(plan, model),
                goal=_goal(plan),
                data=tracked_data(plan) if tracker.wants_data else None,
            )
        )
        for number in range(1, len(history) + 1):
            _track(plan, tracker, history[:number])

        epochs = list(history)

        def on_epoch_end(epoch: Epoch, best: bool) -> None:
            epochs.append(epoch)
            with profile.measure(CHECKPOINTS):
                save_epoch(
                    folder,
                    model,
                    epochs,
                    best=best,
                    digest=plan.digest,
                    exchanged=averages.variables,
                )
            with profile.measure(TRACKING):
                _track(plan, tracker, epochs)

        try:
            history = fit(
                model,
                spec,
                history,
                batches=lambda epoch: training_batches(
                    plan, epoch, network.main_loss_weight, profile, labels
                ),
                validate=lambda epoch, is_last: broadcast(
                    evaluator.after_epoch(epoch, folder, is_last)
                ),
                on_epoch_end=on_epoch_end,
                methods=Methods(network.accumulation, averages, network.encoder),
                profile=profile,
            )
            tracker.trained()
            checkpoint.restore(folder.best_weights, model, plan.digest)
            result = evaluator.result()
        except BaseException as error:
            tracker.finish({}, diverged=isinstance(error, DivergedError))
            say(tracker.close())
            raise
        write_result(folder.path, plan.dataset, plan.groups, result)
        record = Record(
            name=spec.name,
            digest=plan.digest,
            seed=spec.seed,
            started=started,
            seconds=round(sum(epoch.seconds for epoch in history), 1),
            command=command,
            device=device,
            parameters=model.count_params(),
            steps=plan.steps,
            class_weights=_weights_by_class(plan),
            epochs=len(history),
            best_epoch=best_epoch_of(spec, history),
            monitor=spec.training.monitor,
            metrics=result.metrics,
            definitions=definitions(),
            split=public_values(plan.split_summary),
            tiling=plan.tiling_summary,
            batch_size=spec.training.batch_size,
            weights=checkpoint.weights_hash(model),
            threshold=spec.training.threshold,
            postprocessing=result.postprocessing,
            data=plan.dataset.manifest,
            white=plan.dataset.white,
            images=image_scores.FILE,
            tracking="",
            provenance={
                **code_and_machine,
                "earlier_sessions": provenance.sessions_changes(folder.path),
                "settings": public_values(effective_settings(spec)),
                "initial_weights": plan.initial_weights,
                **_start_facts(plan),
                **_unlabelled_facts(plan),
            },
        )
        form = "none" if trial else tracker.model_format
        registered = tracked_model(form, model, plan, record, result.report)
        tracking = public(tracker.finish(result.metrics, registered))
        if trial is None:
            keep_thumbnails(folder, record.best_epoch)
        record = folder.finish(record.model_copy(update={"tracking": tracking}))
        page = None if trial else leave_report(folder.path)
        line = tracker.close(page)
        if trial is None:
            say(line)
        return record


def network_on_devices(
    plan: Plan, execution: Execution, build: BuildNetwork = compiled_network
) -> tuple[Network, str]:
    """Set up TensorFlow for a run; build and compile its network on its devices.

    Args:
        plan: Plan of the run.
        execution: Choices of TensorFlow's computation.
        build: Function that builds the network on one device.

    Returns:
        The network, and the devices in words: "2 x CPU, 4 cores".

    Raises:
        UserError: This machine cannot train in the precision of the spec.
    """
    training = plan.spec.training
    check_precision(training.precision)
    device = runtime.prepare(seed=plan.spec.seed, precision=training.precision, execution=execution)
    distribution = strategy(
        training.devices,
        workers=training.workers,
        batches=[(phase.batch_size, phase.tile_count) for phase in plan.phases],
    )
    with variable_scope(distribution):
        on_one = distribution.num_replicas_in_sync == 1
        network = (build if on_one else compiled_network)(plan, execution)
    words = f"{distribution.num_replicas_in_sync} x {device}".removeprefix("1 x ")
    return network, words


def _start_or_resume(
    plan: Plan, model: Any, averages: Averages, execution: Execution
) -> list[Epoch]:
    """Write the files that describe the run, or restore what an earlier session left.

    Returns:
        The epochs that were trained before.

    Raises:
        BusyError: Another process has begun the run since, and computes it in another way.
    """
    folder = plan.folder
    if execution_of_run(folder.path, new=execution) != execution:
        raise BusyError(
            f"{folder.path}: another process has just begun this experiment; the same command goes "
            "on with it"
        )
    describe(plan)
    if plan.start is not None and plan.start.at == "continue":
        take_epochs(RunFolder(Path(plan.start.folder)), folder, digest=plan.digest)
    best = functools.partial(best_epoch_of, plan.spec)
    history = resume(folder, best, digest=plan.digest)
    if (changes := provenance.write_session(folder, execution._asdict())) and history:
        say(f"{folder.path}: going on, but this has changed since it began: {'; '.join(changes)}")
    if history:
        checkpoint.restore(folder.last_weights, model, plan.digest, averages.variables)
        averages.exchange()
        say(f"{folder.path}: going on after epoch {len(history)}")
    return history


def _facts(plan: Plan, model: Any) -> dict[str, str | int]:
    """What a run is beside its settings: size of the network, images, and their split."""
    return {
        PARAMETER_COUNT: model.count_params(),
        DATA_MANIFEST: plan.dataset.manifest,
        SPLIT_HASH: split_digest(plan.dataset, plan.split),
    }


def _start_facts(plan: Plan) -> dict[str, Any]:
    """The run that a run starts with, for its record; nothing without one."""
    if plan.start is None:
        return {}
    lines = start_lines(plan.start, plan.dataset.classes)
    return {"start": public_values({**plan.start.model_dump(mode="json"), "lines": lines})}


def _unlabelled_facts(plan: Plan) -> dict[str, Any]:
    """The images without labels of a run and their teacher, for its record; nothing without."""
    if plan.unlabelled is None:
        return {}
    facts = plan.unlabelled.facts
    images, *left_out = unlabelled_lines(facts)
    lines = [images, labels_line(plan.folder), *left_out]
    return {"unlabelled": public_values({**facts.model_dump(mode="json"), "lines": lines})}


def _goal(plan: Plan) -> Goal | None:
    """What the run tries to improve, for an alert; None where no runs lie beside it."""
    runs = folder_of_runs(plan.folder.path, plan.spec.name)
    if runs is None:
        return None
    monitor = plan.spec.training.monitor
    best = functools.partial(
        best_value,
        runs,
        data=plan.dataset.manifest,
        split=plan.split_summary["parts"]["digest"],
        monitor=monitor,
    )
    return Goal(monitor, lower_is_better(monitor), functools.cache(best))


def _track(plan: Plan, tracker: Tracker, epochs: Sequence[Epoch]) -> None:
    """Tell the tracker the last of the epochs so far."""
    epoch = epochs[-1]
    pictures = [_picture(path, plan.folder) for path in plan.folder.overlays(epoch.epoch)]
    metrics = {**epoch.metrics, **epoch_costs(epochs, tiles=plan.phase(epoch.epoch).tile_count)}
    tracker.epoch(epoch.epoch, metrics, epoch.step, pictures)


def _picture(overlay: Path, folder: RunFolder) -> Picture:
    """The bare image with truth and prediction as layers; the overlay of an earlier version."""
    layers = overlay.with_suffix(".json")
    bare = folder.bare_image("any").parent / overlay.name
    if bare.is_file() and layers.is_file():
        return Picture(overlay.stem, bare, layers)
    return Picture(overlay.stem, overlay)


def training_batches(
    plan: Plan,
    epoch: int,
    main_loss_weight: Any,
    profile: EpochProfile | None = None,
    labels: PseudoLabels | None = None,
) -> Any:
    """Set the main loss's weight for an epoch; return its batches as a tf.data.Dataset."""
    loss_warm_up = plan.spec.loss_warm_up
    main_loss_weight.assign(
        warm_up_weight(epoch, epochs=loss_warm_up.epochs, fade=loss_warm_up.fade)
    )
    phase = plan.phase(epoch)
    batches = pipeline.training_batches(
        plan.dataset if labels is None else labels.dataset,
        plan.split.train,
        phase.tiling,
        plan.spec.sampling.bind(SAMPLERS),
        plan.augmentations,
        batch_size=phase.batch_size,
        seed=plan.spec.seed,
        epoch=epoch,
        pseudo_labelled=None if labels is None else labels.pseudo_labelled,
    )
    return batches.tf_dataset(reading=(profile or EpochProfile()).reading)


def _weights_by_class(plan: Plan) -> dict[str, float]:
    weights = np.ones(plan.class_count) if plan.class_weights is None else plan.class_weights
    return dict(zip(plan.dataset.classes, weights.tolist(), strict=True))
