"""Errors in the search of a spec, before anything runs."""

import math
from collections.abc import Iterator, Mapping
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError

from steelexp.limits import SEARCH_COMBINATIONS
from steelexp.metric_names import parse_name
from steelexp.metrics import METRICS
from steelexp.spec.explain import explain, nearest
from steelexp.spec.objective import COSTS, objective_problems, objectives
from steelexp.spec.rungs import rungs
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.space import (
    KINDS,
    Dimension,
    SearchSpec,
    Space,
    assignments,
    parents_first,
)
from steelexp.spec.starting_points import start_problems
from steelexp.spec.substitution import substituted
from steelexp.spec.yaml_tree import Branch, Problem

_FIXED = {
    "name": "it names the trials",
    "question": "no score depends on it",
    "tracking": "no score depends on it",
    "published": "no score depends on it",
    "training.overlays": "no score depends on it",
    "training.tile_validation_interval": "no score depends on it",
    "search": "a search has no search within",
    "split": "trials are compared on the same images",
    "data": "trials are compared on the same images; only train_fraction and its seed may vary",
    "training.monitor": "it picks the best epoch of each trial",
    "seed": "it would pick the luckiest run; run the best with several: --seeds 0,1,2",
}
"""Settings that no search may vary, with the reason."""

_ALLOWED = ("data.train_fraction", "data.train_fraction_seed")

_ENDLESS = {"random", "bayesian", "asynchronous_halving"}
"""Tuners that propose trials of a continuous space without end."""

_WITH_EPOCHS = {"hyperband", "asynchronous_halving"}
"""Tuners that give each trial its epochs."""


def space_problems(spec: ExperimentSpec, tree: Branch) -> list[Problem]:
    """The problems of a spec's search; none if it has no search.

    Args:
        spec: Spec that is valid but for its search.
        tree: Settings with their lines.
    """
    search = spec.search
    if search is None:
        return []
    lines = _SearchLines(tree)
    problems = [lines.problem("search", text) for text in _budget_problems(search)]
    problems += [lines.problem("search.tuner", text) for text in _rung_problems(spec)]
    problems += [lines.problem("search.tuner", text) for text in _schedule_problems(spec)]
    problems += [Problem(lines.objective, "search.objective", t) for t in objective_problems(spec)]
    if problems:
        return problems
    if not search.space:
        problems.append(lines.problem("search.space", "it is empty; name a setting"))
    for path, dimension in search.space.items():
        texts = [
            _range_problem(dimension),
            _fixed_problem(path, spec),
            _overlap(path, search.space),
            *_condition_problems(dimension, search.space),
        ]
        problems += [lines.problem_of(path, text) for text in texts if text is not None]
    if problems:
        return problems
    try:
        parents_first(search.space)
    except CycleError as error:
        cycle = error.args[1]
        text = f"when: these wait for one another: {' -> '.join(cycle)}"
        return [lines.problem_of(cycle[0], text)]
    if (count := _count_combinations(search.space)) > SEARCH_COMBINATIONS:
        text = (
            f"the conditions make {count:,} combinations of values, and at most "
            f"{SEARCH_COMBINATIONS:,} are checked; take fewer choices or conditions"
        )
        return [lines.problem("search.space", text)]
    problems = [
        lines.problem_of(path, text)
        for path in search.space
        for text in _refusals(spec, path, lines.of_space[path])
    ]
    return problems or [Problem(lines.start, *problem) for problem in start_problems(spec)]


class _SearchLines:
    """File and line of the search and of each setting of its space."""

    def __init__(self, tree: Branch) -> None:
        search = tree.items["search"]
        items = search.items if isinstance(search, Branch) else {}
        space = items.get("space", search)
        self.search = search.where
        self.objective = items.get("objective", search).where
        self.start = items.get("start", search).where
        self.of_space = {
            path: node.where
            for path, node in (space.items if isinstance(space, Branch) else {}).items()
        }

    def problem(self, key: str, text: str) -> Problem:
        """A problem of the search as a whole."""
        return Problem(self.search, key, text)

    def problem_of(self, path: str, text: str) -> Problem:
        """A problem of a setting of the space."""
        return Problem(self.of_space[path], f"search.space.{path}", text)


