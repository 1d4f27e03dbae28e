"""forecast.json: scores that more labelled images would give."""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from steelexp.metric_names import Part
from steelexp.records.document import read_model, write_document

FILE: Final = "forecast.json"
VERSION: Final = 1
_FIX: Final = "repeat the forecast, which takes the finished runs as they are"

Scope = Literal["images like these", "these images"]
"""What a forecast is about: other images of the same kind, or the evaluated images alone."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)


class ForecastInterval(_Part):
    """A figure with the interval that holds 90 % of the curves.

    Attributes:
        median: Median of the curves.
        low: Lower bound.
        high: Upper bound; None where it is open.
    """

    median: float
    low: float
    high: float | None


class ForecastPoint(_Part):
    """The score at a number of training images.

    Attributes:
        images: Number of training images.
        score: Score there.
    """

    images: float
    score: ForecastInterval


class ForecastFit(_Part):
    """What the runs say within one scope.

    Attributes:
        scope: Images that the forecast is about.
        images: Number of training images with the target; None if there is a refusal.
        refusal: Why the runs cannot say; "" with a number.
        limit: Score that more and more images approach.
        exponent: Exponent of the power law.
        points: Scores from the smallest size to the farthest.
    """

    scope: Scope
    images: ForecastInterval | None
    refusal: str
    limit: ForecastInterval
    exponent: ForecastInterval
    points: list[ForecastPoint]


class ForecastCurve(_Part):
    """The curve of one class, or over all classes.

    Attributes:
        label: Name of the class; None over all classes.
        scores: Score of each run, a list for each size.
        refusal: Why there is no curve; "" with fits.
        fits: What the runs say, within each scope.
    """

    label: str | None
    scores: list[list[float | None]]
    refusal: str
    fits: list[ForecastFit]


class ForecastSize(_Part):
    """The runs with one share of the training images.

    Attributes:
        share: Share of the training images.
        images: Number of training images, the mean of the runs.
        seeds: Seed of each run.
        runs: Folder of each run.
    """

    share: float
    images: float
    seeds: list[int]
    runs: list[str]


class ForecastFile(_Part):
    """Contents of `forecast.json`.

    Attributes:
        schema_version: Version of this file.
        name: Name of the spec.
        metric: Name of the metric.
        definition: Definition of the metric.
        part: Part of the split that the runs were evaluated on.
        evaluated: Number of images of that part.
        target: Score to reach.
        level: Share of the curves that an interval holds.
        farthest: Largest extrapolation, in multiples of the largest size.
        sizes: Runs of each size, the smallest first.
        curves: Curve over all classes, then of each class.
    """

    schema_version: Literal[1] = VERSION
    name: str
    metric: str
    definition: str
    part: Part
    evaluated: int
    target: float
    level: float
    farthest: float
    sizes: list[ForecastSize]
    curves: list[ForecastCurve]


def write_forecast(folder: Path, forecast: ForecastFile) -> Path:
    """Write the file of a forecast, whole or not at all; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_document(folder / FILE, forecast.model_dump(mode="json"))


def read_forecast(folder: Path) -> ForecastFile:
    """Read the file of a forecast.

    Raises:
        UserError: It cannot be read, is damaged, or another version wrote it.
    """
    path = folder / FILE
    return read_model(path, ForecastFile, noun="a forecast", fix=_FIX)
