"""The team's dashboards at Comet as code: what they show of the runs of a project, and how sorted.

One view shows the finished runs, others the trials of searches, the folds of cross-validations and
the comparisons with a baseline. `push` sends them, each in the place of the one of its name.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from steelexp.command_line import script_line
from steelexp.errors import UserError
from steelexp.metric_names import (
    BEST,
    LOWER,
    PARAMETER_COUNT,
    PEAK_MEMORY,
    TILES_PER_SECOND,
    TOTAL_SECONDS,
    UPPER,
    Part,
    full_name,
    grouped_name,
)
from steelexp.metrics import CURVES, HEADLINES, LOSS, PRIMARY
from steelexp.spec.objective import COSTS
from steelexp.tracking.comet import client as comet_client
from steelexp.tracking.comet.panels import (
    Panel,
    Rule,
    Section,
    View,
    bars,
    coordinates,
    lines,
    pictures,
    scatter,
    table,
    view_state,
)
from steelexp.tracking.comparison_events import DIFFERENCE, FOREST_PLOTS, ROWS
from steelexp.tracking.results import CLASSES, CONFUSION_TABLE, PLOTS

NAME = "Defect segmentation"
PUSH_SECONDS = 60.0
"""Longest time to send the dashboards; 1 as a rule."""

STRATEGY = "name"
"""Parameter that strategies differ in: the name of the spec."""

OBJECTIVE = full_name(PRIMARY, "val")
TEST = grouped_name(BEST, full_name(PRIMARY, "test"))
SEARCHED = ("loss.name", "optimizer.learning_rate", "training.batch_size")
"""Settings that most searches vary."""

COLUMNS = (
    TEST,
    *(grouped_name(group, full_name(PRIMARY, "test")) for group in (LOWER, UPPER)),
    grouped_name(BEST, full_name(PRIMARY, "test_post")),
    *(grouped_name(BEST, full_name(name, "val")) for name in HEADLINES),
    TOTAL_SECONDS,
)
FINISHED = Rule("status", "finished")


class Search(NamedTuple):
    """What the view of trials shows.

    Attributes:
        settings: Settings that the search varied, by dotted path.
        objectives: Objectives that the search improved, as `search.objective` names it.
    """

    settings: Sequence[str] = SEARCHED
    objectives: Sequence[str] = (OBJECTIVE,)

    @property
    def metrics(self) -> list[str]:
        """Its objectives as trials send them, the first one first, then the seconds.

        The number of parameters is no metric, and the seconds an image are not sent.
        """
        names = [name for name in self.objectives if name not in COSTS]
        return [*(grouped_name(BEST, name) for name in names), TOTAL_SECONDS]


USUAL = Search()
"""What is shown where no search is named."""


def dashboards(classes: Sequence[str], search: Search = USUAL) -> list[View]:
    """The views.

    Args:
        classes: Names of the classes, as the data set has them.
        search: Search whose trials are shown.
    """
    results = [*_test_results(), *_classes(classes), _curves(), _cost(STRATEGY)]
    images = Section("Overlays, worst images and plots", [pictures("Pictures")], 1, 2)
    runs = [*results, *_learning(classes), images]
    tried = coordinates("What was tried", search.settings, search.metrics[::-1])
    trials = [Section("Search", [tried], 1, 2), _cost(search.settings[0]), *_learning(classes)]
    columns = (*COLUMNS, *SEARCHED)
    trial_columns = (*search.metrics, *search.settings)
    return [
        View(NAME, runs, columns, [FINISHED, Rule("kind", "run")]),
        View(f"{NAME}: trials", trials, trial_columns, [Rule("kind", "trial")]),
        View(f"{NAME}: folds", results, columns, [FINISHED, Rule("kind", "fold")]),
        View(f"{NAME}: comparisons", _comparison(), ("Name",), [Rule("kind", "comparison")]),
    ]


def _test_results() -> list[Section]:
    """Test metrics by strategy: the mean over its runs, between the ends of the intervals."""
    parts: dict[Part, str] = {"test": "Test images", "test_post": "Test images, post-processed"}
    return [
        Section(title, _with_interval(title, full_name(PRIMARY, part)))
        for part, title in parts.items()
    ]


def _with_interval(title: str, metric: str) -> list[Panel]:
    words = {
        LOWER: f"{title}: lower end of the 95 % interval",
        BEST: f"{title}: Dice of the defects",
        UPPER: f"{title}: upper end of the 95 % interval",
    }
    return [bars(text, grouped_name(group, metric), by=STRATEGY) for group, text in words.items()]


def _classes(classes: Sequence[str]) -> list[Section]:
    metrics = {name: full_name(PRIMARY, "test", name) for name in classes}
    per_class = [
        bars(f"Dice of class {name}", grouped_name(BEST, metric), by=STRATEGY)
        for name, metric in metrics.items()
    ]
    tables = [table("Every metric of every class", CLASSES), table("Confusion", CONFUSION_TABLE)]
    return [_grid("Classes", per_class), Section("Tables", tables, 2, 2)]


def _grid(title: str, panels: Sequence[Panel]) -> Section:
    """A section without a nearly empty last row, such as that of four panels."""
    return Section(title, panels, 2 if len(panels) in (2, 4) else 3)


def _curves() -> Section:
    """The plots of the evaluation: Comet's panels of curves take no JSON that is known."""
    titles = {"pr": "Precision and recall", "calibration": "Calibration", "confusion": "Confusion"}
    return Section("Curves", [pictures(titles[name], [PLOTS[name]]) for name in PLOTS], 3, 2)


