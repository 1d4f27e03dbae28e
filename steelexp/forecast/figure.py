"""The figure of a forecast: runs, curves with their intervals, and the target."""

import io
import math
import textwrap
from typing import TYPE_CHECKING, Final

from steelexp.metric_names import PART_WORDS
from steelexp.palette import BLUE, ORANGE, VERMILLION
from steelexp.plain_figure import plain_figure
from steelexp.records.forecast_file import ForecastCurve, ForecastFile, ForecastFit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILE: Final = "forecast.png"

_COLUMNS: Final = 3
_LINE: Final = 60
"""Characters that fit above an axis."""


def forecast_picture(forecast: ForecastFile) -> bytes:
    """The figure as PNG, with an axis for all classes and for each class."""
    columns = min(len(forecast.curves), _COLUMNS)
    rows = math.ceil(len(forecast.curves) / columns)
    size = (1.0 + 4.2 * columns, 1.2 + 3.3 * rows)
    figure = plain_figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis, curve in zip(axes, forecast.curves, strict=False):
        _draw(axis, forecast, curve)
    for axis in axes[len(forecast.curves) :]:
        axis.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    part = PART_WORDS[forecast.part]
    figure.suptitle(
        f"{forecast.name}: {forecast.metric} on {part}, bands hold {forecast.level:.0%} of curves"
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw(axis: "Axes", forecast: ForecastFile, curve: ForecastCurve) -> None:
    """Draw one curve."""
    colours = {"images like these": BLUE, "these images": ORANGE}
    for fit in curve.fits:
        images = [point.images for point in fit.points]
        low = [point.score.low for point in fit.points]
        high = [_open(point.score.high) for point in fit.points]
        colour = colours[fit.scope]
        axis.fill_between(images, low, high, color=colour, alpha=0.25, linewidth=0, label=fit.scope)
        axis.plot(images, [point.score.median for point in fit.points], color=colour)
    for size, scores in zip(forecast.sizes, curve.scores, strict=True):
        pairs = [(size.images, score) for score in scores if score is not None]
        axis.plot(*zip(*pairs, strict=True), ".", color="black") if pairs else None
    axis.axhline(forecast.target, color=VERMILLION, linestyle="--", label="target")
    if curve.fits and curve.fits[0].images is not None:
        _mark(axis, forecast, curve.fits[0])
    ticks = [size.images for size in forecast.sizes]
    ticks += [times * ticks[-1] for times in (2, forecast.farthest)]
    axis.set_xscale("log")
    axis.set_xticks(ticks, [f"{images:,.0f}" for images in ticks], fontsize=8)
    axis.minorticks_off()
    axis.set_xlabel("training images")
    title = "all classes" if curve.label is None else f"class {curve.label}"
    axis.set_title(textwrap.fill(f"{title}: {_words(curve)}", _LINE), fontsize=9)
    axis.grid(color="0.9")


def _mark(axis: "Axes", forecast: ForecastFile, fit: ForecastFit) -> None:
    """Mark the number of images at the target with its interval."""
    assert fit.images is not None
    farthest = forecast.farthest * forecast.sizes[-1].images
    high = farthest if fit.images.high is None else fit.images.high
    bounds = (fit.images.low, high)
    axis.plot(bounds, (forecast.target,) * 2, color=VERMILLION, linewidth=4, alpha=0.6)
    axis.plot(fit.images.median, forecast.target, "D", color=VERMILLION)


def _words(curve: ForecastCurve) -> str:
    """The answer in a few words."""
    if curve.refusal:
        return curve.refusal
    fit = curve.fits[0]
    return f"{fit.images.median:,.0f} images" if fit.images else fit.refusal.partition(":")[0]


def _open(value: float | None) -> float:
    return math.nan if value is None else value
