"""One trial of a search: an ordinary run, in the search's folder."""

import gc
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steelexp import experiment
from steelexp.lazy import keras, tf
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.progress import say
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.search.executor import Outcome, Trial
from steelexp.search.search import trial_spec
from steelexp.tracking.tracker import TrackedTrial
from steelexp.training import checkpoint
from steelexp.training.fit import DivergedError


@dataclass(frozen=True)
class TrialRunner:
    """Runs the trials of one search; it can be sent to another process.

    Attributes:
        spec: of the search, resolved, as plain values.
        folder: of the search.
    """

    spec: dict[str, Any]
    folder: Path

    def __call__(self, trial: Trial) -> Outcome:
        """Run a trial to its end, from wherever an earlier session left it.

        A loss that is no longer a number and too little memory fail the trial; anything else is
        raised.
        """
        searched = SpecModel.model_validate(self.spec)
        spec, search = trial_spec(searched, trial), searched.name
        plan = prepare(spec, self.folder)
        run = RunFolder(self.folder / "trials" / trial.id / plan.digest)
        inherited = _inherit(self.folder, trial, run)
        folder = run.path.relative_to(self.folder).as_posix()
        try:
            record = _run(replace(plan, folder=run), TrackedTrial(search, trial.id, trial.values))
        except (DivergedError, MemoryError, tf.errors.ResourceExhaustedError) as error:
            return Outcome(trial.id, None, reason=_reason(error), folder=folder)
        finally:
            keras.backend.clear_session()
            gc.collect()
        history = run.epochs
        return Outcome(
            trial.id,
            score=history[record.best_epoch - 1].metrics[record.monitor],
            best_epoch=record.best_epoch,
            epochs=record.epochs,
            trained=record.epochs - inherited,
            seconds=round(sum(epoch.seconds for epoch in history[inherited:]), 1),
            folder=folder,
        )


def _run(plan: Plan, trial: TrackedTrial) -> Record:
    command = ["python", "-m", "steelexp", "run", str(plan.folder.path / "spec.yaml")]
    return experiment.run(plan, command=shlex.join(command), trial=trial)


def _inherit(search: Path, trial: Trial, run: RunFolder) -> int:
    """Begin with what the continued trial has learnt; the epochs it was trained for.

    The weights of the last epoch come last: with them the run is there to be resumed.
    """
    if trial.continues is None:
        return 0
    (record,) = (search / "trials" / trial.continues).glob("*/record.json")
    earlier = RunFolder(record.parent)
    if not run.last_weights.is_file():
        run.last_weights.parent.mkdir(parents=True, exist_ok=True)
        epochs = earlier.path / "epochs.jsonl"
        checkpoint.copy(epochs, run.path / epochs.name)
        checkpoint.copy(earlier.best_weights, run.best_weights)
        checkpoint.copy(earlier.last_weights, run.last_weights)
        say(f"trial {trial.id}: goes on with the weights of {trial.continues}")
    return len(earlier.epochs)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, DivergedError) else f"out of memory: {text[:200]}"
