"""Which of many runs a page shows in detail, and which strategies it compares."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

from steelexp.metrics import PRIMARY
from steelexp.report.runs import Run

MOST_DETAILED: Final = 50
"""Runs with a part of their own, 50 to 80 kB each without pictures."""

MOST_STRATEGIES: Final = 30
"""Strategies of a comparison: rows of a table, and lines of a chart."""

MOST_ROWS: Final = 500
"""Rows that the leaderboard begins with. Chromium took over a minute to lay out 10,000."""

T = TypeVar("T")


def rank(run: Run) -> float:
    """Place of a run in an order with the best first; unfinished runs are last."""
    value = run.metric(PRIMARY)
    return 2.0 if value is None else -value


def detailed(runs: Iterable[Run], most: int | None = None) -> list[Run]:
    """At most `most` runs: the best of each strategy first, then the second best, and so on.

    Args:
        runs: Runs, in any order.
        most: Number of runs; None for `MOST_DETAILED`.

    Returns:
        Runs in the order of `runs`.
    """
    runs = list(runs)
    place: dict[int, tuple[int, float]] = {}
    count: dict[str, int] = defaultdict(int)
    for number, run in sorted(enumerate(runs), key=lambda each: rank(each[1])):
        place[number] = (count[run.name], rank(run))
        count[run.name] += 1
    best = sorted(place, key=lambda number: place[number])[
        : MOST_DETAILED if most is None else most
    ]
    return [runs[number] for number in sorted(best)]


def best_strategies(
    strategies: Mapping[str, Sequence[Run]], always: str, most: int | None = None
) -> list[str]:
    """Names of at most `most` strategies: those with the highest mean, and one in any case.

    Args:
        strategies: Name -> runs.
        always: Name of the baseline.
        most: Number of strategies; None for `MOST_STRATEGIES`.

    Returns:
        Names in their order in `strategies`.
    """
    mean = {name: sum(map(rank, runs)) / len(runs) for name, runs in strategies.items()}
    order = sorted(mean, key=lambda name: (name != always, mean[name]))
    best = set(order[: MOST_STRATEGIES if most is None else most])
    return [name for name in strategies if name in best]
