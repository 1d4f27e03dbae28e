"""Lines about a search: its budget before, its best trial after."""

from collections.abc import Iterator
from pathlib import Path

from steelexp.records.search_confirmation import confirmation_lines
from steelexp.records.search_file import best_line, pareto_lines, read_search_file
from steelexp.search.budget import describe_gain
from steelexp.search.confirmation import new_seeds
from steelexp.search.search import question
from steelexp.search.trials import Row
from steelexp.search.tuners import proposer
from steelexp.spec import ExperimentSpec
from steelexp.spec.objective import first_objective, objectives
from steelexp.spec.space_words import describe_point, describe_values
from steelexp.spec.starting_points import starting_points


def budget_lines(spec: ExperimentSpec) -> list[str]:
    """The space of a spec with a search, and what the search may cost."""
    search = spec.search
    assert search is not None
    tuner = proposer(search, question(spec))
    trials = [n for n in (search.trials, tuner.trials) if n is not None]
    epochs = [n for n in (search.epochs, tuner.epochs) if n is not None]
    limits = [f"at most {min(trials)} trials"] if trials else []
    limits += [f"at most {min(epochs)} epochs"] if epochs else []
    limits += [f"{search.hours:g} hours"] if search.hours is not None else []
    if search.patience is not None:
        limits.append(f"until {search.patience} trials are without {describe_gain(search)}")
    if tuner.epochs is None:
        limits.append(f"each at most {spec.training.epochs} epochs")
    want = {"max": "large", "min": "small"}
    goals = [f"{name} is to be {want[direction]}" for name, direction in objectives(spec)]
    return [
        f"search      {search.tuner.choice}: {', '.join(goals)}",
        f"budget      {', '.join(limits)}",
        *(
            f"space       {path}: {describe_values(dimension.as_written())}"
            for path, dimension in search.space.items()
        ),
        *_confirm_lines(spec),
        *(f"start       {describe_point(values)}" for values in starting_points(spec)),
    ]


def _confirm_lines(spec: ExperimentSpec) -> Iterator[str]:
    if spec.search is not None and spec.search.confirm is not None:
        seeds = ", ".join(map(str, new_seeds(spec)))
        yield (
            f"confirm     the best {spec.search.confirm.top} trials, beyond the budget, each with "
            f"seeds {seeds}"
        )


def closing_lines(spec: ExperimentSpec, folder: Path, best: Row) -> Iterator[str]:
    """What was found, and how to run it."""
    assert best.outcome is not None
    first = first_objective(spec)
    yield (
        f"Best: trial {best.trial.id}, {first.name} {best.outcome.score:.4f} "
        f"after epoch {best.outcome.best_epoch}"
    )
    for path, value in best.trial.values.items():
        yield f"  {path}: {value}"
    file = read_search_file(folder)
    yield from pareto_lines(file)
    if file.confirmation is not None:
        yield from confirmation_lines(file.confirmation, file.objective)
    yield f"The whole search: {folder / 'search.json'}"
    yield f"Best spec: {folder / 'best.yaml'}"
    yield f"Run it: {best_line(folder)}"
