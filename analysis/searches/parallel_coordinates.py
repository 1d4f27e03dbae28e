"""Each trial of a search as a line across its settings, coloured by its score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from analysis.searches.search_figures import objective, score_of, short, worst_drawn
from analysis.searches.search_space import Setting
from analysis.searches.search_trials import Search, Trial
from analysis.strategies.comparison_figures import LOWER, UNDECIDED, folded
from steelexp.palette import INK
from steelexp.plain_figure import plain_figure
from steelexp.spec.space_words import describe_value

OFF: Final = -0.14  # the height of the slot below an axis: inactive, or failed
BAND: Final = 0.5  # of a category's share of the axis: over it the lines of its trials are spread
CURVE: Final = 24  # points of a line between two axes
TICKS: Final = 5
FEW: Final = 8  # categories or whole numbers that have room for two lines, or for a tick each
LONGEST: Final = 40  # characters of one among many categories
DECADES: Final = 2.0  # a log axis over more has powers of ten only
CATEGORY: Final = 16  # characters of a category on one line


class Line(NamedTuple):
    """A trial as it is drawn: its height on each axis, and its score."""

    heights: npt.NDArray[np.float64]
    score: float | None


class Scale(NamedTuple):
    """The scores at the foot and at the top of the score's axis."""

    worst: float
    best: float

    def height(self, score: float) -> float:
        """From 0 to 1; scores off the scale are at its end."""
        share = (score - self.worst) / (self.best - self.worst)
        return min(max(share, 0.0), 1.0)


def draw_parallel(search: Search) -> Figure:
    """Draw a line a trial across all settings to its score, the best trial on top.

    Ranges are drawn as the search has them, log_uniform ones on log scales. Where a setting is
    inactive the line goes below its axis, so that no value is made up. The lines in a category are
    spread, the better above. The score's axis has the better end on top.
    """
    count = len(search.settings)
    names = [_name(setting.path) for setting in search.settings]
    most = max(len(setting.choices) for setting in search.settings)
    lines_of_name = max(name.count("\n") + 1 for name in names)
    figure = plain_figure(
        figsize=(1.9 + 1.6 * count, max(4.0, 1.5 + 0.12 * most) + 0.16 * lines_of_name),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.5, count + 0.6)
    lines = _lines(search)
    scale = _scale(search)
    _draw_lines(axes, search, lines, scale)
    for place, setting in enumerate(search.settings):
        off = any(line.heights[place] == OFF for line in lines)
        _axis(axes, place, names[place], _ticks(setting), "inactive" if off else "")
    _score_axis(axes, count, search, scale)
    figure.suptitle(f"{short(search.name)}: settings and score of each trial", fontsize=11)
    figure.legend(
        handles=_legend(search), loc="outside lower center", ncols=3, frameon=False, fontsize=9
    )
    return figure


def _name(path: str) -> str:
    """A dotted path, a line a part."""
    parts = path.replace(".", ". ").split(" ")
    return "\n".join(folded(part, CATEGORY + 2) for part in parts)


def _scale(search: Search) -> Scale:
    """From the worst score that is drawn to the best; around it where all are the same."""
    if search.best is None:
        return Scale(0.0, 1.0)
    worst = worst_drawn(search)
    best = score_of(search.best)
    if worst == best:
        step = (0.01 * abs(best) or 0.01) * (1.0 if search.direction == "max" else -1.0)
        return Scale(best - step, best + step)
    return Scale(worst, best)


def _lines(search: Search) -> list[Line]:
    """Ended trials: the failed ones first, then from the worst to the best, to lie on top."""
    sign = 1.0 if search.direction == "max" else -1.0
    trials = search.failed + sorted(search.finished, key=lambda each: sign * score_of(each))
    columns = [_heights(setting, trials) for setting in search.settings]
    heights = np.array(columns).T.reshape(len(trials), len(columns))
    return [Line(row, trial.score) for row, trial in zip(heights, trials, strict=True)]


def _heights(setting: Setting, trials: Sequence[Trial]) -> list[float]:
    """Where each trial crosses the axis; those of one category are spread in their order."""
    heights = [
        setting.position(trial.values[setting.path]) if setting.path in trial.values else OFF
        for trial in trials
    ]
    if not setting.choices:
        return heights
    share = BAND / len(setting.choices)
    for height in set(heights) - {OFF}:
        same = [place for place, each in enumerate(heights) if each == height]
        for rank, place in enumerate(same):
            heights[place] += share * ((rank + 0.5) / len(same) - 0.5)
    return heights


