"""One trial of a search: an ordinary run, in the search's folder."""

import gc
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelexp import experiment
from steelexp.command_line import recorded, runs_words
from steelexp.errors import UserError
from steelexp.inference.scoring import score_images
from steelexp.lazy import keras, tf
from steelexp.network_memory import NetworkMemory
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.progress import say, take_printed
from steelexp.records.record import Record
from steelexp.records.search_file import JOURNAL
from steelexp.records.store import RunFolder
from steelexp.run_description import describe
from steelexp.search.executor import Outcome, Trial
from steelexp.search.objectives import measured_scores
from steelexp.search.search import trial_spec
from steelexp.search.trials import read_trials
from steelexp.spec import ExperimentSpec, read_resolved
from steelexp.spec.objective import SECONDS_PER_IMAGE, first_objective, objectives
from steelexp.tracking.tracker import TrackedTrial
from steelexp.training import checkpoint
from steelexp.training.execution import execution_of_run, wishes_of
from steelexp.training.fit import DivergedError
from steelexp.training.resume import take_epochs

_TIMED_IMAGES = 32

_MEMORY = NetworkMemory()


@dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of one search; it can be sent to another process.

    Attributes:
        spec: The resolved spec of the search, as plain values.
        folder: Folder of the search.
    """

    spec: dict[str, Any]
    folder: Path

    def __call__(self, trial: Trial) -> Outcome:
        """Run a trial to its end, from wherever an earlier session left it.

        A loss that is no longer a number and too little memory fail the trial; anything else is
        raised.

        Args:
            trial: Trial to run.
        """
        take_printed()  # lines of the search and of the trial before, which are not of this one
        searched = SpecModel.model_validate(self.spec)
        plan = prepare(trial_spec(searched, trial), self.folder)
        run = RunFolder(self.folder / trial.folder / plan.digest)
        execution = execution_of_run(run.path, wishes=wishes_of(plan.spec.training))
        _MEMORY.forget_others(plan, execution)  # before free memory is given back
        inherited = _inherit(self.folder, trial, replace(plan, folder=run))
        try:
            record = experiment.run(
                replace(plan, folder=run),
                command=recorded(
                    "run", run.path / "spec.yaml", *runs_words(self.folder.parents[1])
                ),
                trial=None
                if trial.seed is not None
                else TrackedTrial(searched.name, trial.id, trial.values),
                build=_MEMORY.network,
            )
            scores = objective_scores(searched, replace(plan, folder=run), record)
        except (DivergedError, MemoryError, tf.errors.ResourceExhaustedError) as error:
            if not isinstance(error, DivergedError):
                _MEMORY.forget()
            return Outcome(trial.id, None, reason=_reason(error), **self._spent(run, inherited))
        finally:
            keras.backend.clear_session()
            gc.collect()
        spent = self._spent(run, inherited)
        values = {name: value for name, value in scores.items() if value is not None}
        if missing := [name for name in scores if name not in values]:
            reason = f"{', '.join(missing)}: not defined on the validation images"
            return Outcome(trial.id, None, reason=reason, **spent)
        return Outcome(
            trial.id,
            score=values[first_objective(searched).name],
            best_epoch=record.best_epoch,
            scores=values,
            **spent,
        )

    def _spent(self, run: RunFolder, inherited: int) -> dict[str, Any]:
        """Epochs, their seconds and the folder of an outcome, also of a failed one."""
        history = run.epochs
        return {
            "epochs": len(history),
            "trained": len(history) - inherited,
            "seconds": round(sum(epoch.seconds for epoch in history[inherited:]), 1),
            "folder": run.path.relative_to(self.folder).as_posix(),
        }


def objective_scores(
    searched: ExperimentSpec, plan: Plan, record: Record
) -> dict[str, float | None]:
    """Name -> value of each objective of a finished run; None for a metric that is not defined.

    Args:
        searched: Spec with a search.
        plan: Plan of the run.
        record: Its record.
    """
    names = [objective.name for objective in objectives(searched)]
    timed = {SECONDS_PER_IMAGE: seconds_per_image(plan)} if SECONDS_PER_IMAGE in names else {}
    return measured_scores(searched, record, plan.folder.epochs, timed)


def seconds_per_image(plan: Plan) -> float:
    """Mean seconds from the file of a validation image to its scores, one image at a time.

    The first image is left out: TensorFlow traces the network with it.

    Args:
        plan: Plan of a finished run with at least two validation images.
    """
    execution = execution_of_run(plan.folder.path)
    network, _ = experiment.network_on_devices(plan, execution, _MEMORY.network)
    checkpoint.restore(plan.folder.best_weights, network.model, plan.digest)
    rows = plan.split.val[: _TIMED_IMAGES + 1]
    images = score_images(network.functions.score, plan.dataset, rows, max_pixels=1)
    next(images)
    began = time.perf_counter()
    count = sum(1 for _ in images)
    return round((time.perf_counter() - began) / count, 6)


def tracked_trial(run: Path) -> TrackedTrial | None:
    """The trial that a run folder is, as its tracker knows it; None for any other run.

    Args:
        run: Run folder, SEARCH/trials/ID/DIGEST for a trial.
    """
    trials = run.resolve().parent.parent
    journal = trials.parent / JOURNAL
    if trials.name != "trials" or not journal.is_file():
        return None
    number = run.resolve().parent.name
    row = read_trials(journal).rows.get(number)
    name = read_resolved(run / "spec.yaml").name.removesuffix(f"-{number}")
    return None if row is None else TrackedTrial(name, number, row.trial.values)


def _inherit(search: Path, trial: Trial, plan: Plan) -> int:
    """Copy weights and epochs of the continued trial into the run folder.

    Returns:
        The number of epochs that the continued trial was trained for.

    Raises:
        UserError: The continued trial has no finished run.
    """
    if trial.continues is None:
        return 0
    earlier = _finished_run(search / "trials" / trial.continues)
    if not plan.folder.is_finished:
        describe(plan)
    if take_epochs(earlier, plan.folder, digest=plan.digest):
        say(f"trial {trial.id}: goes on with the weights of {trial.continues}")
    return len(earlier.epochs)


def _finished_run(trial: Path) -> RunFolder:
    """The finished run of a trial.

    Args:
        trial: Folder of the trial.

    Raises:
        UserError: There is none, or there are several.
    """
    records = list(trial.glob("*/record.json"))
    if len(records) != 1:
        raise UserError(
            f"{trial}: {len(records)} finished runs, and another trial goes on from one; restore "
            "it, or begin anew with --fresh"
        )
    return RunFolder(records[0].parent)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, DivergedError) else f"out of memory: {text[:200]}"
