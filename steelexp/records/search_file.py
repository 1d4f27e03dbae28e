"""search.json: the present state of a search, for reports."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steelexp.command_line import command_line, runs_words
from steelexp.errors import UserError
from steelexp.records.document import read_document
from steelexp.records.jsonl import first_check
from steelexp.records.search_confirmation import Confirmation

FILE: Final = "search.json"
BEST: Final = "best.yaml"
JOURNAL: Final = "trials.jsonl"
SCHEMA_VERSION: Final = 3


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, defer_build=True
    )


class SearchTrial(_Part):
    """One trial.

    Attributes:
        id: Number of the trial, as text.
        values: Dotted path -> value of each active setting.
        status: State; a failed or running trial has no score.
        score: First objective at the best epoch.
        reason: Reason for the failure.
        best_epoch: Number of the best epoch, from 1.
        epochs: Last epoch, counted through the trials that it continues.
        trained: Number of epochs of this trial alone.
        seconds: Duration of this trial alone.
        folder: Run folder, relative to the search's.
        continues: Trial whose weights it started from, a rung of Hyperband lower.
        source: Origin of its values: the tuner, a starting point of the spec, or an earlier search
            whose trial is known and was not trained again.
        scores: Name of each objective -> value; empty without a score.
    """

    id: str
    values: dict[str, Any]
    status: Literal["running", "finished", "failed"]
    score: float | None = None
    reason: str | None = None
    best_epoch: int | None = None
    epochs: int | None = None
    trained: int | None = None
    seconds: float | None = None
    folder: str | None = None
    continues: str | None = None
    source: Literal["tuner", "start", "reuse"] = "tuner"
    scores: dict[str, float] = {}


class Budget(_Part):
    """What the search may spend; None is no limit.

    Attributes:
        trials: Number of trials.
        epochs: Number of epochs of all trials.
        hours: Hours of training.
        patience: Number of trials without a gain over the best.
        minimum_gain: Difference from the last gain that a score has to exceed.
    """

    trials: int | None = None
    epochs: int | None = None
    hours: float | None = None
    patience: int | None = None
    minimum_gain: float = 0.0

    @property
    def words(self) -> str:
        """The limits in words, "30 trials, 12 hours"."""
        limits = {"trials": self.trials, "epochs": self.epochs, "hours": self.hours}
        parts = [f"{value:g} {key}" for key, value in limits.items() if value is not None]
        if self.patience is not None:
            gain = f" of more than {self.minimum_gain:g}" if self.minimum_gain else ""
            parts.append(f"{self.patience} trials without a gain{gain}")
        return ", ".join(parts)


class SearchFile(_Part):
    """The whole file.

    Attributes:
        schema_version: Version of this file.
        journal: Check of the first line of trials.jsonl, which tells this search from others.
        name: Name of the spec.
        objective: First objective, which picks the best trial: the full name of a metric, such as
            "val_dice_positive", or a cost, such as "seconds".
        direction: Whether the first objective is made large or small.
        objectives: Name of each objective -> definition. All but the first are to be small if they
            are costs or losses, else large.
        tuner: Name and settings of the tuner.
        space: Dotted path -> its values, as written in the spec.
        budget: Limits of the search.
        seed: Seed of the tuner.
        status: State of the search.
        end_reason: Limit that ended the search; None while it runs.
        best: Id of the best trial; None where none has finished.
        pareto: Ids of the trials that no other beats in all objectives; None for one objective.
        confirmation: The best trials with new seeds; None without any.
        trials: Trials in the order in which they were proposed.
    """

    schema_version: Literal[3] = SCHEMA_VERSION
    journal: str
    name: str
    objective: str
    direction: Literal["max", "min"]
    objectives: dict[str, str]
    tuner: dict[str, Any]
    space: dict[str, dict[str, Any]] = Field(min_length=1)
    budget: Budget
    seed: int
    status: Literal["running", "finished"]
    end_reason: str | None
    best: str | None
    pareto: list[str] | None
    confirmation: Confirmation | None
    trials: list[SearchTrial]

    @property
    def best_trial(self) -> SearchTrial | None:
        """The best trial, None where none has finished."""
        return next((trial for trial in self.trials if trial.id == self.best), None)


def read_search_file(folder: Path) -> SearchFile:
    """Read search.json of a search's folder.

    Raises:
        UserError: it is not there, not whole or of another version; all that is wrong, a line
            each.
    """
    file = folder / FILE
    values = read_document(
        file,
        version=SCHEMA_VERSION,
        noun="the search.json of a search",
        fix="give the folder of a search, RUNS/<name>/search, or repeat its command, which writes "
        "the file anew",
        version_fix="read it with the version that wrote it, or repeat the search's command, which "
        "writes the file anew",
    )
    try:
        search = SearchFile.model_validate(values)
    except ValidationError as error:
        problems = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
        raise UserError(*(f"{file}: {key}: {text}" for key, text in problems)) from None
    if first_check(folder / JOURNAL) not in (None, search.journal):
        raise UserError(
            f"{file}: belongs to another search than {JOURNAL} beside it; repeat the command of "
            "the search in this folder, which writes the file anew"
        )
    return search


def describe_score(value: float) -> str:
    """An objective in words: four decimals, none for a large number."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4f}"


def pareto_lines(search: SearchFile) -> list[str]:
    """The trials of the Pareto set with their objectives, the best in the first objective first."""
    if search.pareto is None:
        return []
    trials = [trial for trial in search.trials if trial.id in search.pareto]
    sign = -1.0 if search.direction == "max" else 1.0
    trials.sort(key=lambda trial: sign * trial.scores[search.objective])
    names = ", ".join(search.objectives)
    head = f"Pareto set of {names}: {len(trials)} trials that no other beats in all of them"
    rows = [
        ", ".join(f"{name} {describe_score(trial.scores[name])}" for name in search.objectives)
        for trial in trials
    ]
    return [
        head,
        *(f"  trial {trial.id}: {row}" for trial, row in zip(trials, rows, strict=True)),
        f"The best trial and best.yaml are chosen by {search.objective}, the first objective.",
    ]


def best_line(folder: Path) -> str:
    """The command that runs the best trial of a search as a run of its own.

    Args:
        folder: Folder of the search, RUNS/NAME/search.
    """
    return command_line("run", folder / BEST, *runs_words(folder.parent.parent))
