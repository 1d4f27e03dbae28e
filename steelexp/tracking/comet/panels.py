"""Panels of Comet's dashboards as JSON, and the views, filters and tables that hold them.

Comet documents none of it. The fields are those that its user interface writes and that cometx
3.6.11 builds (`cometx.views`). Comet's documentation names a module `comet_ml.views` with the same
functions. The newest comet_ml, 3.58.8, does not have it.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

GRID = 6
"""Units of a row."""

TALLEST = 3
"""Largest height of a panel, in rows."""

EXPERIMENTS = 25
"""Experiments in a panel of images or of a table; without this number it shows none."""

Panel = dict[str, Any]
Source = Literal["params", "log_other", "metrics", "tags"]


class Section(NamedTuple):
    """Panels under a heading.

    Attributes:
        title: Heading.
        panels: Panels from left to right, row by row.
        columns: Panels in a row.
        height: Height of a panel in rows.
    """

    title: str
    panels: Sequence[Panel]
    columns: int = 3
    height: int = 1


class Rule(NamedTuple):
    """A condition of a filter: a field of an experiment and its value."""

    field: str
    value: str
    source: Source = "log_other"


class View(NamedTuple):
    """A saved dashboard.

    Attributes:
        name: Name of the view.
        sections: Sections from top to bottom.
        columns: Columns of the table of experiments, which is sorted by the first of them.
        rules: Conditions that an experiment meets to be shown, all of them.
    """

    name: str
    sections: Sequence[Section]
    columns: Sequence[str]
    rules: Sequence[Rule]


def lines(title: str, metrics: Sequence[str], *, x: str = "epoch") -> Panel:
    """Metrics over the epochs or over another axis, a line a run."""
    return _panel(
        "line",
        title,
        selectedXAxis=x,
        selectedYAxis=metrics[0],
        metricNames=list(metrics),
        metricName="",
        selectedLegendKeys=_legend("Name", "log_other"),
        selectedOutliers="show",
        smoothingX=0,
        smoothingY=0,
        transformX=None,
        transformY=None,
        sampleSize=500,
        locked=True,
    )


def bars(title: str, metric: str, *, by: str) -> Panel:
    """The last value of a metric, a bar a value of a parameter, the mean of its runs."""
    return _panel(
        "bar",
        title,
        selectedXAxis=metric,
        metricName=metric,
        aggregationX="last",
        orientation="h",
        plotType="BAR",
        grouping={"enabled": True, "plotType": "BAR", "aggregation": "mean"},
        customRange=_any_range(),
        selectedLegendKeys=_legend(by, "params"),
    )


def scatter(
    title: str, x: str, y: str, *, by: str, x_source: Literal["metrics", "params"] = "metrics"
) -> Panel:
    """The last values of a metric and of a metric or parameter, a point a run."""
    is_metric = x_source == "metrics"
    return _panel(
        "scatter",
        title,
        selectedXAxis=x,
        selectedYAxis=y,
        aggregationX="last",
        aggregationY="last",
        metrics=[x, y] if is_metric else [y],
        params=[] if is_metric else [x],
        metricName="",
        metricNames=[x, y] if is_metric else [y],
        selectedLegendKeys=_legend(by, "params"),
        selectedOutliers="show",
        sampleSize=500,
        customRange=_any_range(),
        legendMode="auto",
        locked=False,
        fromChart=False,
    )


def coordinates(title: str, parameters: Sequence[str], metrics: Sequence[str]) -> Panel:
    """Parallel coordinates of settings and metrics, a line a run, coloured by the last metric."""
    return _panel(
        "parallel",
        title,
        params=list(parameters),
        metrics=list(metrics),
        selectedTargetVariable=metrics[-1],
        selectedDecimalPrecision=".3f",
        locked=False,
    )


def pictures(title: str, names: Sequence[str] = ()) -> Panel:
    """Pictures by name, those of several runs beside one another; without names all pictures."""
    return _panel("image", title, images=list(names), step=None, experimentsCount=EXPERIMENTS)


def table(title: str, file: str) -> Panel:
    """A table that was logged as a file, the rows of several runs below one another."""
    return _panel(
        "data",
        title,
        fileName=file,
        index=None,
        hasData=True,
        experimentsCount=EXPERIMENTS,
        axis=0,
        joinType="outer",
        columnFilters=None,
        columnState=None,
    )


def view_state(view: View) -> dict[str, Any]:
    """The fields of comet_ml's View: charts, the table of experiments, and the filter."""
    config = {
        "selectedXAxis": "epoch",
        "transformY": None,
        "smoothingY": 0,
        "selectedOutliers": "show",
        "sampleSize": 500,
    }
    return {
        "table_state": json.dumps(_experiments(view.columns)),
        "query_state": json.dumps(_filter(view.rules)),
        "v3": {
            "layout": [],
            "sections": [_placed(section) for section in view.sections],
            "globalConfig": config,
            "autoGenerate": False,
            "isPersonalView": False,
        },
    }


def _experiments(columns: Sequence[str]) -> dict[str, Any]:
    return {
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


def _filter(rules: Sequence[Rule]) -> dict[str, Any]:
    """An OR of one AND, the shape of the filters of the user interface."""
    conditions = [{**rule._asdict(), "type": "string", "operator": "equal"} for rule in rules]
    tree = {"condition": "OR", "rules": [{"condition": "AND", "rules": conditions}]}
    return {"activeSegment": {"segment_id": ""}, "rulesTree": tree, "filters": []}


def _panel(kind: str, title: str, **settings: Any) -> Panel:
    return {"chartType": kind, "chartId": _id(f"{kind} {title}"), "chartName": title, **settings}


def _legend(value: str, source: Source) -> list[dict[str, str]]:
    return [{"value": value, "label": value, "source": source}]


def _any_range() -> dict[str, Any]:
    return {axis: {"min": "", "max": ""} for axis in ("x", "y")}


def _placed(section: Section) -> dict[str, Any]:
    """A section with its panels from left to right."""
    width = GRID // section.columns
    layout = [
        {
            "i": panel["chartId"],
            "x": place % section.columns * width,
            "y": place // section.columns * section.height,
            "w": width,
            "h": section.height,
            "minW": 2,
            "maxH": TALLEST,
            "moved": False,
            "static": False,
        }
        for place, panel in enumerate(section.panels)
    ]
    content = {"title": section.title, "panels": list(section.panels), "layout": layout}
    return {"id": _id(section.title), "autogenerated": False, "expanded": True, **content}


def _id(text: str) -> str:
    """The same at every push."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[:6]
