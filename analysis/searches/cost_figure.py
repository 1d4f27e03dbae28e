"""What each trial of a search cost, its score, and the Pareto front of the two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.searches.search_figures import draw_scores, finish, score_of
from analysis.searches.search_trials import Search, Trial
from analysis.strategies.comparison_figures import LOWER
from steelexp.palette import INK
from steelexp.plain_figure import plain_figure

APART: Final = 0.04  # of the panel's width: labels that are closer would run into one another
UNITS: Final = ((2 * 3600.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


class Cost(NamedTuple):
    """What finished trials cost, by their id, and what the figures are."""

    costs: Mapping[str, float]
    label: str
    whole: bool = False


def pareto_front(search: Search, costs: Mapping[str, float]) -> list[Trial]:
    """Trials that none beats at the same or a lower cost, the cheapest first."""
    front: list[Trial] = []
    sign = -1.0 if search.direction == "max" else 1.0
    priced = [trial for trial in search.finished if trial.id in costs]
    for trial in sorted(priced, key=lambda each: (costs[each.id], sign * score_of(each))):
        if not front or search.better(score_of(trial), score_of(front[-1])):
            front.append(trial)
    return front


def draw_cost(search: Search) -> Figure | str:
    """Draw the score over what a trial cost, in time and in epochs, and the Pareto front.

    What a trial continues is part of its cost.

    Returns:
        The figure; or why there is none.
    """
    panels = [cost for cost in (_times(search), _epochs(search)) if cost.costs]
    if not panels:
        return "cost is not drawn: no trial has both a score and a cost"
    figure = plain_figure(
        figsize=(1.4 + 4.8 * len(panels), 4.4),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    all_axes = list(figure.subplots(1, len(panels), squeeze=False).flat)
    for axes, (costs, label, whole) in zip(all_axes, panels, strict=True):
        handles = draw_scores(axes, search, costs)
        axes.margins(y=0.1)
        axes.set_xlim(0.0, 1.08 * max(costs.values()) or 1.0)
        handles.append(_front(axes, search, costs))
        axes.set_xlabel(label)
        axes.locator_params(axis="x", integer=whole)
    finish(figure, all_axes, search, "cost and score of each trial", handles)
    return figure


def _times(search: Search) -> Cost:
    """The time of each finished trial, in the unit that suits the longest."""
    seconds = {
        trial.id: sum(each.seconds or 0.0 for each in search.lineage(trial))
        for trial in search.finished
        if trial.seconds is not None
    }
    longest = max(seconds.values(), default=0.0)
    unit, name = next((unit, name) for least, unit, name in UNITS if longest >= least)
    return Cost({key: value / unit for key, value in seconds.items()}, f"training time, {name}")


def _epochs(search: Search) -> Cost:
    epochs = {
        trial.id: float(sum(each.trained or 0 for each in search.lineage(trial)))
        for trial in search.finished
        if trial.trained is not None
    }
    return Cost(epochs, "trained epochs", whole=True)


def _front(axes: Axes, search: Search, costs: Mapping[str, float]) -> Line2D:
    """The front as steps, its trials filled and named where there is room."""
    front = pareto_front(search, costs)
    across = [costs[trial.id] for trial in front]
    scores = [score_of(trial) for trial in front]
    right = axes.get_xlim()[1]
    named = -np.inf
    (line,) = axes.step(
        [*across, right],
        [*scores, scores[-1]],
        where="post",
        color=LOWER,
        linewidth=1.6,
        marker="o",
        markevery=range(len(front)),
        markersize=6.5,
        zorder=4,
        label="Pareto front: none better for less, with the trial's number",
    )
    below = search.direction == "min"
    for trial, x, y in reversed(list(zip(front, across, scores, strict=True))):
        if abs(named - x) > APART * len(trial.id) / 4 * right * 2:
            axes.annotate(
                trial.id,
                (x, y),
                xytext=(0, -7 if below else 7),
                textcoords="offset points",
                ha="center",
                va="top" if below else "bottom",
                fontsize=8,
                color=INK,
            )
            named = x
    return line
