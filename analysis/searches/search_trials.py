"""A search as search.json holds it: its space, its trials, and what continues what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.searches.search_space import Setting, read_setting
from steelexp.errors import UserError
from steelexp.records.search_file import FILE, Budget, SearchFile, read_search_file
from steelexp.records.search_file import SearchTrial as Trial

__all__ = ["Budget", "Search", "Trial", "read_search"]


@dataclass(frozen=True)
class Search:
    """A search as figures and tables read it.

    Attributes:
        folder: Folder of search.json.
        name: Name of the spec.
        objective: the metric, such as "val_dice_positive".
        direction: whether the objective is made large or small.
        tuner: its name and settings.
        settings: Settings that were varied, in the spec's order.
        budget: Limits of the search.
        seed: Seed of the tuner.
        status: whether it goes on.
        best: the best trial, None where none has finished.
        trials: Trials in the order of their proposals.
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
        UserError: it is not there, not whole, of another version, or says what cannot be.
    """
    file = folder / FILE
    content = read_search_file(folder)
    settings = tuple(read_setting(file, path, entry) for path, entry in content.space.items())
    if wrong := [*_wrong_trials(content), *_wrong_values(content, settings)]:
        raise UserError(*(f"{file}: {text}" for text in wrong))
    return Search(
        folder=folder,
        name=content.name,
        objective=content.objective,
        direction=content.direction,
        tuner=content.tuner,
        settings=settings,
        budget=content.budget,
        seed=content.seed,
        status=content.status,
        best=content.best_trial,
        trials=tuple(content.trials),
    )


def _wrong_trials(content: SearchFile) -> list[str]:
    """Trials whose status, score or lineage cannot be, and a best that is none."""
    wrong = []
    ids = set[str]()
    for place, trial in enumerate(content.trials):
        key = f"trials.{place}"
        if trial.id in ids:
            wrong.append(f"{key}.id: {trial.id} is there twice")
        if (trial.status == "finished") != (trial.score is not None):
            wrong.append(f"{key}.score: {trial.score}, and the trial is {trial.status}")
        if trial.continues is not None and trial.continues not in ids:
            wrong.append(f"{key}.continues: {trial.continues} is no earlier trial")
        ids.add(trial.id)
    finished = [trial.id for trial in content.trials if trial.status == "finished"]
    if content.best not in finished and (finished or content.best is not None):
        wrong.append(f"best: {content.best}, which is no finished trial")
    return wrong


def _wrong_values(content: SearchFile, settings: Sequence[Setting]) -> list[str]:
    """Values that the space does not hold."""
    space = {setting.path: setting for setting in settings}
    wrong = []
    for place, trial in enumerate(content.trials):
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
