"""A forecast as a table and lines for a terminal."""

from collections.abc import Iterator
from typing import Final

from rich.table import Table

from steelexp.metric_names import PART_WORDS
from steelexp.records.forecast_file import ForecastCurve, ForecastFile, ForecastFit

_ALL: Final = "all"


def forecast_table(forecast: ForecastFile) -> Table:
    """A row for all classes and for each class: scores, and forecasts for images like these."""
    title = (
        f"{forecast.name}: {forecast.metric} on {forecast.evaluated} {PART_WORDS[forecast.part]}, "
        f"target {forecast.target:g}"
    )
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("class", overflow="fold")
    for size in forecast.sizes:
        table.add_column(f"{size.images:,.0f}", justify="right")
    largest = forecast.sizes[-1].images
    for times in (2, forecast.farthest):
        table.add_column(f"{times * largest:,.0f}", justify="right")
    table.add_column("images at target", justify="right")
    for curve in forecast.curves:
        fit = curve.fits[0] if curve.fits else None
        far = [_score_at(fit, times * largest) for times in (2, forecast.farthest)]
        needed = images_words(fit, forecast) if fit and fit.images else "-"
        table.add_row(curve.label or _ALL, *map(_mean, curve.scores), *far, needed)
    return table


def forecast_lines(forecast: ForecastFile) -> list[str]:
    """Every answer and every refusal, a line each."""
    return [line for curve in forecast.curves for line in _lines(forecast, curve)]


def images_words(fit: ForecastFit, forecast: ForecastFile) -> str:
    """The number of training images with its interval; fit must have one."""
    assert fit.images is not None
    farthest = forecast.farthest * forecast.sizes[-1].images
    high = f"more than {farthest:,.0f}" if fit.images.high is None else f"{fit.images.high:,.0f}"
    return f"{fit.images.median:,.0f} ({fit.images.low:,.0f} to {high})"


def _lines(forecast: ForecastFile, curve: ForecastCurve) -> Iterator[str]:
    name = forecast.metric if curve.label is None else f"{forecast.metric} of {curve.label}"
    if curve.refusal:
        yield f"{name}: no forecast: {curve.refusal}"
    for fit in curve.fits:
        where = (
            "on images like these"
            if fit.scope == "images like these"
            else (f"on these {forecast.evaluated} images alone")
        )
        if fit.images is None:
            yield f"{name} {forecast.target:g} {where}: no forecast: {fit.refusal}"
        else:
            yield (
                f"{name} {forecast.target:g} {where}: {images_words(fit, forecast)} training "
                f"images, {_more_words(fit, forecast)} more than now"
            )


def _more_words(fit: ForecastFit, forecast: ForecastFile) -> str:
    """How many images have to be added, with the interval."""
    assert fit.images is not None
    now = forecast.sizes[-1].images
    more, low = (max(images - now, 0) for images in (fit.images.median, fit.images.low))
    high = "open" if fit.images.high is None else f"{fit.images.high - now:,.0f}"
    return f"{more:,.0f} ({low:,.0f} to {high})"


def _score_at(fit: ForecastFit | None, images: float) -> str:
    """The score at a number of training images that is among the points."""
    if fit is None:
        return "-"
    score = next(each.score for each in fit.points if each.images == images)
    return f"{score.median:.3f} ({score.low:.3f} to {score.high:.3f})"


def _mean(scores: list[float | None]) -> str:
    numbers = [score for score in scores if score is not None]
    return f"{sum(numbers) / len(numbers):.3f}" if numbers else "-"