def _budget_problems(search: SearchSpec) -> Iterator[str]:
    budgets = [name for name in search.BUDGETS if getattr(search, name) is not None]
    continuous = any(dimension.finite is None for dimension in search.space.values())
    if not budgets and search.tuner.choice in _ENDLESS and continuous:
        yield (
            f"the tuner {search.tuner.choice} would never end; give a budget: "
            f"{', '.join(search.BUDGETS)}"
        )
    if search.reuse and search.tuner.choice in _WITH_EPOCHS:
        yield (
            f"reuse: {search.tuner.choice} compares trials of the same rung and goes on from their "
            "weights; take random, bayesian or grid"
        )
    if search.patience is None and "minimum_gain" in search.model_fields_set:
        yield "minimum_gain: without effect; give patience too"
    if search.trials is not None and len(search.start) > search.trials:
        yield (
            f"start: {len(search.start)} starting points, and at most {search.trials} trials; "
            "allow more trials, or leave some points out"
        )


def _schedule_problems(spec: ExperimentSpec) -> Iterator[str]:
    """A trial that goes on for more epochs would go on in another schedule than it began with."""
    search = spec.search
    if search is None or search.tuner.choice not in _WITH_EPOCHS:
        return
    if spec.schedule.choice != "plateau" or not {"schedule", "schedule.name"}.isdisjoint(
        search.space
    ):
        yield (
            f"{search.tuner.choice} gives each trial its epochs, and only schedule.name=plateau "
            "does not depend on their number; take that, or another tuner"
        )


def _rung_problems(spec: ExperimentSpec) -> Iterator[str]:
    assert spec.search is not None
    tuner = spec.search.tuner
    if tuner.choice != "asynchronous_halving":
        return
    least = tuner.settings["min_epochs"]
    factor = tuner.settings["factor"]
    epochs = spec.training.epochs
    if len(rungs(epochs, least, factor)) < 2:
        yield (
            f"training.epochs {epochs} leave a single rung with min_epochs {least} and factor "
            f"{factor}; train longer, or take the tuner random"
        )


def _range_problem(dimension: Dimension) -> str | None:
    """The problem of a range or a list of choices, whatever the setting."""
    if len(dimension.kinds) != 1:
        kinds = " and ".join(dimension.kinds) or "none"
        return f"one of {', '.join(KINDS)} is expected, {kinds} is given"
    (kind,) = dimension.kinds
    choice = dimension.choice
    if kind != "int" and "step" in dimension.model_fields_set:
        return "step: it goes with int only"
    if choice is not None:
        twice = [value for i, value in enumerate(choice) if value in choice[:i]]
        return "choice: it is empty" if not choice else _twice(twice)
    low, high = dimension.bounds
    if not low < high:
        return f"{kind}: [{low:g}, {high:g}]: the first has to be smaller than the second"
    if kind == "log_uniform" and low <= 0:
        return f"log_uniform: [{low:g}, {high:g}]: both have to be above 0"
    return None


def _twice(values: list[Any]) -> str | None:
    return f"choice: {values[0]!r} is given twice" if values else None


def _fixed_problem(path: str, spec: ExperimentSpec) -> str | None:
    """The reason why a setting cannot be searched at all."""
    for fixed, reason in _FIXED.items():
        if _is_within(path, fixed) and not any(_is_within(path, free) for free in _ALLOWED):
            return f"cannot be searched: {reason}"
    names = [objective.name for objective in objectives(spec) if objective.name not in COSTS]
    for name in names:
        for part, reason in METRICS[parse_name(name).metric].settings.items():
            if _is_within(path, part):
                return f"cannot be searched by {name}, which {reason}; {_other_objective(spec)}"
    if path == "training.epochs" and spec.search and spec.search.tuner.choice in _WITH_EPOCHS:
        return (
            f"cannot be searched by {spec.search.tuner.choice}, which gives each trial its epochs"
        )
    return None


