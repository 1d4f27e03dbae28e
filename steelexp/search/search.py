"""The story of one search, read downwards."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from steelexp.command_line import public_line
from steelexp.errors import RunFailedError, UserError
from steelexp.progress import duration, say
from steelexp.records.atomic import write_atomically
from steelexp.records.document import write_document
from steelexp.records.jsonl import first_check
from steelexp.records.search_file import (
    BEST,
    FILE,
    JOURNAL,
    SCHEMA_VERSION,
    best_line,
    describe_score,
)
from steelexp.records.store import RunFolder
from steelexp.search.budget import Budget
from steelexp.search.confirmation import confirm, confirmation
from steelexp.search.executor import Executor, Outcome, Trial
from steelexp.search.identity import differences, identity
from steelexp.search.objectives import best_row, direction, pareto_front
from steelexp.search.trials import Row, Trials, read_trials, repair_trials
from steelexp.search.tuner import Tuner, make_tuner
from steelexp.search.tuners import Question, proposer
from steelexp.spec import ExperimentSpec, dump, substitute
from steelexp.spec.effects import idle_settings
from steelexp.spec.objective import first_objective, objectives
from steelexp.spec.starting_points import starting_points
from steelexp.terminal import visible


def search(
    spec: ExperimentSpec,
    folder: Path,
    executor: Executor,
    *,
    digest: str,
    read_earlier: Callable[[], Sequence[Row]] = tuple,
) -> Row:
    """Search to the end of the budget, from wherever an earlier session left it.

    Args:
        spec: Spec with a search.
        folder: Folder of the search.
        executor: Executor of the trials; it is closed.
        digest: Digest of the spec on its data; a search continues with the same digest only.
        read_earlier: Reads the known trials of earlier searches. It is called once, when a search
            begins.

    Returns:
        The best trial.

    Raises:
        UserError: the folder holds another search.
        RunFailedError: every trial failed, or none fitted into the budget.
        BusyError: another process is at it.
    """
    assert spec.search is not None
    with RunFolder(folder).hold():
        if (damage := repair_trials(folder / JOURNAL)) is not None:
            say(damage)
        trials = read_trials(folder / JOURNAL)
        # As JSON reads it back: a tuple is a list.
        now = json.loads(json.dumps(identity(spec, digest)))
        _check_the_same(trials, now, folder)
        # Before the first line: a folder that cannot be read leaves no search behind.
        earlier = read_earlier() if spec.search.reuse and not trials.rows else ()
        if trials.identity is None:
            trials.open(now)
        if earlier:
            trials.reuse(earlier)
        proposals = proposer(spec.search, question(spec))
        tuner = make_tuner(proposals, spec.search.seed, starting_points(spec))
        _replay(trials, tuner)
        budget = Budget(spec, proposals, trials)
        try:
            end_reason = _run(spec, folder, executor, trials, tuner, budget)
            on_change = functools.partial(_write, spec, folder, trials)
            confirm(spec, executor, trials, on_change)
        finally:
            executor.close()
        _write(spec, folder, trials, end_reason=end_reason)
        say(f"Ended: {end_reason}")
    best = best_row(spec, trials)
    if best is None:
        why = "all failed, search.json says why" if trials.rows else "none fitted into the budget"
        raise RunFailedError(f"{folder}: no trial was finished: {why}")
    return best


def question(spec: ExperimentSpec) -> Question:
    """What the spec's tuner is asked."""
    assert spec.search is not None
    return Question(
        spec.search.space, direction(spec), spec.training.epochs, tuple(objectives(spec))
    )


def trial_spec(spec: ExperimentSpec, trial: Trial, name: str | None = None) -> ExperimentSpec:
    """The complete spec of a trial."""
    epochs = {} if trial.epochs is None else {"training.epochs": trial.epochs}
    seed = {} if trial.seed is None else {"seed": trial.seed}
    rename = {"name": name or f"{spec.name}-{trial.label}"}
    try:
        return substitute(spec, {**trial.values, **epochs, **seed, **rename})
    except ValidationError as error:
        (first, *_) = error.errors()
        key = ".".join(map(str, first["loc"]))
        raise UserError(
            f"trial {trial.id}: {key}: {first['input']!r}: {first['msg']}; narrow search.space and "
            "begin anew with --fresh"
        ) from None


def _run(
    spec: ExperimentSpec,
    folder: Path,
    executor: Executor,
    trials: Trials,
    tuner: Tuner,
    budget: Budget,
) -> str:
    """Run trials until a limit ends the search; return the limit."""
    _write(spec, folder, trials)
    if (best := best_row(spec, trials)) is not None:  # a kill may have come in between
        _write_best(spec, folder, best)
    for trial in trials.running:
        say(f"trial {trial.id}: going on")
        executor.submit(trial)
    following: Trial | None = None  # proposed, and not begun before the budget allows it
    while True:
        while len(trials.running) < executor.slots and budget.reason_to_end() is None:
            following = following or tuner.ask()
            if following is None or budget.reason_to_end(following) is not None:
                break
            trials.propose(following, budget.elapsed)
            _write(spec, folder, trials)
            say(f"trial {following.id}: {_describe(following)}")
            executor.submit(following)
            following = None
        if not trials.running:
            return budget.reason_to_end(following) or budget.end_of_tuner
        outcome = executor.next()
        trials.end(outcome, budget.elapsed)
        tuner.tell(outcome)
        _write(spec, folder, trials)
        best = best_row(spec, trials)
        if best is not None and best.trial.id == outcome.trial:
            _write_best(spec, folder, best)
        say(_line(spec, trials, outcome, budget.seconds_left(executor.slots)))


