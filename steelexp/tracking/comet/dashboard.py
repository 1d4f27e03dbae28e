"""The team's dashboard at Comet as code: what it shows of every run of a project, and how sorted.

`dashboard` builds the JSON of a saved view of Comet's (sections of panels on a grid six units wide,
and the experiment table), `push` sends it. Comet documents neither; they are as its own client and
its user interface write them (`comet_ml.api_objects.view`, cometx 3.6 `cometx.views`).
"""

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from steelexp.command_line import script_line
from steelexp.errors import UserError
from steelexp.metric_names import BEST, full_name, grouped_name
from steelexp.metrics import CURVES, HEADLINES, LOSS, PRIMARY
from steelexp.tracking.comet import client as comet_client

NAME = "Defect segmentation"
PUSH_SECONDS = 60.0
"""Longest time to send the dashboard; 1 as a rule."""

COLUMNS = 3
GRID = 6
OBJECTIVE = full_name(PRIMARY, "val")
COMPARED = tuple(full_name(name, "val") for name in CURVES)
SEARCHED = ("loss.name", "optimizer.learning_rate", "training.batch_size")
BEST_COLUMNS = (
    *(grouped_name(BEST, full_name(name, "val")) for name in HEADLINES),
    grouped_name(BEST, full_name(PRIMARY, "test")),
)

Panel = dict[str, Any]


class Section(NamedTuple):
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def dashboard(classes: Sequence[str]) -> list[Section]:
    """What is shown.

    Args:
        classes: names of the classes, as the data set has them.
    """
    per_class = {name: full_name(PRIMARY, "val", name) for name in classes}
    return [
        Section(
            "Learning",
            [
                curves("Loss", [LOSS, full_name(LOSS, "val")]),
                curves("Dice of the defects", [OBJECTIVE]),
                curves("Learning rate", ["learning_rate"]),
            ],
        ),
        Section(
            "Classes", [curves(f"Dice of class {name}", [key]) for name, key in per_class.items()]
        ),
        Section("Overlays", [_panel("image", "Truth and prediction", images=[], step=None)]),
        Section("Strategies", [bars(metric) for metric in (*COMPARED, *per_class.values())]),
        Section("Search", [coordinates(SEARCHED, OBJECTIVE)]),
    ]


def curves(title: str, metrics: Sequence[str]) -> Panel:
    """Metrics over the epochs, a line a run."""
    return _panel(
        "line",
        title,
        selectedXAxis="epoch",
        selectedYAxis=metrics[0],
        metricNames=list(metrics),
        selectedLegendKeys=_legend("Name", "log_other"),
        selectedOutliers="show",
        smoothingY=0,
        transformY=None,
        sampleSize=500,
    )


def bars(metric: str) -> Panel:
    """The largest value of a metric, a bar a loss, the mean of its runs."""
    return _panel(
        "bar",
        f"Best {metric}",
        selectedXAxis=metric,
        metricName=metric,
        aggregationX="max",
        orientation="h",
        plotType="BAR",
        grouping={"enabled": True, "plotType": "BAR", "aggregation": "mean"},
        selectedLegendKeys=_legend("loss.name", "params"),
    )


def coordinates(parameters: Sequence[str], metric: str) -> Panel:
    """Parallel coordinates of settings and what came out."""
    return _panel(
        "parallel",
        "What was tried",
        params=list(parameters),
        metrics=[metric],
        selectedTargetVariable=metric,
        selectedDecimalPrecision=".3f",
    )


def metrics_of(sections: Sequence[Section]) -> set[str]:
    """Every metric that a panel names."""
    panels = [panel for section in sections for panel in section.panels]
    lists = [panel.get("metricNames", []) + panel.get("metrics", []) for panel in panels]
    single = [panel["metricName"] for panel in panels if "metricName" in panel]
    return {*single, *(name for names in lists for name in names)}


def view_state(sections: Sequence[Section], columns: Sequence[str]) -> dict[str, Any]:
    """The JSON of a view: charts, and the table's columns, sorted by the first of them."""
    placed = [_placed(section) for section in sections]
    table = {
        "columnOrders": ["pinned", "singleExperimentBtn", "isVisibleOnDashboard", "Name", *columns],
        "columnSorting": [{"columnName": columns[0], "direction": "desc"}],
        "columnWidths": [{"columnName": name, "width": 180} for name in ("Name", *columns)],
        "columnGrouping": [],
        "expandedGroups": [],
        "selection": [],
        "hiddenExperiments": [],
        "decimalsPrecision": 4,
        "pageSize": 50,
        "isVisible": True,
    }
    config = {"selectedXAxis": "epoch", "smoothingY": 0, "sampleSize": 500}
    return {
        "table_state": json.dumps(table),
        "v3": {
            "layout": [],
            "sections": placed,
            "globalConfig": config,
            "autoGenerate": False,
            "isPersonalView": False,
        },
    }


def push(project: str, workspace: str | None, classes: Sequence[str]) -> str:
    """Send the dashboard to a project, in the place of the one that was sent before.

    Args:
        project: Existing project at Comet.
        workspace: Workspace at Comet; None for the default of the API key's owner.
        classes: Class names.

    Returns:
        The line that says where it is.

    Raises:
        UserError: no API key, no such project, or Comet does not answer.
    """
    if comet_client.api_key() is None:
        login = script_line("comet", "login")
        raise UserError(f"no Comet API key is configured: set COMET_API_KEY, or run: {login}")
    state = view_state(dashboard(classes), [*BEST_COLUMNS, *SEARCHED])
    save = functools.partial(comet_client.save_view, NAME, state, project, workspace)
    try:
        where = _call_in_time(save)
    except TimeoutError:
        raise UserError(f"dashboard: no complete answer in {PUSH_SECONDS:.0f} s") from None
    except Exception as error:
        raise UserError(f"dashboard: {comet_client.reason(error)}") from None
    return f"Comet: dashboard {NAME!r} saved in {where}"


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


def _panel(kind: str, title: str, **settings: Any) -> Panel:
    return {"chartType": kind, "chartId": _id(f"{kind} {title}"), "chartName": title, **settings}


def _legend(value: str, source: str) -> list[dict[str, str]]:
    return [{"value": value, "label": value, "source": source}]


def _placed(section: Section) -> dict[str, Any]:
    """A section with its panels from left to right."""
    width = GRID // COLUMNS
    layout = [
        {"i": panel["chartId"], "x": place % COLUMNS * width, "y": place // COLUMNS}
        | {"w": width, "h": 1, "minW": 2, "maxH": 3}
        for place, panel in enumerate(section.panels)
    ]
    title = section.title
    content = {"title": title, "panels": list(section.panels), "layout": layout}
    return {"id": _id(title), "autogenerated": False, "expanded": True, **content}


def _id(text: str) -> str:
    """The same at every push."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:6]
