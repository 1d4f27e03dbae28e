"""Trials of earlier searches that a new search need not train: `search.reuse`.

A trial is known if its run is the one that the new search would train: the same digest, so the
same settings, content of the data, split and weights file. Its settings have to lie in the space.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from steelexp.data.splits.split import split_digest
from steelexp.errors import UserError
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.progress import say
from steelexp.records.search_file import JOURNAL
from steelexp.records.store import RunFolder
from steelexp.search.executor import Outcome, Trial
from steelexp.search.objectives import measured_scores
from steelexp.search.search import trial_spec
from steelexp.search.trials import Row, read_trials
from steelexp.spec import ExperimentSpec, digest, read_resolved
from steelexp.spec.effects import effective_settings, is_part_of
from steelexp.spec.objective import first_objective
from steelexp.spec.starting_points import StartError, complete_point, own_value


class UnknownTrialError(ValueError):
    """A trial that tells the new search nothing; the message says why."""


def earlier_trials(plan: Plan, folder: Path) -> list[Row]:
    """The known trials of every folder of `search.reuse`, none twice.

    Args:
        plan: Plan of the spec with the new search.
        folder: Folder of the new search.

    Raises:
        UserError: A folder holds no search, or no trial of it is known.
    """
    spec = plan.spec
    assert spec.search is not None
    rows: dict[str, Row] = {}
    for name in spec.search.reuse:
        known_trials = _known_trials(plan, Path(name), folder)
        for values, outcome in known_trials:
            key = json.dumps(values, sort_keys=True)
            number = len(rows)
            trial = Trial(f"{number:04d}", values, source="reuse", outcomes=number)
            rows.setdefault(key, Row(trial, outcome._replace(trial=trial.id)))
    return list(rows.values())


def _known_trials(
    plan: Plan, earlier: Path, folder: Path
) -> Iterator[tuple[dict[str, Any], Outcome]]:
    """Values and outcome of each known trial of an earlier search."""
    if not (earlier / JOURNAL).is_file():
        raise UserError(
            f"search.reuse: {earlier}: no {JOURNAL} here; name the folder of a search, "
            "RUNS/NAME/search"
        )
    known_trials = []
    reasons: Counter[str] = Counter()
    finished = [row for row in read_trials(earlier / JOURNAL).rows.values() if row.outcome]
    for row in finished:
        try:
            known_trials.append(_known_trial(plan, earlier, row, folder))
        except UnknownTrialError as error:
            reasons[str(error)] += 1
    why = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
    if not known_trials:
        raise UserError(
            f"search.reuse: {earlier}: none of its {len(finished)} trials is one of this search: "
            f"{why or 'none has ended'}"
        )
    say(
        f"{earlier}: {len(known_trials)} of {len(finished)} trials are known"
        + (why and f"; not: {why}")
    )
    yield from known_trials


def _known_trial(
    plan: Plan, earlier: Path, row: Row, folder: Path
) -> tuple[dict[str, Any], Outcome]:
    assert row.outcome is not None
    if row.status != "finished":
        raise UnknownTrialError("it failed")
    if row.trial.continues is not None:
        raise UnknownTrialError("it went on from another trial")
    run = RunFolder(earlier / row.outcome.folder)
    record = run.record
    if record is None:
        raise UnknownTrialError("its run folder is gone")
    earlier_spec = read_resolved(run.file("spec.yaml"))
    values = _values_in_space(plan.spec, earlier_spec)
    new = trial_spec(plan.spec, Trial(row.trial.id, values))
    if _digest(plan, new) != record.digest:
        raise UnknownTrialError(_difference(new, earlier_spec))
    scores = measured_scores(plan.spec, record, run.epochs, row.outcome.scores)
    if missing := [name for name, value in scores.items() if value is None]:
        raise UnknownTrialError(f"{', '.join(missing)} was not measured")
    measured = {name: value for name, value in scores.items() if value is not None}
    outcome = row.outcome._replace(
        score=measured[first_objective(plan.spec).name],
        scores=measured,
        trained=0,  # by this search
        seconds=0.0,
        folder=Path(os.path.relpath(run.path, folder)).as_posix(),
    )
    return values, outcome


def _values_in_space(spec: ExperimentSpec, earlier: ExperimentSpec) -> dict[str, Any]:
    """The settings of an earlier trial in the order of the new space."""
    assert spec.search is not None
    settings: dict[str, Any] = {}
    for path, dimension in spec.search.space.items():
        if all(_has(earlier, parent, values) for parent, values in dimension.when.items()):
            try:
                settings[path] = own_value(earlier, path)
            except StartError:
                raise UnknownTrialError(f"it has no {path}") from None
    try:
        return complete_point(spec, settings)
    except StartError as error:
        raise UnknownTrialError(str(error)) from None


def _has(spec: ExperimentSpec, path: str, values: list[Any]) -> bool:
    try:
        return own_value(spec, path) in values
    except StartError:
        return False


def _digest(plan: Plan, spec: ExperimentSpec) -> str:
    """Digest of the run of a trial, with the data that the search has been planned on."""
    settings = [each.model_dump(mode="json") for each in (spec, plan.spec)]
    if all(_data_settings(settings[0]) == _data_settings(each) for each in settings):
        return digest(
            spec,
            data=plan.dataset.manifest,
            split=split_digest(plan.dataset, plan.split),
            weights=plan.initial_weights,
            start=plan.start.identity if plan.start else None,
            unlabelled=plan.unlabelled.facts.identity if plan.unlabelled else None,
        )
    return prepare(SpecModel.model_validate(spec.model_dump()), plan.folder.path.parent).digest


def _data_settings(settings: Mapping[str, Any]) -> list[Any]:
    model = settings["model"]
    return [settings["data"], settings["split"], model.get("weights"), model.get("start")]


def _difference(new: ExperimentSpec, earlier: ExperimentSpec) -> str:
    """The settings in which a trial differs from that of the new search."""
    now, before = (
        {key: each for key, each in effective_settings(spec).items() if not _is_data(key)}
        for spec in (new, earlier)
    )
    keys = [key for key in {**before, **now} if now.get(key) != before.get(key)]
    texts = [f"{key} was {before.get(key)} and is {now.get(key)}" for key in keys[:3]]
    return ", ".join(texts) or "the data, the split or the weights file is another"


def _is_data(key: str) -> bool:
    return is_part_of(key, ("data", "split"))
