"""Importance of each setting of a search, with its interval, in one picture."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.searches.search_figures import short
from analysis.searches.search_trials import Search
from analysis.searches.setting_importance import Importances
from analysis.strategies.comparison_figures import HIGHER, UNDECIDED, folded
from steelexp.palette import INK
from steelexp.plain_figure import plain_figure


def draw_importance(search: Search, importance: Importances) -> Figure:
    """Draw a row a setting, the most important on top; filled where the interval is above 0."""
    names = [
        folded(row.path) + (f"\n({row.active} trials)" if row.active < importance.trials else "")
        for row in importance.settings
    ]
    lines = sum(name.count("\n") + 1 for name in names)
    figure = plain_figure(
        figsize=(7.2, 1.8 + 0.2 * len(names) + 0.2 * lines),
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    axes = figure.subplots()
    axes.axvline(0.0, color=INK, linewidth=1.0)
    for place, row in enumerate(importance.settings):
        look = _look(is_important=row.is_important)
        axes.plot([row.low, row.high], [place, place], color=look["color"], linewidth=2.2)
        axes.plot(row.value, place, markersize=7.5, markeredgewidth=1.4, **look)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of the variance of the trials' ranks")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(
        f"{short(search.name)}: importance of the settings\n{importance.trials} trials; the forest "
        f"predicts {max(importance.explained, 0.0):.0%} of the variance of held-out ranks",
        fontsize=11,
    )
    figure.legend(
        handles=[
            Line2D([], [], linewidth=2.2, label=text, **_look(is_important=is_important))
            for is_important, text in (
                (True, "95 % interval above 0"),
                (False, "not shown to matter"),
            )
            if is_important in {row.is_important for row in importance.settings}
        ],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    return figure


def _look(*, is_important: bool) -> dict[str, Any]:
    colour = HIGHER if is_important else UNDECIDED
    return {"color": colour, "marker": "o", "markerfacecolor": colour if is_important else "white"}
