"""The tuners by name: keras-tuner's oracles, with the settings that a spec may give."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, NonNegativeFloat

from steelexp.errors import UserError
from steelexp.lazy import silence
from steelexp.limits import SearchPoints
from steelexp.search.halving import AsynchronousHalving, totals
from steelexp.spec.objective import Objective
from steelexp.spec.rungs import rungs
from steelexp.spec.space import Dimension, SearchSpec, Space, combination_count, size

if TYPE_CHECKING:
    from steelexp.search.tuner import Tuner


class Question(NamedTuple):
    """The task of a tuner.

    Attributes:
        space: Dotted path -> values.
        direction: "min" or "max": direction of the objective.
        epochs: Epochs of a full training.
        objectives: All objectives, the first of which has the direction.
    """

    space: Space
    direction: str
    epochs: int
    objectives: tuple[Objective, ...] = ()


class Proposer(NamedTuple):
    """An oracle and the size of its search.

    Attributes:
        oracle: keras-tuner's oracle; it knows values by their numbers in `space`.
        space: Search space; the grid makes continuous ranges finite.
        trials: Number of proposals before it ends by itself; None for no end.
        epochs: Largest number of epochs that they train; None if unknown.
        schedule: Tuner that gives the trials of the oracle their epochs; None for the oracle alone.
    """

    oracle: Any
    space: Space
    trials: int | None
    epochs: int | None
    schedule: Callable[["Tuner"], "Tuner"] | None = None


def random(question: Question) -> Proposer:
    """Draw every setting at random, no combination twice, until all are tried.

    Source: Bergstra and Bengio, JMLR 2012, https://jmlr.org/papers/v13/bergstra12a.html.
    """
    oracle = _oracles().random(question.space, question.direction)
    return Proposer(oracle, question.space, combination_count(question.space), None)


def bayesian(
    question: Question, *, initial: SearchPoints | None = None, beta: NonNegativeFloat = 2.6
) -> Proposer:
    """Take what a Gaussian process of the scores so far promises most of.

    The values with the best mean plus `beta` standard deviations, no combination twice. Of several
    objectives, each proposal looks at other weights (ParEGO, `steelexp.search.objectives`).

    Args:
        question: Task of the tuner.
        initial: Random trials at the start; absent: one more than there are settings.
        beta: Weight of the standard deviation in the bound; 0 only exploits.

    Source: Srinivas et al., ICML 2010, https://arxiv.org/abs/0912.3995.
    """
    first = initial or len(question.space) + 1
    oracle = _oracles().bayesian(question.space, question.direction, initial=first, beta=beta)
    oracle.objectives = question.objectives
    return Proposer(oracle, question.space, combination_count(question.space), None)


def hyperband(
    question: Question,
    *,
    factor: Annotated[int, Field(ge=2, le=1_000)] = 3,
    iterations: SearchPoints = 1,
) -> Proposer:
    """Begin many trials with few epochs, and let the best of them go on.

    training.epochs is what the last ones reach. Each goes on from its own weights.

    Args:
        question: Task of the tuner.
        factor: One in this many trials continues, for this many times the epochs.
        iterations: Number of times that all brackets are run.

    Source: Li et al., JMLR 2018, https://jmlr.org/papers/v18/16-558.html.
    """
    oracle = _oracles().hyperband(
        question.space,
        question.direction,
        epochs=question.epochs,
        factor=factor,
        iterations=iterations,
    )
    combinations = combination_count(question.space)
    count = _oracles().hyperband_starts(oracle)
    if combinations is not None and combinations < count:
        raise UserError(
            f"search.tuner: hyperband begins {count} trials with different settings, and the space "
            f"has {combinations} combinations; take grid or asynchronous_halving, or larger ranges"
        )
    rungs = _oracles().hyperband_rungs(oracle)
    return Proposer(
        oracle,
        question.space,
        trials=sum(count for count, _ in rungs),
        epochs=sum(count * epochs for count, epochs in rungs),
    )


def asynchronous_halving(
    question: Question,
    *,
    factor: Annotated[int, Field(ge=2, le=1_000)] = 3,
    min_epochs: SearchPoints = 1,
) -> Proposer:
    """Begin random trials with few epochs, and let the best go on without waiting for the others.

    One in `factor` trials of a rung continues, for `factor` times the epochs, as soon as it is
    among the best of those that ended. training.epochs is what the last rung reaches. Each trial
    goes on from its own weights. With several workers none waits for another. search.trials
    counts a trial that continues another as well, so search.epochs is the plainer budget.

    Args:
        question: Task of the tuner.
        factor: One in this many trials continues, for this many times the epochs.
        min_epochs: Least number of epochs of the first rung.

    Source: Li et al., MLSys 2020, https://arxiv.org/abs/1810.05934.
    """
    ladder = rungs(question.epochs, min_epochs, factor)
    schedule = partial(
        AsynchronousHalving, rungs=ladder, factor=factor, direction=question.direction
    )
    first = random(question)
    trials, epochs = (None, None) if first.trials is None else totals(first.trials, ladder, factor)
    return Proposer(first.oracle, first.space, trials, epochs, schedule)


def grid(question: Question, *, points: SearchPoints = 3) -> Proposer:
    """Try every combination.

    Args:
        question: Task of the tuner.
        points: Number of values of a continuous range, both ends included.
    """
    space = {path: _in_points(dimension, points) for path, dimension in question.space.items()}
    oracle = _oracles().grid(space, question.direction)
    return Proposer(oracle, space, size(space, points), None)


def proposer(search: SearchSpec, question: Question) -> Proposer:
    """The tuner that a spec names."""
    tuner: Proposer = search.tuner.bind(TUNERS)(question)
    return tuner


def _oracles() -> Any:
    """keras-tuner's, at their first use: it imports TensorFlow and Keras, both loud."""
    with silence():
        from steelexp.search import oracles
    return oracles


def _in_points(dimension: Dimension, points: int) -> Dimension:
    if dimension.finite is not None:
        return dimension
    return Dimension(choice=dimension.points(points), when=dimension.when)


TUNERS = {
    "random": random,
    "bayesian": bayesian,
    "hyperband": hyperband,
    "asynchronous_halving": asynchronous_halving,
    "grid": grid,
}
