"""search.json: a search as it stands, for whoever reports on it."""

from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steelexp.command_line import command_line, runs_words
from steelexp.errors import UserError, explain_read_errors

FILE: Final = "search.json"
BEST: Final = "best.yaml"
SCHEMA_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, defer_build=True
    )


class SearchTrial(_Part):
    """One trial.

    Attributes:
        id: its number, as text.
        values: of the settings, by dotted path; inactive ones are absent.
        status: a failed or running trial has no score.
        score: of the objective at the best epoch.
        reason: why it failed.
        best_epoch: counted from 1.
        epochs: up to which it was trained, those of the trials that it continues included.
        trained: epochs that it trained itself.
        seconds: that it took itself.
        folder: of its run, below the search's.
        continues: the trial whose weights it went on from, a rung of Hyperband lower.
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


class Budget(_Part):
    """What the search may spend; None is no limit."""

    trials: int | None = None
    epochs: int | None = None
    hours: float | None = None


class SearchFile(_Part):
    """The whole file.

    Attributes:
        schema_version: of this file.
        name: of the spec.
        objective: the metric, such as "val_dice_positive".
        direction: whether the objective is made large or small.
        tuner: its name and settings.
        space: dotted path -> its values, as the spec has them.
        budget: what might be spent.
        seed: of the tuner.
        status: whether it goes on.
        best: the best trial's id, None where none has finished.
        trials: in the order in which they were proposed.
    """

    schema_version: Literal[1]
    name: str
    objective: str
    direction: Literal["max", "min"]
    tuner: dict[str, Any]
    space: dict[str, dict[str, Any]] = Field(min_length=1)
    budget: Budget
    seed: int
    status: Literal["running", "finished"]
    best: str | None
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
    try:
        with explain_read_errors(file, "give the folder of a search, RUNS/<name>/search"):
            return SearchFile.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise UserError(_unreadable(file, error)) from None


def _unreadable(file: Path, error: ValidationError) -> str:
    """All that is wrong, a line each; of another version that alone."""
    problems = {".".join(map(str, each["loc"])): each for each in error.errors()}
    if version := problems.get("schema_version"):
        return (
            f"{file}: schema_version: {version['input']!r}, and this version of steelexp reads "
            f"{SCHEMA_VERSION}; use the version that wrote it"
            if version["type"] == "literal_error"
            else f"{file}: schema_version: missing; not the search.json of a search"
        )
    return "\n".join(
        f"{file}: {key or 'not JSON'}: {each['msg']}" for key, each in problems.items()
    )


def best_line(folder: Path) -> str:
    """The command that runs the best trial of a search as a run of its own.

    Args:
        folder: Folder of the search, RUNS/NAME/search.
    """
    return command_line("run", folder / BEST, *runs_words(folder.parent.parent))
