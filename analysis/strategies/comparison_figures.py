"""Figures of a comparison: differences with their intervals, and every run as a dot."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.strategies.comparison import ALL, Comparison, Row
from analysis.strategies.comparison_tables import part_words, signed
from steelexp.comparison.evaluated_run import PART_OF_SPLIT
from steelexp.comparison.evaluated_runs import EvaluatedRuns
from steelexp.comparison.verdicts import NOT_SHOWN
from steelexp.palette import BLUE, INK, VERMILLION
from steelexp.plain_figure import plain_figure

HIGHER: Final = BLUE  # the marker's shape says the same
LOWER: Final = VERMILLION
UNDECIDED: Final = "#707070"
LOOKS: Final = {"higher": (HIGHER, "^"), "lower": (LOWER, "v")}
COLUMNS: Final = 5  # panels side by side
LONGEST: Final = 26  # characters of a name on one line
FEW_RUNS: Final = 2  # from here on a mean has a spread


def draw_differences(comparison: Comparison, metric: str) -> Figure:
    """Forest plot: the difference of each strategy from the baseline, on all classes and each.

    All panels share the strategies, sorted by their difference on all classes. The panel of all
    classes has a scale of its own; those of the classes share one.
    """
    order = _order(comparison, metric)
    figure, panels = _panels(comparison, len(order))
    for label, axes in zip(comparison.labels, panels, strict=True):
        rows = {row.strategy: row for row in comparison.of(metric, label)}
        axes.axvline(0.0, color=INK, linewidth=1.0)
        for place, name in enumerate(order):
            _interval(axes, rows[name], place)
        axes.margins(x=0.08)
        _title(axes, next(iter(rows.values())))
        axes.set_xlabel(f"difference in {metric}", fontsize=9)
    _same_scale(panels[1:])
    label_rows(panels, order)
    _finish(
        figure,
        f"{metric}: strategy less {comparison.baseline}",
        comparison.evaluated,
        _verdict_legend(comparison, metric),
    )
    return figure


def draw_classes(comparison: Comparison, metric: str) -> Figure:
    """Dot plot: each run of each strategy, and the mean of each, on all classes and on each."""
    order = [comparison.baseline, *_order(comparison, metric)]
    figure, panels = _panels(comparison, len(order))
    places = [len(comparison.labels) - 1, *range(len(comparison.labels) - 1)]  # all classes last
    for label, column, axes in zip(comparison.labels, places, panels, strict=True):
        for place, name in enumerate(order):
            values = comparison.scores[metric][name][:, column]
            dots(axes, values.tolist(), place, baseline=name == comparison.baseline)
        mean = comparison.scores[metric][comparison.baseline][:, column].mean()
        if not np.isnan(mean):
            axes.axvline(mean, color=INK, linewidth=0.8, linestyle=":", zorder=1)
        axes.margins(x=0.08)
        axes.set_xlabel(metric, fontsize=9)
        _title(axes, comparison.of(metric, label)[0])
    label_rows(panels, order)
    title = f"{metric} of every run"
    _finish(figure, title, comparison.evaluated, _dots_legend(comparison.baseline))
    return figure


def _order(comparison: Comparison, metric: str) -> list[str]:
    """Strategies without the baseline, the best first."""
    rows = comparison.of(metric, ALL)
    return [row.strategy for row in sorted(rows, key=lambda row: -np.nan_to_num(row.difference))]


def _panels(comparison: Comparison, rows: int) -> tuple[Figure, list[Axes]]:
    """A panel for all classes and one for each class, beside one another."""
    count = len(comparison.labels)
    columns = min(count, COLUMNS)
    lines = -(-count // columns)
    size = (2.2 + 2.35 * columns, 1.5 + lines * (0.9 + 0.36 * rows))
    figure = plain_figure(
        figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.08, wspace=0.02)
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:count])


def _interval(axes: Axes, row: Row, place: int) -> None:
    """A marker at the difference, a line over its interval, the figures above it."""
    if np.isnan(row.difference):
        axes.text(0.5, place, "no image", transform=axes.get_yaxis_transform(), ha="center")
        return
    colour, marker = LOOKS.get(row.verdict, (UNDECIDED, "o"))
    filled = "white" if row.verdict == NOT_SHOWN else colour
    axes.plot([row.low, row.high], [place, place], color=colour, linewidth=2.2)
    axes.plot(
        row.difference,
        place,
        marker,
        color=colour,
        markerfacecolor=filled,
        markersize=7.5,
        markeredgewidth=1.4,
    )
    text = signed(row.difference)
    axes.annotate(
        text,
        (row.difference, place),
        xytext=(0, 6),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=INK,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
    )


def dots(axes: Axes, values: Sequence[float], place: int, *, baseline: bool) -> None:
    """The runs as dots, their mean as a bar."""
    defined = [value for value in values if not np.isnan(value)]
    if not defined:
        axes.text(0.5, place, "no image", transform=axes.get_yaxis_transform(), ha="center")
        return
    colour = INK if baseline else HIGHER
    axes.plot(
        defined,
        [place] * len(defined),
        "o",
        color=colour,
        markerfacecolor="none",
        markersize=6,
        zorder=3,
    )
    mean = float(np.mean(defined))
    if len(defined) >= FEW_RUNS:
        axes.plot([mean, mean], [place - 0.28, place + 0.28], color=colour, linewidth=2.4, zorder=4)


def _title(axes: Axes, row: Row) -> None:
    what = "all classes" if row.label == ALL else f"class {textwrap.shorten(row.label, 18)}"
    axes.set_title(f"{what}\n{row.images:,} images, {row.groups:,} groups", fontsize=9.5)


def _same_scale(panels: Sequence[Axes]) -> None:
    """Give the panels the widest limits among them."""
    limits = [axes.get_xlim() for axes in panels]
    for axes in panels:
        axes.set_xlim(min(low for low, _ in limits), max(high for _, high in limits))


def label_rows(panels: Sequence[Axes], names: Sequence[str]) -> None:
    """A row a strategy, the first on top; named at the left of each line of panels."""
    texts = [folded(name) for name in names]
    for number, axes in enumerate(panels):
        axes.set_yticks(range(len(names)), texts if number % COLUMNS == 0 else [""] * len(names))
        axes.set_ylim(len(names) - 0.45, -0.65)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
        axes.tick_params(axis="x", labelsize=8.5)
        axes.grid(axis="x", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)


def folded(name: str, width: int = LONGEST) -> str:
    """A long name on several lines, broken after a space, underscore, dash or dot if possible."""
    loose = re.sub(r"([-_. ])", r"\1\n", name)
    lines = []
    line = ""
    for word in loose.split("\n"):
        if line and len((line + word).rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += word
    return "\n".join(text for whole in [*lines, line] for text in textwrap.wrap(whole, width))


def _finish(
    figure: Figure, title: str, evaluated: EvaluatedRuns, handles: Sequence[Line2D]
) -> None:
    """Title and legend."""
    figure.suptitle(f"{title}; {on_images(evaluated)}", fontsize=11)
    columns = 1 if len(handles) > 1 and figure.get_figwidth() < 9 else len(handles)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def on_images(evaluated: EvaluatedRuns) -> str:
    """What was evaluated, for a title."""
    images = evaluated.images
    leak = evaluated.record.split["parts"]["leak"][PART_OF_SPLIT[images.part]]
    leaky = f", {leak:,} with a copy in training" if leak else ""
    return f"{len(images.names):,} {part_words(images.part)}{leaky}"


def _verdict_legend(comparison: Comparison, metric: str) -> list[Line2D]:
    seeds = any(min(row.runs, row.baseline_runs) > 1 for row in comparison.rows)
    line = Line2D(
        [],
        [],
        color=INK,
        linewidth=2.2,
        label=f"95 % interval: surfaces{' and seeds' if seeds else ' only, one seed'}",
    )
    if metric != comparison.tested:
        return [line]
    looks = [(*LOOKS["higher"], "higher"), (*LOOKS["lower"], "lower")]
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker=marker,
            linestyle="",
            markersize=7.5,
            label=f"{verdict} (both tests, Holm, 5 %)",
        )
        for colour, marker, verdict in looks
    ]
    undecided = Line2D(
        [],
        [],
        color=UNDECIDED,
        marker="o",
        markerfacecolor="white",
        markeredgewidth=1.4,
        linestyle="",
        markersize=7.5,
        label="no difference shown",
    )
    return [line, *handles, undecided]


def _dots_legend(baseline: str) -> list[Line2D]:
    def dot(colour: str, label: str) -> Line2D:
        return Line2D(
            [], [], color=colour, marker="o", markerfacecolor="none", linestyle="", label=label
        )

    bar = Line2D([], [], color=HIGHER, marker="|", markersize=12, markeredgewidth=2.4, linestyle="")
    bar.set_label("mean over the runs")
    dotted = Line2D([], [], color=INK, linewidth=0.8, linestyle=":", label=f"mean of {baseline}")
    return [dot(HIGHER, "a run"), dot(INK, "a run of the baseline"), bar, dotted]
