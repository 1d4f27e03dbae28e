"""The tuners by name: keras-tuner's oracles, with the settings that a spec may give."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field, NonNegativeFloat, PositiveInt

from steelexp.lazy import silence
from steelexp.spec.space import Dimension, SearchSpec, Space, size


class Question(NamedTuple):
    """What a tuner is asked.

    Attributes:
        space: path -> values.
        direction: "min" or "max", of the objective.
        epochs: of a whole training.
    """

    space: Space
    direction: str
    epochs: int


class Proposer(NamedTuple):
    """A tuner, made ready.

    Attributes:
        oracle: keras-tuner's; it knows values by their numbers in `space`.
        space: the searched one, continuous ranges perhaps made finite.
        trials: how many it proposes before it ends by itself; None: without end.
        epochs: how many they train at most; None: not known.
    """

    oracle: Any
    space: Space
    trials: int | None
    epochs: int | None


def random(question: Question) -> Proposer:
    """Draw every setting at random, no combination twice.

    Source: Bergstra and Bengio, JMLR 2012, https://jmlr.org/papers/v13/bergstra12a.html.
    """
    oracle = _oracles().random(question.space, question.direction)
    return Proposer(oracle, question.space, _finite(question.space), None)


def bayesian(
    question: Question, *, initial: PositiveInt | None = None, beta: NonNegativeFloat = 2.6
) -> Proposer:
    """Take what a Gaussian process of the scores so far promises most of.

    The values with the best mean plus `beta` standard deviations, no combination twice.

    Args:
        question: what to search.
        initial: random trials to begin with; absent: one more than there are settings.
        beta: how much the unknown is worth; 0 stays near the best.

    Source: Srinivas et al., ICML 2010, https://arxiv.org/abs/0912.3995.
    """
    first = initial or len(question.space) + 1
    oracle = _oracles().bayesian(question.space, question.direction, initial=first, beta=beta)
    return Proposer(oracle, question.space, _finite(question.space), None)


def hyperband(
    question: Question,
    *,
    factor: Annotated[int, Field(ge=2)] = 3,
    iterations: PositiveInt = 1,
) -> Proposer:
    """Begin many trials with few epochs, and let the best of them go on.

    training.epochs is what the last ones reach. Each goes on from its own weights.

    Args:
        question: what to search.
        factor: one of so many trials goes on, for so many times as many epochs.
        iterations: how often the whole is done.

    Source: Li et al., JMLR 2018, https://jmlr.org/papers/v18/16-558.html.
    """
    oracle = _oracles().hyperband(
        question.space,
        question.direction,
        epochs=question.epochs,
        factor=factor,
        iterations=iterations,
    )
    rungs = _oracles().hyperband_rungs(oracle)
    trials, epochs = sum(n for n, _ in rungs), sum(n * each for n, each in rungs)
    return Proposer(oracle, question.space, trials, epochs)


def grid(question: Question, *, points: PositiveInt = 3) -> Proposer:
    """Try every combination.

    Args:
        question: what to search.
        points: values of a continuous range, both ends included.
    """
    space = {path: _in_points(dimension, points) for path, dimension in question.space.items()}
    oracle = _oracles().grid(space, question.direction)
    return Proposer(oracle, space, size(space, points), None)


def proposer(search: SearchSpec, question: Question) -> Proposer:
    """The tuner that a spec names."""
    made: Proposer = search.tuner.bind(TUNERS)(question)
    return made


def _oracles() -> Any:
    """keras-tuner's, at their first use: it imports TensorFlow and Keras, both loud."""
    with silence():
        from steelexp.search import oracles
    return oracles


def _in_points(dimension: Dimension, points: int) -> Dimension:
    if dimension.finite is not None:
        return dimension
    return Dimension(choice=dimension.points(points), when=dimension.when)


def _finite(space: Space) -> int | None:
    """How many combinations there are."""
    if any(dimension.finite is None for dimension in space.values()):
        return None
    return size(space, 1)


TUNERS = {"random": random, "bayesian": bayesian, "hyperband": hyperband, "grid": grid}
