"""Several objectives at once: the set of the best trades, and what a tuner is told."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from steelexp.errors import UserError
from steelexp.metric_names import parse_name
from steelexp.records.record import Record
from steelexp.records.store import Epoch
from steelexp.search.trials import Row, Trials
from steelexp.spec import ExperimentSpec
from steelexp.spec.objective import (
    PARAMETERS,
    SECONDS,
    SECONDS_PER_IMAGE,
    Objective,
    first_objective,
    objectives,
)

Values = npt.NDArray[np.float64]

_RHO: Final = 0.05  # Knowles 2006; so that of equal maxima the smaller sum wins


def direction(spec: ExperimentSpec) -> str:
    """Whether the first objective is minimised or maximised."""
    return first_objective(spec).direction


def check_objectives(
    spec: ExperimentSpec, classes: Collection[str], *, val_images: int, test_images: int
) -> None:
    """Check that a data set has what the objectives are measured on.

    Args:
        spec: Spec with a search.
        classes: Classes of the data set.
        val_images: Number of validation images.
        test_images: Number of test images.

    Raises:
        UserError: An objective names another class, or is not measured.
    """
    for name, _ in objectives(spec):
        part, _, label = parse_name(name)
        if label is not None and label not in classes:
            raise UserError(
                f"search.objective: {name}: the data set has no class {label}; it has: "
                f"{', '.join(classes)}"
            )
        if part == "val_post" and test_images == 0:
            raise UserError(
                f"search.objective: {name}: post-processing is tuned only where there are test "
                "images; choose another split, or a metric of val"
            )
        if name == SECONDS_PER_IMAGE and val_images < 2:
            raise UserError(f"search.objective: {name}: it needs 2 validation images")


def measured_scores(
    spec: ExperimentSpec,
    record: Record,
    epochs: Sequence[Epoch],
    measured: Mapping[str, float] | None = None,
) -> dict[str, float | None]:
    """Name -> value of each objective of a finished run; None where it was not measured.

    Args:
        spec: Spec with a search.
        record: Record of the run.
        epochs: Epochs of the run.
        measured: Objectives that were measured before, for those that the record does not have.
    """
    best = epochs[record.best_epoch - 1].metrics
    values = {**(measured or {}), **record.metrics, **best}
    values |= {SECONDS: record.seconds, PARAMETERS: float(record.parameters)}
    return {name: values.get(name) for name, _ in objectives(spec)}


def losses(scores: Mapping[str, float], wanted: Sequence[Objective]) -> list[float]:
    """The objectives of a trial, each to be small."""
    return [objective.sign * scores[objective.name] for objective in wanted]


def ranked(rows: Iterable[Row], wanted: Sequence[Objective]) -> list[Row]:
    """The finished trials, the best in the first objective first.

    Of equals, the next objectives decide, then the order of the proposals. So the first is in the
    Pareto set.
    """
    first, *others = wanted

    def key(row: Row) -> list[float]:
        assert row.outcome is not None
        assert row.outcome.score is not None
        return [first.sign * row.outcome.score, *losses(row.outcome.scores, others)]

    return sorted((row for row in rows if row.status == "finished"), key=key)


def best_row(spec: ExperimentSpec, trials: Trials) -> Row | None:
    """The best trial; None before one has finished."""
    return next(iter(ranked(trials.rows.values(), objectives(spec))), None)


def pareto_front(rows: Sequence[Row], wanted: Sequence[Objective]) -> list[str]:
    """Ids of the trials that no other trial beats.

    A trial beats another if it is at least as good in every objective and better in one.
    """
    outcomes = [(row.trial.id, row.outcome) for row in rows if row.outcome is not None]
    finished = [(name, outcome) for name, outcome in outcomes if outcome.score is not None]
    if not finished:
        return []
    table = np.array([losses(outcome.scores, wanted) for _, outcome in finished])  # [N, K]
    beaten = [bool(((table <= own).all(axis=1) & (table < own).any(axis=1)).any()) for own in table]
    return [name for (name, _), is_beaten in zip(finished, beaten, strict=True) if not is_beaten]


def scalarise(table: Values, random: np.random.Generator) -> Values:
    """One loss for each trial: an augmented Tchebycheff norm with weights drawn anew.

    Each objective is scaled to 0 and 1 over the trials. With the weights w of one draw, uniform on
    the simplex, the loss is max(w f) + 0.05 sum(w f). Other weights look at another part of the
    Pareto set, so that the proposals spread along it.

    Args:
        table: Losses, [N, K].
        random: Generator of the weights.

    Returns:
        [N].

    Source: ParEGO, Knowles, IEEE Transactions on Evolutionary Computation 2006,
    https://doi.org/10.1109/TEVC.2005.851274.
    """
    spread = np.ptp(table, axis=0)
    scaled = (table - table.min(axis=0)) / np.where(spread == 0, 1, spread)
    weighted = random.dirichlet(np.ones(table.shape[1])) * scaled
    return np.asarray(weighted.max(axis=1) + _RHO * weighted.sum(axis=1))