def _draw_lines(axes: Axes, search: Search, lines: Sequence[Line], scale: Scale) -> None:
    ends = [OFF if line.score is None else scale.height(line.score) for line in lines]
    paths = [_curve([*line.heights, end]) for line, end in zip(lines, ends, strict=True)]
    failed = [path for path, line in zip(paths, lines, strict=True) if line.score is None]
    scored = paths[len(failed) :]
    heights = np.array(ends[len(failed) :])
    width = float(np.clip(30.0 / (len(lines) + 1), 0.6, 1.6))
    axes.add_collection(
        LineCollection(failed, colors=UNDECIDED, linewidths=0.8, linestyles=":", zorder=1)
    )
    colours = colormaps["cividis_r"](heights)
    axes.add_collection(LineCollection(scored, colors=colours, linewidths=width, zorder=2))
    if search.best:
        best = next(
            path
            for path, line in zip(paths[::-1], lines[::-1], strict=True)
            if line.score == search.best.score
        )
        axes.plot(*best.T, color=LOWER, linewidth=2.6, zorder=3)


def _curve(heights: Sequence[float]) -> npt.NDArray[np.float64]:
    """[P, 2] points of a line through the heights, level where it crosses an axis."""
    share = np.linspace(0.0, 1.0, CURVE)
    rise = share**2 * (3.0 - 2.0 * share)
    legs = [
        np.column_stack([place + share, low + (high - low) * rise])
        for place, (low, high) in enumerate(pairwise(heights))
    ]
    return np.concatenate(legs)


def _ticks(setting: Setting) -> list[tuple[float, str]]:
    """Heights and texts on an axis; both ends of a range are always there."""
    if setting.choices:
        width = CATEGORY if len(setting.choices) <= FEW else LONGEST
        return [
            (setting.position(choice), folded(describe_value(choice), width))
            for choice in setting.choices
        ]
    between = [value for value in _inner(setting) if 0.1 < setting.position(value) < 0.9]
    values = [setting.low, *between, setting.high]
    return [(setting.position(value), f"{value:g}") for value in values]


def _inner(setting: Setting) -> list[float]:
    """Round values within a range, or all of a few whole numbers."""
    low = setting.low
    high = setting.high
    if setting.kind == "log_uniform":
        few = np.log10(high / low) < DECADES
        values = LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)).tick_values(low, high)
    elif setting.kind == "int" and (high - low) / (setting.step or 1.0) < FEW:
        values = np.arange(low, high, setting.step or 1.0).tolist()
    else:
        locator = MaxNLocator(TICKS, integer=setting.kind == "int", steps=[1, 2, 5, 10])
        values = locator.tick_values(low, high)
    return [float(value) for value in values if low < value < high]


def _axis(axes: Axes, place: int, name: str, ticks: Sequence[tuple[float, str]], off: str) -> None:
    """An upright axis with its name above and its values at the left."""
    axes.plot([place, place], [0.0, 1.0], color=INK, linewidth=1.2, zorder=4)
    axes.text(place, 1.06, name, ha="center", va="bottom", fontsize=9.5, color=INK)
    size = 8.5 if len(ticks) <= 2 * FEW else 6.0
    for height, text in [*ticks, *([(OFF, off)] if off else [])]:
        axes.plot([place - 0.03, place], [height, height], color=INK, linewidth=1.0, zorder=4)
        axes.text(
            place - 0.05,
            height,
            text,
            ha="right",
            va="center",
            fontsize=size,
            color=INK,
            zorder=5,
            style="italic" if height == OFF else "normal",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8},
        )


def _score_axis(axes: Axes, place: int, search: Search, scale: Scale) -> None:
    """The last axis, with the colours along it and its values at the right."""
    ticks: list[tuple[float, str]] = []
    if search.best:
        low, high = sorted(scale)
        values = MaxNLocator(TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
        ticks = [(scale.height(value), f"{value:g}") for value in values if low <= value <= high]
        gradient = np.linspace(0.0, 1.0, 256)[:, None]
        axes.imshow(
            gradient,
            cmap="cividis_r",
            extent=(place, place + 0.08, 0.0, 1.0),
            aspect="auto",
            origin="lower",
            zorder=4,
        )
    if search.failed:
        ticks.append((OFF, "failed"))
    axes.plot([place, place], [0.0, 1.0], color=INK, linewidth=1.2, zorder=5)
    axes.text(
        place,
        1.06,
        objective(search).replace(", ", ",\n"),
        ha="center",
        va="bottom",
        fontsize=9.5,
        color=INK,
    )
    for height, text in ticks:
        axes.text(
            place + 0.12,
            height,
            text,
            va="center",
            fontsize=8.5,
            color=INK,
            style="italic" if height == OFF else "normal",
        )
    axes.set_ylim(OFF - 0.06, 1.06)


def _legend(search: Search) -> list[Line2D]:
    entries = []
    if search.best:
        colour = colormaps["cividis_r"](0.7)
        entries.append(Line2D([], [], color=colour, label=f"trial ({len(search.finished)})"))
        entries.append(
            Line2D(
                [],
                [],
                color=LOWER,
                linewidth=2.6,
                label=f"best: {score_of(search.best):.4g}, trial {search.best.id}",
            )
        )
    if search.failed:
        entries.append(
            Line2D([], [], color=UNDECIDED, linestyle=":", label=f"failed ({len(search.failed)})")
        )
    return entries
