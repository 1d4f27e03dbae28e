"""The result of a forecast, from runs of several sizes."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from steelexp.comparison.comparability import evaluated_otherwise
from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.comparison.intervals import missing_reasons
from steelexp.comparison.ratios import Sums, metric, sums_of_runs
from steelexp.counts import Values
from steelexp.errors import UserError
from steelexp.forecast.answer import FARTHEST, LEVEL, Interval, answer, curves_of, interval
from steelexp.forecast.observations import Observations, observations
from steelexp.metrics import METRICS
from steelexp.records.forecast_file import (
    ForecastCurve,
    ForecastFile,
    ForecastFit,
    ForecastInterval,
    ForecastPoint,
    ForecastSize,
    Scope,
)

_POINTS: Final = 24
"""Number of points of a curve on its way from the smallest size to the farthest."""


class SizeRuns(NamedTuple):
    """The runs with one share of the training images.

    Attributes:
        share: Share of the training images.
        runs: Finished runs, one of each seed.
    """

    share: float
    runs: Sequence[EvaluatedRun]

    @property
    def images(self) -> float:
        """Number of training images, the mean of the runs."""
        return float(np.mean([run.record.split["parts"]["train"] for run in self.runs]))


def forecast(sizes: Sequence[SizeRuns], name: str, target: float) -> ForecastFile:
    """Forecast a metric, over all classes and of each class.

    Args:
        sizes: Runs of each size, the smallest first.
        name: Name of a metric of images.
        target: Score to reach.

    Raises:
        UserError: The runs were not evaluated on the same images, or two sizes are the same.
    """
    first = sizes[0].runs[0]
    every = [run for size in sizes for run in size.runs]
    if lines := [line for run in every for line in evaluated_otherwise(run, first)]:
        raise UserError(*lines)
    _check_sizes(sizes)
    sums = [sums_of_runs([r.counts for r in s.runs], first.images.groups, name) for s in sizes]
    curves = list(_curves([size.images for size in sizes], sums, first.images.classes, target))
    return ForecastFile(
        name=sizes[-1].runs[0].record.name,
        metric=name,
        definition=METRICS[name].definition,
        part=first.images.part,
        evaluated=len(first.images.names),
        target=target,
        level=LEVEL,
        farthest=FARTHEST,
        sizes=[_size(size) for size in sizes],
        curves=[curves[-1], *curves[:-1]],
    )


def _check_sizes(sizes: Sequence[SizeRuns]) -> None:
    """Check that each size has more training images than the one before."""
    for smaller, larger in pairwise(sizes):
        if larger.images <= smaller.images:
            raise UserError(
                f"--shares: {smaller.share:g} and {larger.share:g} both keep {larger.images:g} "
                "training images, in whole groups; leave one of them out"
            )


def _size(size: SizeRuns) -> ForecastSize:
    return ForecastSize(
        share=size.share,
        images=size.images,
        seeds=[run.record.seed for run in size.runs],
        runs=[str(run.folder.path) for run in size.runs],
    )


def _curves(
    images: Sequence[float], sums: Sequence[Sums], classes: Sequence[str], target: float
) -> Iterator[ForecastCurve]:
    """The curve of every class, then over all classes."""
    reasons = missing_reasons(sums[-1], classes)
    scores = [metric(each) for each in sums]  # K of [R, C + 1]
    labels: list[str | None] = [*classes, None]
    for c, data in enumerate(observations(images, sums)):
        reason = reasons[c] or ("not defined at each size" if data is None else "")
        yield ForecastCurve(
            label=labels[c],
            scores=[[_number(value) for value in each[:, c].tolist()] for each in scores],
            refusal=reason,
            fits=[] if reason or data is None else _fits(data, target),
        )


def _fits(data: Observations, target: float) -> list[ForecastFit]:
    """What the observations say within each scope."""
    return [
        _fit("images like these", data, target),
        _fit("these images", data.on_these_images, target),
    ]


def _fit(scope: Scope, data: Observations, target: float) -> ForecastFit:
    curves = curves_of(data)
    result = answer(data, curves, target)
    return ForecastFit(
        scope=scope,
        images=None if result.images is None else _interval(result.images),
        refusal=result.refusal,
        limit=_interval(interval(curves.limit)),
        exponent=_interval(interval(curves.exponent)),
        points=[
            ForecastPoint(images=images, score=_interval(interval(curves.at(images))))
            for images in _places(data.images).tolist()
        ],
    )


def _places(images: Values) -> Values:
    """Numbers of training images of the points; 1, 2 and 4 times the largest are among them."""
    largest = images[-1]
    way = np.geomspace(images[0], FARTHEST * largest, _POINTS)
    return np.unique(np.concatenate([way, largest * np.array([1, 2, FARTHEST])]))


def _interval(values: Interval) -> ForecastInterval:
    return ForecastInterval(median=values.median, low=values.low, high=_number(values.high))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
