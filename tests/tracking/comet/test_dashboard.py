import json

import pytest

from steelexp.__main__ import main
from steelexp.errors import UserError
from steelexp.tracking.comet.dashboard import (
    BEST_COLUMNS,
    SEARCHED,
    dashboard,
    metrics_of,
    push,
    view_state,
)
from tests.comet_server import API_KEY, CometServer

CLASSES = ["1", "2", "3", "4"]


def test_pushed_again_it_is_the_same_view(
    server: CometServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["dashboard", "push", "--project", "steel"]) == 0
    said = capsys.readouterr()
    assert said.out == 2 * "Comet: dashboard 'Defect segmentation' saved in team/steel\n"
    assert said.err == ""
    (view,) = server.views
    assert (view["templateName"], view["projectId"]) == ("Defect segmentation", "project")
    state = view_state(dashboard(CLASSES), [*BEST_COLUMNS, *SEARCHED])
    assert view["v3"] == state["v3"]
    table = json.loads(view["reactGridTableState"])
    assert table["columnSorting"] == [{"columnName": "best/val_dice_positive", "direction": "desc"}]
    assert table["columnOrders"][3:] == ["Name", *BEST_COLUMNS, *SEARCHED]


def test_it_shows_curves_classes_overlays_strategies_and_search() -> None:
    sections = dashboard(["a", "b"])
    assert [section.title for section in sections] == [
        "Learning", "Classes", "Overlays", "Strategies", "Search",
    ]  # fmt: skip
    assert {"loss", "learning_rate", "val_dice_positive/a", "val_dice_positive/b"} <= metrics_of(
        sections
    )
    kinds = [{panel["chartType"] for panel in section.panels} for section in sections]
    assert kinds == [{"line"}, {"line"}, {"image"}, {"bar"}, {"parallel"}]


def test_panels_have_a_place_each_and_ids_of_their_own() -> None:
    placed = view_state(dashboard(CLASSES), BEST_COLUMNS)["v3"]["sections"]
    ids = [panel["chartId"] for section in placed for panel in section["panels"]]
    assert len(set(ids)) == len(ids)
    for section in placed:
        spots = {(spot["x"], spot["y"]) for spot in section["layout"]}
        assert len(spots) == len(section["panels"])
        assert all(spot["x"] + spot["w"] <= 6 for spot in section["layout"])
        assert [spot["i"] for spot in section["layout"]] == [
            panel["chartId"] for panel in section["panels"]
        ]


def test_without_a_key_or_a_server_it_says_so(
    server: CometServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.stop()
    with pytest.raises(UserError, match="does not answer") as refused:
        push("steel", None, CLASSES)
    assert API_KEY not in str(refused.value)
    monkeypatch.setenv("COMET_API_KEY", "")
    with pytest.raises(UserError, match="no Comet API key is configured"):
        push("steel", None, CLASSES)