def _cost(by: str) -> Section:
    seconds = scatter("Dice over training seconds", TOTAL_SECONDS, TEST, by=by)
    size = scatter("Dice over parameters", PARAMETER_COUNT, TEST, by=by, x_source="params")
    speed = scatter("Memory over tiles a second", TILES_PER_SECOND, PEAK_MEMORY, by=by)
    return Section("Cost and score", [seconds, size, speed])


def _learning(classes: Sequence[str]) -> list[Section]:
    panels = [
        lines("Loss", [LOSS, full_name(LOSS, "val")]),
        *(lines(f"Validation {name}", [full_name(name, "val")]) for name in CURVES),
        lines("Learning rate", ["learning_rate"]),
    ]
    per_class = [
        lines(f"Validation Dice of class {name}", [full_name(PRIMARY, "val", name)])
        for name in classes
    ]
    return [Section("Learning", panels), _grid("Learning by class", per_class)]


def _comparison() -> list[Section]:
    ends = [grouped_name(group, DIFFERENCE) for group in (LOWER, UPPER)]
    difference = lines("Differences, strategies by number", [DIFFERENCE, *ends], x="step")
    return [
        Section("Beside the baseline", [pictures(t, [n]) for t, n in FOREST_PLOTS.items()], 2, 2),
        Section("Numbers", [difference, table("Every class and metric", ROWS)], 2, 2),
    ]


def push(
    project: str,
    workspace: str | None,
    classes: Sequence[str],
    search: Search = USUAL,
) -> list[str]:
    """Send the dashboards to a project, each in the place of the one that was sent before.

    Args:
        project: Existing project at Comet.
        workspace: Workspace at Comet; None for the default of the API key's owner.
        classes: Class names.
        search: Search whose trials are shown.

    Returns:
        A line a view that says where it is.

    Raises:
        UserError: no API key, no such project, or Comet does not answer.
    """
    if comet_client.api_key() is None:
        login = script_line("comet", "login")
        raise UserError(f"no Comet API key is configured: set COMET_API_KEY, or run: {login}")
    views = dashboards(classes, search)
    states = {view.name: view_state(view) for view in views}
    try:
        where = _call_in_time(lambda: comet_client.save_views(states, project, workspace))
    except TimeoutError:
        raise UserError(f"dashboard: no complete answer in {PUSH_SECONDS:.0f} s") from None
    except Exception as error:
        raise UserError(f"dashboard: {comet_client.reason(error)}") from None
    return [f"Comet: dashboard {name!r} saved in {where}" for name in states]


def _call_in_time(act: Callable[[], str]) -> str:
    """Call in a thread that the end of this process does not wait for.

    Raises:
        TimeoutError: It takes longer than PUSH_SECONDS, as with a server of a byte a second.
    """
    answer: Future[str] = Future()

    def call() -> None:
        try:
            answer.set_result(act())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return answer.result(PUSH_SECONDS)
