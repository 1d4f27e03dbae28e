"""Progress of a search over its trials, and what its figures share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from analysis.searches.search_trials import Search, Trial
from analysis.strategies.comparison_figures import HIGHER, LOWER, UNDECIDED
from steelexp.metric_names import axis_title
from steelexp.palette import INK
from steelexp.plain_figure import plain_figure

FAR: Final = 4.0  # interquartile ranges beyond a quartile: worse scores are drawn at the edge
MANY: Final = 100  # trials; with more the markers are small
LONGEST: Final = 44  # characters of a search's name in a title


def best_so_far(search: Search) -> list[float]:
    """The best score up to each finished trial."""
    scores = [score_of(trial) for trial in search.finished]
    running = np.maximum if search.direction == "max" else np.minimum
    return [float(value) for value in running.accumulate(scores)] if scores else []


def worst_drawn(search: Search) -> float:
    """The worst score on the scale; trials beyond, of a diverging loss, are drawn at its edge."""
    scores = np.array([score_of(trial) for trial in search.finished])
    low, high = np.quantile(scores, (0.25, 0.75))
    far = FAR * (high - low)
    near = (
        scores[scores >= low - far] if search.direction == "max" else scores[scores <= high + far]
    )
    return float(near.min() if search.direction == "max" else near.max())


def score_of(trial: Trial) -> float:
    """The score of a finished trial."""
    assert trial.score is not None
    return trial.score


def draw_progress(search: Search) -> Figure:
    """Draw the score of each trial in the order of proposal, and the best so far.

    Failed and unfinished trials are marked below. A line joins the rungs of one configuration.
    """
    figure = plain_figure(figsize=(7.6, 4.4), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    axes = figure.subplots()
    places = {trial.id: place for place, trial in enumerate(search.trials)}
    handles: list[Line2D] = []
    if search.best:
        handles = draw_scores(axes, search, places)
        handles += _rungs(axes, search, places)
        handles.append(_best_line(axes, search, places))
        handles.append(_star(axes, places[search.best.id], search.best))
    else:
        axes.set_yticks([])
        axes.set_ylim(0.0, 1.0)
        axes.text(0.5, 0.5, "no trial has a score", transform=axes.transAxes, ha="center")
    handles += _without_score(axes, search, places)
    axes.set_xlabel("trial, by the order in which they were proposed")
    margin = 0.5 + 0.02 * len(places)
    axes.set_xlim(-margin, len(places) - 1 + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    finish(figure, [axes], search, "progress", handles)
    return figure


def draw_scores(axes: Axes, search: Search, at: Mapping[str, float]) -> list[Line2D]:
    """Draw a dot a finished trial; those off the scale as triangles at its edge."""
    worst = worst_drawn(search)
    size = 3.0 if len(search.finished) > MANY else 5.5
    trials = [trial for trial in search.finished if trial.id in at]
    near = [trial for trial in trials if not search.better(worst, score_of(trial))]
    far = [trial for trial in trials if search.better(worst, score_of(trial))]
    style: dict[str, Any] = {"color": HIGHER, "markersize": size, "linestyle": "", "zorder": 3}
    (dots,) = axes.plot(
        [at[trial.id] for trial in near],
        [score_of(trial) for trial in near],
        marker="o",
        markerfacecolor="none",
        label="trial",
        **style,
    )
    if not far:
        return [dots]
    (edge,) = axes.plot(
        [at[trial.id] for trial in far],
        [worst] * len(far),
        marker="v" if search.direction == "max" else "^",
        label=f"worse than the scale ({len(far)})",
        **style,
    )
    return [dots, edge]


def _best_line(axes: Axes, search: Search, places: Mapping[str, int]) -> Line2D:
    steps = [places[trial.id] for trial in search.finished]
    curve = best_so_far(search)
    (line,) = axes.step(
        [*steps, len(places) - 0.5],
        [*curve, curve[-1]],
        where="post",
        color=LOWER,
        linewidth=1.8,
        zorder=2,
        label="best so far",
    )
    return line


def _rungs(axes: Axes, search: Search, places: Mapping[str, int]) -> list[Line2D]:
    """A line from each trial to the one that it continues."""
    pairs = [(trial.continues, trial) for trial in search.finished if trial.continues]
    scores = {trial.id: score_of(trial) for trial in search.finished}
    handles = [
        axes.plot(
            [places[before], places[trial.id]],
            [scores[before], score_of(trial)],
            color=UNDECIDED,
            linewidth=0.8,
            alpha=0.7,
            zorder=1,
            label="the same trial, continued",
        )[0]
        for before, trial in pairs
        if before in scores
    ]
    return handles[:1]


def _star(axes: Axes, place: float, best: Trial) -> Line2D:
    (star,) = axes.plot(
        place,
        score_of(best),
        "*",
        color=LOWER,
        markeredgecolor=INK,
        markersize=14,
        zorder=5,
        linestyle="",
        label=f"best: {score_of(best):.4g}, trial {best.id}",
    )
    return star


def _without_score(axes: Axes, search: Search, places: Mapping[str, int]) -> list[Line2D]:
    """Marks at the foot of the panel, below all scores."""
    marks = [("failed", search.failed, "x"), ("not ended", search.running, "|")]
    if any(trials for _, trials, _ in marks):
        low, high = axes.get_ylim()
        axes.set_ylim(low - 0.08 * (high - low), high)
    return [
        axes.plot(
            [places[trial.id] for trial in trials],
            [0.035] * len(trials),
            marker,
            transform=axes.get_xaxis_transform(),
            color=INK,
            markersize=5 if len(places) > MANY else 7,
            label=f"{what} ({len(trials)})",
        )[0]
        for what, trials, marker in marks
        if trials
    ]


def finish(
    figure: Figure, panels: Sequence[Axes], search: Search, what: str, handles: Sequence[Line2D]
) -> None:
    """Title, labels, legend."""
    for axes in panels:
        axes.set_ylabel(objective(search))
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{short(search.name)}: {what}", fontsize=11)
    columns = 2 if figure.get_figwidth() < 9 and len(handles) > 3 else max(len(handles), 1)
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def objective(search: Search) -> str:
    """The objective as an axis names it."""
    return axis_title(search.objective)


def short(name: str) -> str:
    """A name that fits into a title."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"
