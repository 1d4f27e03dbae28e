"""`data doctor` reads a data set as `run` reads it: from a spec, or with the settings of one."""

import json

import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data.sources import LOADERS
from steelexp.plan import SpecModel, prepare
from steelexp.spec import load
from tests.data.doctor.sets import save_masks, save_png, save_strips, texture

SPEC = """\
name: case
data: {data}
split: {split}
tiling: {{kind: random_crops, size: 32, count: 2}}
model: {{architecture: unet, backbone: mobilenet, weights: none}}
loss: {{name: bce_dice}}
optimizer: {{name: adam, learning_rate: 2.0e-3}}
training: {{epochs: 1, batch_size: 4, overlays: 0}}
tracking: {{name: none}}
seed: 1
"""


RANDOM = "{kind: random, val: 0.25, seed: 1}"


def spec_of(folder, data, split="{kind: overfit}"):
    path = folder / "case.yaml"
    path.write_text(SPEC.format(data=json.dumps(data), split=split))
    return path


def masks(count=6):
    drawn = [np.zeros((32, 48), np.uint8) for _ in range(count)]
    for i, mask in enumerate(drawn):
        mask[2:9, 3 * i : 3 * i + 6] = 1 + i % 2
    return drawn


def examine(tmp_path, *words):
    """Exit code, and the content of doctor.json."""
    out = tmp_path / "out"
    code = main(["data", "doctor", *map(str, words), "--out", str(out)])
    return code, json.loads((out / "doctor.json").read_text())


def other_folders(tmp_path):
    root = save_masks(tmp_path / "set", masks(), "JPEGImages", "SegmentationClass")
    own = {"images": "JPEGImages", "masks": "SegmentationClass", "classes": ["hole", "dent"]}
    return root, own


def test_a_spec_names_the_folders(tmp_path):
    root, own = other_folders(tmp_path)
    spec = spec_of(tmp_path, {"source": "mask_folder", "root": str(root), **own})
    code, content = examine(tmp_path, spec)
    assert (code, content["images"], content["layout"]) == (0, 6, "mask_folder")
    assert [row["class"] for row in content["classes"]] == ["hole", "dent"]
    assert [row["images"] for row in content["classes"]] == [3, 3]


def test_the_source_can_be_named_beside_a_folder(tmp_path):
    root, own = other_folders(tmp_path)
    words = [f"{key}={json.dumps(value)}" for key, value in own.items()]
    code, content = examine(tmp_path, root, "--source", "mask_folder", *words)
    assert (code, content["images"]) == (0, 6)
    assert [row["class"] for row in content["classes"]] == ["hole", "dent"]


def test_overrides_replace_the_settings_of_the_spec(tmp_path):
    root, own = other_folders(tmp_path)
    spec = spec_of(tmp_path, {"source": "mask_folder", "root": str(root), **own})
    save_png(root / "SegmentationClass" / "01.png", np.full((32, 48), 2, np.uint8))
    code, content = examine(tmp_path, spec, "data.classes=[hole]")
    assert code == 1
    assert {issue["kind"] for issue in content["issues"]} == {"mask value"}


SETS = {
    "suffix": {"suffix": "_mask", "masks": "images"},
    "overlaps": {"overlaps": True},
    "subset": {"subset": 4, "subset_seed": 7},
}


@pytest.mark.parametrize("settings", SETS.values(), ids=SETS)
def test_the_doctor_counts_what_run_reads(tmp_path, settings):
    root = save_masks(tmp_path / "set", masks())
    if "overlaps" in settings:
        save_png(root / "masks" / "00.png", np.full((32, 48), 3, np.uint8))  # both classes
    if "suffix" in settings:
        for mask in (root / "masks").iterdir():
            mask.rename(root / "images" / f"{mask.stem}_mask.png")
    data = {"source": "mask_folder", "root": str(root), "classes": ["a", "b"], **settings}
    spec = spec_of(tmp_path, data)
    _, content = examine(tmp_path, spec)
    dataset = load(spec, model=SpecModel).data.bind(LOADERS)()
    assert content["images"] == len(dataset)
    assert [row["pixels"] for row in content["classes"]] == dataset.pixels.sum(axis=0).tolist()
    assert content["issues"] == []


def test_strips_without_defects_are_left_out_as_in_a_run(tmp_path):
    images = {f"{i}.png": texture(i) for i in range(5)}
    root = save_strips(tmp_path / "set", images, [("1.png", "3", "1 9"), ("4.png", "2", "5 2")])
    data = {"source": "severstal", "root": str(root), "images": "with_defects"}
    code, content = examine(tmp_path, spec_of(tmp_path, data))
    assert (code, content["images"], content["clean"]) == (0, 2, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["set", "data.masks=x"], "data.masks=x: without effect beside a folder"),
        (["case.yaml", "--source", "coco"], "--source: without effect beside case.yaml"),
        (["case.yaml", "--classes", "a,b"], "--classes: without effect beside a spec"),
        (["set", "--source", "voc"], "--source: no data source 'voc'"),
        (["case.yaml", "data.masks=none"], "data.masks: there is no folder"),
        (["case.yaml", "data.mask=none"], "data.mask: unknown setting"),
    ],
)
def test_what_has_no_effect_is_refused(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    root, own = other_folders(tmp_path)
    spec_of(tmp_path, {"source": "mask_folder", "root": str(root), **own})
    assert main(["data", "doctor", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_split_of_the_spec_is_examined(tmp_path):
    masks_of_b = masks(8)
    for mask in masks_of_b[1:]:
        mask[mask > 0] = 1
    root = save_masks(tmp_path / "set", masks_of_b)
    masks_of_b[3][:] = 2
    save_png(root / "masks" / "03.png", masks_of_b[3])
    data = {"source": "mask_folder", "root": str(root), "classes": ["a", "b"]}
    code, content = examine(tmp_path, spec_of(tmp_path, data, RANDOM))
    lines = [issue["text"] for issue in content["issues"]]
    plan = prepare(load(tmp_path / "case.yaml", model=SpecModel), tmp_path / "runs")
    lacking = [
        part
        for part, rows in (("train", plan.split.train), ("val", plan.split.val))
        if not plan.dataset.pixels[rows, 1].any()
    ]
    assert code == 1
    assert [line.split()[3] for line in lines] == lacking == ["val"]


def test_a_split_that_is_refused_is_an_issue(tmp_path):
    root = save_masks(tmp_path / "set", masks(1))
    data = {"source": "mask_folder", "root": str(root), "classes": ["a", "b"]}
    code, content = examine(tmp_path, spec_of(tmp_path, data, RANDOM))
    (issue,) = content["issues"]
    assert code == 1
    assert issue["text"].startswith("split.kind: random needs at least 2 images")


def test_a_split_file_replaces_the_split_of_the_spec(tmp_path):
    root = save_masks(tmp_path / "set", masks(4))
    data = {"source": "mask_folder", "root": str(root), "classes": ["a", "b"]}
    split = tmp_path / "split.csv"
    rows = ["00.png,train", "01.png,train", "02.png,val", "03.png,val"]
    split.write_text("\n".join(["image,part", *rows]))
    assert examine(tmp_path, spec_of(tmp_path, data, RANDOM), "--split", split)[0] == 0
