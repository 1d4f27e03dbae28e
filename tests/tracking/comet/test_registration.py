"""What a run registers at Comet, as somebody gets it who has nothing but the server."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.records.store import RunFolder, run_folders
from steelexp.tracking.comet import client as comet_client
from tests.comet_expectations import key_of
from tests.comet_server import WORKSPACE, CometServer

QUICKSTART = Path(__file__).parents[3] / "experiments" / "quickstart.yaml"
TINY = ("data.strips=32", "data.root=data", "training.epochs=1", "tiling.count=1")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train(*overrides: str) -> RunFolder:
    assert main(["run", str(QUICKSTART), *TINY, *overrides, "--runs", "runs"]) == 0
    (folder,) = run_folders(Path("runs"))
    return folder


def download(target: Path) -> Path:
    """The only file of the registered model, by Comet's own client."""
    api = comet_client.load().API(cache=False)
    api.download_registry_model(WORKSPACE, "quickstart", output_path=str(target))
    (file,) = target.iterdir()
    return file


def images(folder: Path) -> list[Path]:
    return sorted(folder.rglob("train_images/*"))[:6]


def masks_of(model: Path, out: str) -> dict[str, bytes]:
    words = [str(path) for path in images(Path("data"))]
    assert main(["predict", str(model), *words, "--out", out, "--no-overlays"]) == 0
    return {path.name: path.read_bytes() for path in sorted(Path(out, "masks").iterdir())}


@pytest.mark.slow
def test_the_downloaded_network_predicts_the_same_masks(server: CometServer) -> None:
    folder = train("tracking={name: comet, model_status: Development}")
    record = folder.finished_record()
    with zipfile.ZipFile(download(Path("downloads"))) as archive:
        archive.extractall("theirs")
    wanted = masks_of(folder.path, "ours")
    assert len(wanted) == 6
    assert masks_of(Path("theirs"), "predicted") == wanted
    assert any(np.frombuffer(content, np.uint8).any() for content in wanted.values())

    # A third: Adam's two moments are left out.
    sizes = [path.stat().st_size for path in (folder.best_weights, *Path().glob("downloads/*"))]
    assert 0.3 < sizes[1] / sizes[0] < 0.4
    # It is evaluated on other data as a run folder is.
    assert main(["evaluate", "theirs", "--data", "data"]) == 0

    (version,) = server.registry.models["quickstart"]
    assert version.key == key_of(folder.path)
    assert version.body["status"] == "Development"
    assert version.body["tags"] == ["quickstart", "bce_dice", f"seed {record.seed}"]
    metadata = version.metadata
    assert (metadata["run"], metadata["weights"]) == (record.digest, record.weights)
    assert metadata["data"] == record.data
    assert metadata["test_dice_positive"] == record.metrics["test_dice_positive"]
    intervals = json.loads((folder.path / "evaluation.json").read_bytes())["intervals"]
    low, high = (metadata[f"{bound}/test_dice_positive"] for bound in ("lower", "upper"))
    assert [low, high] == intervals["dice_positive"]
    assert metadata["postprocessing"] == "tuned for dice_kaggle"
    assert metadata["test_post_dice_kaggle"] == record.metrics["test_post_dice_kaggle"]


@pytest.mark.slow
def test_the_downloaded_onnx_file_predicts_the_same_masks_as_an_export(
    server: CometServer,
) -> None:
    folder = train("tracking={name: comet, model: onnx}")
    file = download(Path("downloads"))
    assert main(["export", str(folder.path)]) == 0
    wanted = masks_of(folder.path / "exports" / "model.onnx", "ours")
    assert masks_of(file, "predicted") == wanted
    assert server.registered == {"quickstart": [key_of(folder.path)]}
    assert file.name == "model.onnx"


@pytest.mark.slow
def test_nothing_is_registered_where_nothing_is_wanted(server: CometServer) -> None:
    folder = train("tracking={name: comet, model: none}", "model.decoder_filters=[2,2,2,2,2]")
    assert server.registered == {}
    assert not (folder.path / "registered").exists()
    assert server.others(key_of(folder.path))["status"] == "finished"
