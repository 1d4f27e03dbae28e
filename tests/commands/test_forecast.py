"""The command `forecast`: its runs, what it refuses, and one from images to an answer."""

import json

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.records.forecast_file import read_forecast
from steelexp.records.store import run_folders
from tests.data.doctor.sets import save_masks
from tests.file_schemas import check_files

SPEC = """\
name: dents
data: {{source: mask_folder, root: {root}, classes: [dent], cache: none}}
split: {{kind: grouped, val: 0.2, test: 0.2}}
tiling: {{kind: whole}}
model: {{architecture: unet, backbone: mobilenet, weights: none, decoder_filters: [8, 8, 8, 8, 8]}}
loss: {{name: bce_dice}}
optimizer: {{name: adam}}
training: {{epochs: 1, batch_size: 12, overlays: 0}}
tracking: {{name: none}}
seed: 7
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """A spec of 60 images of 32 x 32 pixels, in the working directory."""
    monkeypatch.chdir(tmp_path)
    masks = [np.zeros((32, 32), np.uint8) for _ in range(60)]
    for number, mask in enumerate(masks):
        mask[4:12, number % 20 : number % 20 + 8] = 1
    save_masks(tmp_path / "set", masks, "images", "masks")
    (tmp_path / "dents.yaml").write_text(SPEC.format(root=tmp_path / "set"))
    return "dents.yaml"


def test_a_dry_run_names_every_size_and_trains_nothing(spec, tmp_path, capsys):
    assert main(["forecast", spec, "--target", "0.8", "--seeds", "0,1", "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("share")]
    assert [line.split(":")[0] for line in lines] == [
        f"share {share}" for share in ("0.125", "0.25", "0.5", "1")
    ]
    assert lines[-1] == "share 1: 36 training images, 2 runs, 0 finished"
    assert not (tmp_path / "runs").exists()


REFUSED = {
    "--seeds 0": "--seeds 0: the spread between seeds needs 2 seeds or more",
    "--seeds 0,0": "--seeds 0,0: the spread between seeds needs 2 seeds or more",
    "data.train_share=0.5": (
        "dents.yaml: data.train_share: refused by forecast: --shares sets it; leave it out"
    ),
    "split={kind: overfit}": (
        "dents.yaml: split.kind: refused by forecast: overfit evaluates the training images; take "
        "split.kind=grouped"
    ),
    "model.start=runs/dents/12345678": (
        "dents.yaml: model.start: refused by forecast: that run has seen images which the smaller "
        "shares leave out; leave it out"
    ),
    "data.unlabelled={root: set, teacher: runs/dents/12345678}": (
        "dents.yaml: data.unlabelled: refused by forecast: its teacher has seen images which the "
        "smaller shares leave out; leave it out"
    ),
    "other.yaml": "forecast: name one spec file; it is trained with several shares and seeds",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_it_cannot_forecast_is_refused_in_a_line(spec, tmp_path, capsys, words):
    (tmp_path / "other.yaml").write_text((tmp_path / spec).read_text())
    options = words.split(" ") if words.startswith("-") else [words]
    assert main(["forecast", spec, "--target", "0.8", "--dry-run", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"steelexp: {REFUSED[words]}"


def test_more_seeds_than_one_command_takes_are_refused(spec, capsys):
    seeds = ",".join(map(str, range(1001)))
    assert main(["forecast", spec, "--target", "0.8", "--seeds", seeds]) == 2
    assert capsys.readouterr().err == "steelexp: --seeds: 1,001 seeds; at most 1,000 at a time\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--target", "high"], "argument --target: invalid score value: 'high'"),
        (["--target", "1.2"], "1.2: a score above 0 and below 1 is expected"),
        (["--target", "0.8", "--shares", "0.25,0.5,1"], "at least 4 different shares above 0"),
        (["--target", "0.8", "--shares", "0,0.25,0.5,1"], "at least 4 different shares above 0"),
    ],
)
def test_options_out_of_range_are_refused(spec, capsys, words, line):
    with pytest.raises(SystemExit) as caught:
        main(["forecast", spec, *words])
    assert caught.value.code == 2
    assert line in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_from_images_to_an_answer_and_again_for_another_target(spec, tmp_path, capsys):
    command = ["forecast", spec, "--seeds", "0,1", "--target"]
    assert main([*command, "0.999"]) == 0
    folders = {folder.path: folder.finished_record() for folder in run_folders(tmp_path / "runs")}
    assert len(folders) == 8
    first = read_forecast(tmp_path / "runs" / "dents" / "forecast")
    assert [len(size.runs) for size in first.sizes] == [2, 2, 2, 2]
    assert first.sizes[-1].images == 36
    parts = [json.loads((path / "split.json").read_text())["parts"] for path in folders]
    assert {(part["val"], part["test"]) for part in parts} == {(12, 12)}
    assert "forecast" in check_files(tmp_path / "runs")
    capsys.readouterr()

    assert main([*command, "0.001"]) == 0
    out = capsys.readouterr().out
    assert "dice_positive 0.001 on images like these: no forecast: reached already" in out
    again = read_forecast(tmp_path / "runs" / "dents" / "forecast")
    assert again.curves[0].scores == first.curves[0].scores
    assert {folder.path: folder.finished_record() for folder in run_folders(tmp_path / "runs")} == (
        folders
    )

    assert main(["run", spec, "--seeds", "0"]) == 0  # the whole share is the spec's own run
    assert "is finished already" in capsys.readouterr().out
