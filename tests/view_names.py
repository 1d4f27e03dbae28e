"""The names that a view of Comet's mentions, read from its JSON."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.comet_server import CometServer

AXES = {"epoch", "step", "duration", "wall"}
COLUMNS_OF_COMET = {"pinned", "singleExperimentBtn", "isVisibleOnDashboard", "Name"}
LEGENDS = {"params": "parameters", "log_other": "others"}


class Names(NamedTuple):
    """Names by what they are the name of.

    Attributes:
        metrics: Metrics.
        parameters: Parameters.
        others: Values that are neither.
        pictures: Pictures.
        tables: Tables.
        columns: Metrics or parameters in the table of experiments.
    """

    metrics: set[str]
    parameters: set[str]
    others: set[str]
    pictures: set[str]
    tables: set[str]
    columns: set[str]


def panels(v3: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The panels of a view."""
    for section in v3["sections"]:
        yield from section["panels"]


def names_of(state: Mapping[str, Any]) -> Names:
    """The names in a view.

    Args:
        state: Fields of comet_ml's View.
    """
    names = Names(set(), set(), set(), set(), set(), set())
    for panel in panels(state["v3"]):
        parameters = set(panel.get("params", ()))
        axes = {panel.get(f"selected{axis}Axis", "step") for axis in "XY"}
        target = {panel.get("selectedTargetVariable", "step")}
        named = {panel.get("metricName", ""), *panel.get("metricNames", ())}
        names.metrics.update(named | set(panel.get("metrics", ())) | axes | target)
        names.metrics.difference_update(AXES | parameters | {""})
        names.parameters.update(parameters)
        names.pictures.update(panel.get("images", ()))
        names.tables.update({panel["fileName"]} if "fileName" in panel else ())
        for key in panel.get("selectedLegendKeys", ()):
            getattr(names, LEGENDS[key["source"]]).add(key["value"])
    columns = json.loads(state["table_state"])["columnOrders"]
    names.columns.update(set(columns) - COLUMNS_OF_COMET)
    names.others.update(rule["field"] for rule in rules(state))
    return names


def rules(state: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The conditions of a view's filter."""
    (group,) = json.loads(state["query_state"])["rulesTree"]["rules"]
    return list(group["rules"])


def lacking(names: Names, held: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The names that a server does not hold, by what they are the name of."""
    held = {**held, "columns": held["metrics"] | held["parameters"]}
    missing = {kind: getattr(names, kind) - held[kind] for kind in Names._fields}
    return {kind: each for kind, each in missing.items() if each}


def held_names(server: CometServer, key: str) -> dict[str, set[str]]:
    """The names that a server holds of an experiment."""
    return {
        "metrics": {name for name, *_ in server.metrics(key)},
        "parameters": set(server.parameters(key)),
        "others": set(server.others(key)) | {"Name"},
        "pictures": {name for name, *_ in server.pictures(key)},
        "tables": {name for name, _ in server.assets(key)},
    }
