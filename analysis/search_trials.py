"""A search as search.json holds it: its space, its trials, and what continues what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION: Final = 1
Kind = Literal["choice", "int", "float", "log_uniform"]
KINDS: Final[tuple[Kind, ...]] = ("choice", "int", "float", "log_uniform")
PAIR: Final = 2  # ends of a range


class SearchError(Exception):
    """A search that cannot be drawn; the message says which file and key, and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)


class Trial(_Part):
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


class _SearchFile(_Part):
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
    trials: list[Trial]


@dataclass(frozen=True)
class Setting:
    """What the search varies at one dotted path.

    Attributes:
        path: such as "loss.gamma".
        kind: one of KINDS.
        choices: of a choice, in the spec's order; else empty.
        low: least value of a range; 0 of a choice.
        high: greatest value.
        step: between two whole numbers.
        when: the condition in words, "" where the setting is always active.
    """

    path: str
    kind: Kind
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    when: str = ""

    def number(self, value: Any) -> float:
        """The value as a number: of a choice its place among the choices.

        Raises:
            ValueError: the search cannot have tried it.
        """
        if self.choices:
            return float([_same(value, choice) for choice in self.choices].index(True))
        if not _is_number(value):
            raise ValueError("not a number")
        slack = 1e-9 * max(abs(self.low), abs(self.high))
        if not self.low - slack <= value <= self.high + slack:
            raise ValueError("outside its range")
        return float(value)

    def position(self, value: Any) -> float:
        """Where the value lies in its range, from 0 to 1; logarithmic for log_uniform."""
        number, low, high = self.number(value), self.low, self.high
        if self.choices:
            return (number + 0.5) / len(self.choices)
        if self.kind == "log_uniform":
            number, low, high = math.log(number), math.log(low), math.log(high)
        return min(max((number - low) / (high - low), 0.0), 1.0) if high > low else 0.5


@dataclass(frozen=True)
class Search:
    """What is drawn of a search.

    Attributes:
        folder: where search.json lies.
        name: of the spec.
        objective: the metric, such as "val_dice_positive".
        direction: whether the objective is made large or small.
        tuner: its name and settings.
        settings: what was varied, in the spec's order.
        budget: what might be spent.
        seed: of the tuner.
        status: whether it goes on.
        best: the best trial, None where none has finished.
        trials: in the order in which they were proposed.
    """

    folder: Path
    name: str
    objective: str
    direction: Literal["max", "min"]
    tuner: dict[str, Any]
    settings: tuple[Setting, ...]
    budget: Budget
    seed: int
    status: Literal["running", "finished"]
    best: Trial | None
    trials: tuple[Trial, ...]

    @property
    def finished(self) -> list[Trial]:
        """Trials with a score."""
        return [trial for trial in self.trials if trial.status == "finished"]

    @property
    def failed(self) -> list[Trial]:
        """Trials that ended without one."""
        return [trial for trial in self.trials if trial.status == "failed"]

    @property
    def running(self) -> list[Trial]:
        """Trials that have not ended."""
        return [trial for trial in self.trials if trial.status == "running"]

    def lineage(self, trial: Trial) -> list[Trial]:
        """The trial and those that it continues, the first rung first."""
        by_id = {each.id: each for each in self.trials}
        chain = [trial]
        while (before := chain[0].continues) is not None:
            chain.insert(0, by_id[before])
        return chain

    def better(self, score: float, other: float) -> bool:
        """Whether a score beats another."""
        return score > other if self.direction == "max" else score < other


def read_search(folder: Path) -> Search:
    """Read search.json of a search's folder.

    Raises:
        SearchError: it is not there, not whole, of another version, or says what cannot be.
    """
    file = folder / "search.json"
    try:
        found = _SearchFile.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise SearchError(
            f"{file}: there is no such file; give the folder of a search, RUNS/<name>/search"
        ) from None
    except ValidationError as error:
        raise SearchError(_unreadable(file, error)) from None
    settings = tuple(_setting(file, path, entry) for path, entry in found.space.items())
    if wrong := [*_wrong_trials(found), *_wrong_values(found, settings)]:
        raise SearchError("\n".join(f"{file}: {text}" for text in wrong))
    best = next((trial for trial in found.trials if trial.id == found.best), None)
    return Search(
        folder=folder,
        name=found.name,
        objective=found.objective,
        direction=found.direction,
        tuner=found.tuner,
        settings=settings,
        budget=found.budget,
        seed=found.seed,
        status=found.status,
        best=best,
        trials=tuple(found.trials),
    )


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


def _setting(file: Path, path: str, entry: Mapping[str, Any]) -> Setting:
    kinds = [kind for kind in KINDS if kind in entry]
    values = entry[kinds[0]] if len(kinds) == 1 else None
    when = _condition(entry.get("when"))
    if isinstance(values, list) and values:
        if kinds[0] == "choice":
            return Setting(path, "choice", choices=tuple(values), when=when)
        if len(values) == PAIR and all(_is_number(value) for value in values):
            low, high = map(float, values)
            if low <= high and (low > 0 or kinds[0] != "log_uniform"):
                step = entry.get("step")
                step = float(step) if step is not None and _is_number(step) and step > 0 else None
                return Setting(path, kinds[0], low=low, high=high, step=step, when=when)
    raise SearchError(
        f"{file}: space.{path}: neither a choice of values nor a range [least, greatest] of "
        f"{', '.join(KINDS[1:])} (log_uniform above 0): {dict(entry)}"
    )


def _same(value: Any, choice: Any) -> bool:
    """1 and 1.0 are the same, 1 and true are not."""
    return isinstance(value, bool) == isinstance(choice, bool) and bool(value == choice)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _condition(when: Any) -> str:
    """{"loss.name": ["focal"]} in words."""
    if not isinstance(when, Mapping):
        return ""
    parts = []
    for path, values in when.items():
        listed = values if isinstance(values, list) else [values]
        parts.append(f"{path} is {' or '.join(spelt(value) for value in listed)}")
    return " and ".join(parts)


def spelt(value: Any) -> str:
    """A value as the spec says it, numbers to four digits."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _wrong_trials(found: _SearchFile) -> list[str]:
    """Trials whose status, score or lineage cannot be, and a best that is none."""
    wrong, seen = [], set[str]()
    for place, trial in enumerate(found.trials):
        key = f"trials.{place}"
        if trial.id in seen:
            wrong.append(f"{key}.id: {trial.id} is there twice")
        if (trial.status == "finished") != (trial.score is not None):
            wrong.append(f"{key}.score: {trial.score}, and the trial is {trial.status}")
        if trial.continues is not None and trial.continues not in seen:
            wrong.append(f"{key}.continues: {trial.continues} is no earlier trial")
        seen.add(trial.id)
    finished = [trial.id for trial in found.trials if trial.status == "finished"]
    if found.best not in finished and (finished or found.best is not None):
        wrong.append(f"best: {found.best}, which is no finished trial")
    return wrong


def _wrong_values(found: _SearchFile, settings: Sequence[Setting]) -> list[str]:
    """Values that the space does not hold."""
    space, wrong = {setting.path: setting for setting in settings}, []
    for place, trial in enumerate(found.trials):
        for path, value in trial.values.items():
            key = f"trials.{place}.values.{path}"
            if path not in space:
                wrong.append(f"{key}: not in the space")
                continue
            try:
                space[path].number(value)
            except ValueError:
                wrong.append(f"{key}: {value!r} is not in the space")
    return wrong