def _other_objective(spec: ExperimentSpec) -> str:
    has_objective = spec.search is not None and spec.search.objective is not None
    return f"choose another {'search.objective' if has_objective else 'training.monitor'}"


def _overlap(path: str, space: Space) -> str | None:
    sections = [other for other in space if other != path and _is_within(path, other)]
    return f"{sections[0]} is in the space too; keep one" if sections else None


def _condition_problems(dimension: Dimension, space: Space) -> Iterator[str]:
    for parent, wanted in dimension.when.items():
        if parent not in space:
            names = ", ".join(space)
            yield f"when: {parent} is not in the space{nearest(parent, space)}; it holds: {names}"
            continue
        values = space[parent].finite
        if values is None:
            yield f"when: {parent}: a condition needs a choice or an int"
            continue
        impossible = [value for value in wanted if value not in values]
        if impossible or not wanted:
            wrong = f"it is never {impossible[0]!r}" if impossible else "no value is given"
            yield f"when: {parent}: {wrong}; its values: {', '.join(map(str, values[:20]))}"


def _count_combinations(space: Space) -> int:
    """Number of combinations of values that `_refusals` and the size of a grid go through."""
    conditions = {path for dimension in space.values() for path in dimension.when}
    varied = [{path, *_decisive(space, path)} for path in space]
    return sum(math.prod(len(space[path].extremes) for path in paths) for paths in varied) + (
        math.prod(len(space[path].finite or ()) for path in conditions)
    )


def _refusals(spec: ExperimentSpec, path: str, where: str) -> Iterator[str]:
    """The reasons why components refuse values of a setting, each once."""
    assert spec.search is not None
    space = spec.search.space
    decisive = _decisive(space, path)
    trials = [values for values in assignments(space, {path, *decisive}) if path in values]
    if not trials:
        yield "when: these conditions never hold together"
    reasons: set[str] = set()
    for values in trials:
        text = _refusal(spec, path, values, where)
        if text is None or text in reasons:
            continue
        reasons.add(text)
        others = [f"{other} {values[other]}" for other in sorted(decisive) if other in values]
        yield text + (f" (with {', '.join(others)}){_fix(path, space)}" if others else "")


def _refusal(spec: ExperimentSpec, path: str, values: Mapping[str, Any], where: str) -> str | None:
    tree = substituted(spec, values, where)
    try:
        type(spec).model_validate(tree.plain())
    except ValidationError as error:
        for detail in error.errors():
            problem = explain(tree, type(spec), detail)
            if _belongs(problem, path, values):
                key = "" if problem.key == path else f"{problem.key}: "
                return key + problem.message
    return None


def _belongs(problem: Problem, path: str, values: Mapping[str, Any]) -> bool:
    """Whether a problem comes from the space's `path`: from its value, or from naming it at all."""
    key = problem.key
    section, _, setting = path.rpartition(".")
    names_component = section in SECTIONS and setting == SECTIONS[section].selector
    if names_component and _is_within(key, section):
        return key == path or not any(_is_within(key, other) for other in values)
    if problem.message == "missing" and key.rpartition(".")[0] == section:
        return True
    return _is_within(key, path) or _is_within(path, key)


def _decisive(space: Space, path: str) -> set[str]:
    """The settings that decide whether `path` is used, and by which component."""
    decisive: set[str] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        near = {*space[current].when, *_selectors(current)} & set(space)
        waiting += near - decisive
        decisive |= near
    return decisive - {path}


def _selectors(path: str) -> set[str]:
    """The setting that names the component with the setting `path`."""
    section = path.partition(".")[0]
    return {f"{section}.{SECTIONS[section].selector}"} if section in SECTIONS else set()


def _fix(path: str, space: Space) -> str:
    free = _selectors(path) & set(space) - set(space[path].when)
    return f"; write when: {{{free.pop()}: [...]}}" if free - {path} else ""


def _is_within(path: str, part: str) -> bool:
    return path == part or path.startswith((f"{part}.", f"{part}["))
