"""Real trainings tracked to a server: it holds every name that the dashboards mention."""

from pathlib import Path

import pytest

from steelexp.__main__ import main
from steelexp.records.store import run_folders
from steelexp.tracking.comet.dashboard import dashboards
from steelexp.tracking.comet.panels import view_state
from tests.comet_expectations import key_of
from tests.comet_server import CometServer
from tests.view_names import held_names, lacking, names_of, rules

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
TINY = (
    "data.strips=60", "data.root=data", "training.epochs=1", "tiling.count=1",
    "model.decoder_filters=[4,4,4,4,4]", "tracking={name: comet}",
)  # fmt: skip


KINDS = {
    "run": ("seed=1", "Defect segmentation"),
    "fold": ("split={kind: kfold, folds: 3, fold: 0}", "Defect segmentation: folds"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_name_on_the_dashboards_is_at_the_server(
    server: CometServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    override, own_view = KINDS[kind]
    spec = str(EXPERIMENTS / "quickstart.yaml")
    assert main(["run", spec, *TINY, override, "--runs", "runs"]) == 0
    (folder,) = run_folders(Path("runs"))
    key = key_of(folder.path)
    held = held_names(server, key)
    group = "best/test_dice_positive/"
    classes = sorted(n.removeprefix(group) for n in held["metrics"] if n.startswith(group))
    assert len(classes) >= 2
    states = {view.name: view_state(view) for view in dashboards(classes)}
    shown = []
    for name, state in states.items():
        if all(server.others(key).get(rule["field"]) == rule["value"] for rule in rules(state)):
            shown.append(name)
        if "comparisons" not in name:
            assert lacking(names_of(state), held) == {}, name
    assert shown == [own_view]
