"""What is wrong with a search, before anything runs."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError
from typing import Any

from pydantic import ValidationError

from steelexp.metric_names import parse_name
from steelexp.metrics import METRICS
from steelexp.spec.explain import explain, nearest
from steelexp.spec.schema import SECTIONS, ExperimentSpec
from steelexp.spec.space import (
    KINDS,
    Dimension,
    SearchSpec,
    Space,
    assignments,
    parents_first,
)
from steelexp.spec.substitution import substituted
from steelexp.spec.yaml_tree import Branch, Problem

_FIXED = {
    "name": "it names the trials",
    "question": "no score depends on it",
    "tracking": "no score depends on it",
    "published": "no score depends on it",
    "training.overlays": "no score depends on it",
    "search": "a search has no search within",
    "split": "trials are compared on the same images",
    "data": "trials are compared on the same images; only train_fraction and its seed may vary",
    "training.monitor": "trials are compared by it",
    "seed": "it would pick the luckiest run; run the best with several: --seeds 0,1,2",
}
"""What no search may vary, and why."""

_ALLOWED = ("data.train_fraction", "data.train_fraction_seed")


def space_problems(spec: ExperimentSpec, tree: Branch) -> list[Problem]:
    """Everything wrong with a spec's search; nothing where there is none.

    Args:
        spec: valid but for this.
        tree: what was written, with its lines.
    """
    search = spec.search
    if search is None:
        return []
    written = _Written(tree)
    problems = [written.problem("search", text) for text in _budget_problems(search)]
    if not search.space:
        problems.append(written.problem("search.space", "it is empty; name a setting"))
    for path, dimension in search.space.items():
        texts = [
            _range_problem(dimension),
            _fixed_problem(path, spec),
            _overlap(path, search.space),
            *_condition_problems(dimension, search.space),
        ]
        problems += [written.of(path, text) for text in texts if text is not None]
    if problems:
        return problems
    try:
        parents_first(search.space)
    except CycleError as error:
        cycle = error.args[1]
        text = f"when: these wait for one another: {' -> '.join(cycle)}"
        return [written.of(cycle[0], text)]
    found = ((path, text) for path in search.space for text in _refusals(spec, path, written))
    return [written.of(path, text) for path, text in found]


class _Written:
    """Where the parts of the search were written."""

    def __init__(self, tree: Branch) -> None:
        search = tree.items["search"]
        space = search.items.get("space", search) if isinstance(search, Branch) else search
        self.search = search.where
        self.lines = {
            path: node.where
            for path, node in (space.items if isinstance(space, Branch) else {}).items()
        }

    def problem(self, key: str, text: str) -> Problem:
        return Problem(self.search, key, text)

    def of(self, path: str, text: str) -> Problem:
        return Problem(self.lines[path], f"search.space.{path}", text)


def _budget_problems(search: SearchSpec) -> Iterator[str]:
    given = [name for name in search.BUDGETS if getattr(search, name) is not None]
    continuous = any(dimension.finite is None for dimension in search.space.values())
    if not given and search.tuner.choice in {"random", "bayesian"} and continuous:
        yield (
            f"the tuner {search.tuner.choice} would never end; give a budget: "
            f"{', '.join(search.BUDGETS)}"
        )


def _range_problem(dimension: Dimension) -> str | None:
    """What is wrong with one setting's values as such."""
    if len(dimension.kinds) != 1:
        given = " and ".join(dimension.kinds) or "none"
        return f"one of {', '.join(KINDS)} is expected, {given} is given"
    (kind,), choice = dimension.kinds, dimension.choice
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
    """Why a setting cannot be searched at all."""
    for fixed, reason in _FIXED.items():
        if _is_within(path, fixed) and not any(_is_within(path, free) for free in _ALLOWED):
            return f"cannot be searched: {reason}"
    monitor = spec.training.monitor
    for part, reason in METRICS[parse_name(monitor).metric].settings.items():
        if _is_within(path, part):
            return (
                f"cannot be searched by {monitor}, which {reason}; choose another training.monitor"
            )
    if path == "training.epochs" and spec.search and spec.search.tuner.choice == "hyperband":
        return "cannot be searched by hyperband, which gives each trial its epochs"
    return None


def _overlap(path: str, space: Space) -> str | None:
    whole = [other for other in space if other != path and _is_within(path, other)]
    return f"{whole[0]} is in the space too; keep one" if whole else None


def _condition_problems(dimension: Dimension, space: Space) -> Iterator[str]:
    for parent, held in dimension.when.items():
        if parent not in space:
            names = ", ".join(space)
            yield f"when: {parent} is not in the space{nearest(parent, space)}; it holds: {names}"
            continue
        values = space[parent].finite
        if values is None:
            yield f"when: {parent}: a condition needs a choice or an int"
            continue
        never = [value for value in held if value not in values]
        if never or not held:
            wrong = f"it is never {never[0]!r}" if never else "no value is given"
            yield f"when: {parent}: {wrong}; its values: {', '.join(map(str, values[:20]))}"


def _refusals(spec: ExperimentSpec, path: str, written: _Written) -> Iterator[str]:
    """Why a component would refuse some value of a setting, each reason once."""
    assert spec.search is not None
    space, said = spec.search.space, set()
    decisive = _decisive(space, path)
    tried = [values for values in assignments(space, {path, *decisive}) if path in values]
    if not tried:
        yield "when: these conditions never hold together"
    for values in tried:
        text = _refusal(spec, path, values, written.lines[path])
        if text is None or text in said:
            continue
        said.add(text)
        shown = [f"{other} {values[other]}" for other in sorted(decisive) if other in values]
        yield text + (f" (with {', '.join(shown)}){_cure(path, space)}" if shown else "")


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
    """The settings on which depends whether `path` is used, and what takes it."""
    found: set[str] = set()
    waiting = [path]
    while waiting:
        current = waiting.pop()
        near = {*space[current].when, *_selectors(current)} & set(space)
        waiting += near - found
        found |= near
    return found - {path}


def _selectors(path: str) -> set[str]:
    """The setting that names the component which `path` is a setting of."""
    section = path.partition(".")[0]
    return {f"{section}.{SECTIONS[section].selector}"} if section in SECTIONS else set()


def _cure(path: str, space: Space) -> str:
    free = _selectors(path) & set(space) - set(space[path].when)
    return f"; say when: {{{free.pop()}: [...]}}" if free - {path} else ""


def _is_within(path: str, part: str) -> bool:
    return path == part or path.startswith((f"{part}.", f"{part}["))
