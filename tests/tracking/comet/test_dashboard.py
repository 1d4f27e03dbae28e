import json
from pathlib import Path

import pytest

from steelexp.__main__ import main
from steelexp.errors import UserError
from steelexp.tracking.comet.dashboard import COLUMNS, NAME, SEARCHED, dashboards, push
from steelexp.tracking.comet.panels import view_state
from tests.comet_server import API_KEY, CometServer
from tests.view_names import names_of, panels, rules

CLASSES = ["1", "2", "3", "4"]
SEARCH = Path(__file__).parents[3] / "experiments" / "search" / "b4_loss_and_lr.yaml"


def test_pushed_again_they_are_the_same_views(
    server: CometServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["dashboard", "push", "--project", "steel"]) == 0
    said = capsys.readouterr()
    names = [view.name for view in dashboards(CLASSES)]
    lines = [f"Comet: dashboard {name!r} saved in team/steel" for name in names]
    assert said.out.splitlines() == 2 * lines
    assert said.err == ""
    assert [view["templateName"] for view in server.views] == names
    assert {view["projectId"] for view in server.views} == {"project"}
    state = view_state(dashboards(CLASSES)[0])
    assert server.views[0]["v3"] == state["v3"]
    table = json.loads(server.views[0]["reactGridTableState"])
    (order,) = table["columnSorting"]
    assert order == {"columnName": "best/test_dice_positive", "direction": "desc"}
    assert table["columnOrders"][3:] == ["Name", *COLUMNS, *SEARCHED]
    assert server.views[0]["experimentQueryState"] == state["query_state"]


def test_test_metrics_come_first_between_their_ends_by_the_name_of_the_spec() -> None:
    view = dashboards(CLASSES)[0]
    first = view.sections[0].panels
    assert [panel["metricName"] for panel in first] == [
        "lower/test_dice_positive", "best/test_dice_positive", "upper/test_dice_positive",
    ]  # fmt: skip
    bars = [panel for panel in panels(view_state(view)["v3"]) if panel["chartType"] == "bar"]
    assert {panel["selectedLegendKeys"][0]["value"] for panel in bars} == {"name"}
    assert [section.title for section in view.sections] == [
        "Test images", "Test images, post-processed", "Classes", "Tables", "Curves",
        "Cost and score", "Learning", "Learning by class", "Overlays, worst images and plots",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NAME, {"status": "finished", "kind": "run"}),
        (f"{NAME}: trials", {"kind": "trial"}),
        (f"{NAME}: folds", {"status": "finished", "kind": "fold"}),
        (f"{NAME}: comparisons", {"kind": "comparison"}),
    ],
)
def test_each_view_has_its_filter(name: str, expected: dict[str, str]) -> None:
    (view,) = [view for view in dashboards(CLASSES) if view.name == name]
    conditions = rules(view_state(view))
    assert {rule["field"]: rule["value"] for rule in conditions} == expected
    assert {(rule["operator"], rule["source"]) for rule in conditions} == {("equal", "log_other")}


def test_images_and_tables_say_of_how_many_experiments() -> None:
    states = map(view_state, dashboards(CLASSES))
    media = [p for s in states for p in panels(s["v3"]) if p["chartType"] in ("image", "data")]
    assert media
    assert {panel["experimentsCount"] for panel in media} == {25}


def test_the_search_shows_the_settings_that_it_varies(
    server: CometServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dashboard", "push", "--project", "steel", "--search", str(SEARCH)]) == 0
    (trials,) = [view for view in server.views if view["templateName"] == f"{NAME}: trials"]
    (panel,) = [p for p in panels(trials["v3"]) if p["chartType"] == "parallel"]
    assert panel["params"] == [
        "optimizer.learning_rate", "loss.name", "loss.gamma", "loss.bce_weight", "sampling.kind",
        "sampling.exponent",
    ]  # fmt: skip
    assert panel["selectedTargetVariable"] == "best/val_dice_positive"
    quickstart = SEARCH.parents[1] / "quickstart.yaml"
    assert main(["dashboard", "push", "--search", str(quickstart)]) == 2
    assert "its spec has no section search" in capsys.readouterr().err


def test_panels_have_a_place_each_and_ids_of_their_own() -> None:
    for view in dashboards(CLASSES):
        placed = view_state(view)["v3"]["sections"]
        ids = [panel["chartId"] for section in placed for panel in section["panels"]]
        assert len(set(ids)) == len(ids)
        for section in placed:
            spots = {(spot["x"], spot["y"]) for spot in section["layout"]}
            assert len(spots) == len(section["panels"])
            assert all(spot["x"] + spot["w"] <= 6 for spot in section["layout"])
            assert [spot["i"] for spot in section["layout"]] == [
                panel["chartId"] for panel in section["panels"]
            ]


def test_classes_are_named_as_the_data_set_names_them() -> None:
    names = names_of(view_state(dashboards(["Mn_inclusion"])[0]))
    assert {"val_dice_positive/Mn_inclusion", "best/test_dice_positive/Mn_inclusion"} <= (
        names.metrics
    )


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