def _check_the_same(trials: Trials, now: Mapping[str, Any], folder: Path) -> None:
    if trials.identity is not None and (lines := differences(trials.identity, now)):
        raise UserError(
            f"{folder}: it holds the trials of another search:",
            *(f"  {line}" for line in lines),
            "put it back, give the search another name, or begin anew with --fresh",
        )


def _replay(trials: Trials, tuner: Tuner) -> None:
    """Bring the tuner to where the journal ends.

    A proposal that waited for the budget was made before outcomes that the journal has before it.
    """
    ends = [trials.rows[number].outcome for kind, number in trials.events if kind == "ended"]
    outcomes = iter(outcome for outcome in ends if outcome is not None)
    count = 0
    for number, row in trials.rows.items():
        for outcome in islice(outcomes, row.trial.outcomes - count):
            tuner.tell(outcome)
        count = row.trial.outcomes
        trial = tuner.ask(row.trial.values)
        if trial is None or (trial.id, trial.continues) != (number, row.trial.continues):
            raise UserError(
                f"{trials.path}: this version's tuner does not come to trial {number}; "
                "--fresh begins anew"
            )
    for outcome in outcomes:
        tuner.tell(outcome)


def _write(
    spec: ExperimentSpec, folder: Path, trials: Trials, *, end_reason: str | None = None
) -> None:
    """Write search.json, what analyses read."""
    assert spec.search is not None
    best = best_row(spec, trials)
    wanted = objectives(spec)
    rows = list(trials.rows.values())
    confirmed = confirmation(spec, folder, trials) if trials.confirmed else None
    content = {
        "schema_version": SCHEMA_VERSION,
        "journal": first_check(trials.path),
        "name": spec.name,
        "objective": wanted[0].name,
        "direction": wanted[0].direction,
        "objectives": {each.name: each.definition for each in wanted},
        "tuner": spec.search.tuner.model_dump(mode="json"),
        "space": {path: values.as_written() for path, values in spec.search.space.items()},
        "budget": {
            name: getattr(spec.search, name) for name in (*spec.search.BUDGETS, "minimum_gain")
        },
        "seed": spec.search.seed,
        "status": "running" if end_reason is None else "finished",
        "end_reason": end_reason,
        "best": None if best is None else best.trial.id,
        "pareto": pareto_front(rows, wanted) if len(wanted) > 1 else None,
        "confirmation": None if confirmed is None else confirmed.model_dump(mode="json"),
        "trials": [row.summary() for row in rows],
    }
    write_document(folder / FILE, content, indent=1)


def _write_best(spec: ExperimentSpec, folder: Path, best: Row) -> None:
    """Write best.yaml, a spec that `run` takes."""
    assert best.outcome is not None
    path = folder / BEST
    what = f"Trial {best.trial.id} of {spec.name}: {first_objective(spec).name}"
    after = f"{best.outcome.score:.4f} after epoch {best.outcome.best_epoch}."
    # A line end in a path would end the comment.
    head = (public_line(best_line(folder)), f"{what} {after}")
    text = "".join(f"# {visible(line)}\n" for line in head)
    trial = trial_spec(spec, best.trial, f"{spec.name}-best")
    best_spec = substitute(trial, {key: [] for key in idle_settings(trial)})
    write_atomically(path, (text + dump(best_spec)).encode())


def _describe(trial: Trial) -> str:
    extra = ["a starting point"] if trial.source == "start" else []
    extra += [f"{trial.epochs} epochs"] if trial.epochs is not None else []
    extra += [f"goes on from {trial.continues}"] if trial.continues is not None else []
    return ", ".join([f"{path} {value}" for path, value in trial.values.items()] + extra)


def _line(spec: ExperimentSpec, trials: Trials, outcome: Outcome, left: float | None) -> str:
    best = best_row(spec, trials)
    result = (
        f"failed: {outcome.reason}"
        if outcome.score is None
        else f"{_scores(spec, outcome)}, {duration(outcome.seconds)}"
    )
    parts = [f"trial {outcome.trial}: {result}", f"{len(trials.outcomes)} ended"]
    if best is not None and best.outcome is not None:
        parts.append(f"best {best.outcome.score:.4f} of {best.trial.id}")
    if left is not None:
        parts.append(f"about {duration(left)} left" if left else "the last")
    return "; ".join(parts)


def _scores(spec: ExperimentSpec, outcome: Outcome) -> str:
    first, *others = objectives(spec)
    texts = [f"{first.name} {outcome.score:.4f}"]
    return ", ".join(
        texts + [f"{each.name} {describe_score(outcome.scores[each.name])}" for each in others]
    )
