"""Plots of an evaluation report: precision and recall, calibration, confusion."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from steelexp.counts import Values
from steelexp.palette import CLASS_COLOURS
from steelexp.plain_figure import plain_figure
from steelexp.records.evaluation_report import EvaluationReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST = 100
"""Fewest pixels of a bin whose share is drawn; with fewer it is chance."""


def draw(report: EvaluationReport) -> Mapping[str, "Figure"]:
    """The figures by name."""
    drawers = {"pr": _pr, "calibration": _calibration, "confusion": _confusion}
    more = max(len(report.classes) - 8, 0)
    size = (6 + 0.62 * more, 5 + 0.55 * more)
    figures = {name: plain_figure(figsize=size, layout="constrained") for name in drawers}
    for name, figure in figures.items():
        drawers[name](figure.add_subplot(), report)
    return figures


def _pr(axes: "Axes", report: EvaluationReport) -> None:
    """Precision over recall, the threshold 0.5 marked."""
    for colour, (name, curve) in zip(CLASS_COLOURS, report.pr.items(), strict=False):
        if curve.average_precision is None:
            continue
        label = f"{name}: average precision {curve.average_precision:.2f}"
        recall, precision = (_numbers(part) for part in (curve.recall, curve.precision))
        axes.plot(recall, precision, color=colour, label=label)
        half = curve.threshold.index(0.5)
        axes.plot(recall[half], precision[half], "o", color=colour)
    _unit_square(axes, "recall (share of labelled pixels)", "precision (share of predicted pixels)")
    axes.set_title(f"Pixels of the {report.part} images; dots: threshold 0.5")


def _calibration(axes: "Axes", report: EvaluationReport) -> None:
    """The share of labelled pixels over the score."""
    axes.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfectly calibrated")
    named = zip(CLASS_COLOURS, report.calibration.items(), strict=False)
    for colour, (name, curve) in named:
        share = np.where(np.array(curve.pixels) >= FEWEST, _numbers(curve.share), np.nan)
        axes.plot(curve.score, share, ".-", markersize=4, color=colour, label=name)
    _unit_square(axes, "score", "share of pixels with the score that are labelled")
    axes.set_title(f"Pixels of the {report.part} images, {FEWEST} or more a point")


def _confusion(axes: "Axes", report: EvaluationReport) -> None:
    """The confusion matrix, each row as shares of its pixels."""
    labels = report.confusion.labels
    pixels = np.array(report.confusion.pixels, float)
    shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        ink = "black" if share > 0.5 else "white"
        text = f"{share:.1%}" if pixels[row].any() else "-"
        axes.text(column, row, text, ha="center", va="center", color=ink)
    axes.set_xticks(range(len(labels)), labels, rotation=30 if max(map(len, labels)) > 6 else 0)
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel=f"predicted ({report.masks})", ylabel="labelled")
    axes.set_title(f"Share of labelled pixels, {report.part} images")


def _unit_square(axes: "Axes", x: str, y: str) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel=x, ylabel=y)
    axes.grid(color="0.9")
    axes.legend(frameon=False)


def _numbers(values: Sequence[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], np.float64)
