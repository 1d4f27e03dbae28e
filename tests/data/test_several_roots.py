"""Several root folders of one form are one data set."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from steelexp.data.dataset import DataError
from steelexp.data.forms.labelme import write_labelme
from steelexp.data.forms.writers import WRITERS
from steelexp.data.sources import LOADERS, SOURCES
from steelexp.plan import SpecModel, prepare
from steelexp.spec import load
from tests.commands.test_data_doctor import examine, spec_of
from tests.data.forms.random_sets import make_dataset

MASKS = [np.full((8, 12), value, np.uint8) for value in (0, 1, 2, 1)]
CLASSES = ["a", "b"]


def save(root, values, names=("0", "1", "2", "3"), inner=""):
    """Images of noise and masks of one value each; noise differs between roots."""
    for name, value in zip(names, values, strict=False):
        for folder in ("images", "masks"):
            (root / folder / inner).mkdir(parents=True, exist_ok=True)
        seed = sum(root.name.encode()) * 100 + int(name)
        grey = np.random.default_rng(seed).integers(0, 256, (32, 48), np.uint8)
        cv2.imwrite(str(root / "images" / inner / f"{name}.png"), grey)
        mask = np.full((32, 48), value, np.uint8)
        cv2.imwrite(str(root / "masks" / inner / f"{name}.png"), mask)
    return str(root)


@pytest.fixture
def roots(tmp_path):
    """Two lines whose images have the same names."""
    first = save(tmp_path / "line1", [0, 1, 2, 1])
    return first, save(tmp_path / "line2", [2, 2, 0, 1])


def read(root, **settings):
    return LOADERS["mask_folder"](root=root, **{"classes": ("a", "b"), **settings})


def test_names_begin_with_the_name_of_the_root(roots):
    dataset = read(roots)
    assert dataset.names == tuple(f"line{line}/{n}.png" for line in (1, 2) for n in range(4))
    assert dataset.pixels.tolist() == [
        [0, 0],
        [1536, 0],
        [0, 1536],
        [1536, 0],
        [0, 1536],
        [0, 1536],
        [0, 0],
        [1536, 0],
    ]
    for row in range(8):
        single = read(roots[row // 4])
        assert (dataset.image(row) == single.image(row % 4)).all()
        assert (dataset.mask(row) == single.mask(row % 4)).all()
        assert dataset.image_hashes[row] == single.image_hashes[row % 4]
        assert dataset.label_hashes[row] == single.label_hashes[row % 4]


def test_the_order_of_the_roots_does_not_matter_and_their_place_neither(roots, tmp_path):
    dataset = read(roots)
    assert read(roots[::-1]).manifest == dataset.manifest
    (tmp_path / "line1").rename(tmp_path / "moved")
    moved = {"line1": str(tmp_path / "moved"), "line2": roots[1]}
    assert read(moved).manifest == dataset.manifest
    assert read({"line1": roots[1], "line2": moved["line1"]}).manifest != dataset.manifest


def test_another_root_changes_no_name(roots):
    assert read(roots[:1]).names == read(roots).names[:4]
    assert read(roots[0]).names == ("0.png", "1.png", "2.png", "3.png")


def test_a_subset_is_drawn_from_all_roots(roots):
    subsets = [read(roots, subset=3, subset_seed=seed) for seed in range(8)]
    assert {len(each) for each in subsets} == {3}
    assert len({each.names for each in subsets}) > 1
    whole = read(roots)
    for each in subsets:
        for row, name in enumerate(each.names):
            assert (each.mask(row) == whole.mask(whole.names.index(name))).all()
    with pytest.raises(DataError, match=r"data\.subset: 9 of 8 images in data\.root"):
        read(roots, subset=9)


def test_the_problems_of_all_roots_are_listed(roots, tmp_path):
    for line in ("line1", "line2"):
        (tmp_path / line / "masks" / "1.png").unlink()
    with pytest.raises(DataError) as error:
        read(roots)
    assert [Path(line.partition(":")[0]).parts[-3] for line in str(error.value).splitlines()] == [
        "line1",
        "line2",
    ]


def test_other_classes_are_refused(tmp_path):
    for name, classes in (("line1", ("a", "b")), ("line2", ("b", "c"))):
        write_labelme(make_dataset(tmp_path / "s", MASKS, classes), tmp_path / name)
    root = (str(tmp_path / "line1"), str(tmp_path / "line2"))
    text = "data.root: line1 has the classes a, b and line2 has b, c; state them with data.classes"
    with pytest.raises(DataError, match=text):
        LOADERS["labelme"](root=root)


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_takes_several_roots(form, tmp_path):
    for name in ("line1", "line2"):
        classes = ("1", "2", "3", "4") if form == "severstal" else ("a", "b")
        dataset = make_dataset(tmp_path / f"s{name}", MASKS, classes)
        settings = WRITERS[form](dataset, tmp_path / name).settings
    source = settings.pop("source")
    joined = LOADERS[source](root=(str(tmp_path / "line1"), str(tmp_path / "line2")), **settings)
    assert joined.names == tuple(f"line{n}/{name}" for n in (1, 2) for name in dataset.names)
    assert [joined.mask(row).tolist() for row in range(8)] == [mask.tolist() for mask in MASKS * 2]


def test_every_source_that_reads_describes_several_roots():
    for name, source in SOURCES.items():
        described = SpecModel.model_json_schema()["$defs"][name]["properties"]["root"][
            "description"
        ]
        assert ("Or several: a list of folders" in described) is not source.is_generated


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ([], "a folder, a list of folders, or a mapping of names to folders is expected"),
        (3, "a folder, a list of folders, or a mapping of names to folders is expected"),
        (["x/set", "y/set"], "2 folders are named set; name them: {line1: FOLDER, line2: FOLDER}"),
        ({"a/b": "x"}, "'a/b': no name of a folder, such as line1"),
    ],
)
def test_roots_that_have_no_name_are_refused(root, message, tmp_path, capsys):
    spec = spec_of(tmp_path, {"source": "mask_folder", "root": root, "classes": CLASSES})
    assert main(["check", str(spec)]) == 2
    assert message in capsys.readouterr().err


def test_a_plan_a_split_file_and_the_doctor_know_the_names(roots, tmp_path):
    data = {"source": "mask_folder", "root": list(roots), "classes": CLASSES, "cache": "none"}
    spec = spec_of(tmp_path, data)
    names = [f"line{line}/{n}.png" for line in (1, 2) for n in range(4)]
    parts = ["train"] * 4 + ["val"] * 4
    split = tmp_path / "split.csv"
    rows = [f"{name},{part}\n" for name, part in zip(names, parts, strict=True)]
    split.write_text("".join(["image,part\n", *rows]))
    words = [f"split={{kind: file, path: {split}}}"]
    plan = prepare(load(spec, words, model=SpecModel), tmp_path / "runs")
    assert [plan.dataset.names[row] for row in plan.split.val] == names[4:]
    code, content = examine(tmp_path, spec, "--split", split)
    assert (code, content["images"], content["issues"]) == (0, 8, [])
    assert content["root"] == f"{roots[0]}, {roots[1]}"


def test_another_root_extends_a_split(roots, tmp_path):
    data = {"source": "mask_folder", "root": [roots[0]], "classes": CLASSES, "cache": "none"}
    spec = spec_of(tmp_path, data)
    split = tmp_path / "split.csv"
    old = {f"line1/{n}.png": part for n, part in enumerate(["train", "val", "train", "train"])}
    split.write_text("".join(f"{n},{part}\n" for n, part in {"image": "part", **old}.items()))
    words = [f"split={{kind: file, path: {split}, extend: true}}", f"data.root={json.dumps(roots)}"]
    plan = prepare(load(spec, words, model=SpecModel), tmp_path / "runs")
    parts = {"train": plan.split.train, "val": plan.split.val, "test": plan.split.test}
    new = {plan.dataset.names[row]: part for part, rows in parts.items() for row in rows}
    assert {name: new[name] for name in old} == old
    assert {name for name in new if name not in old} == {f"line2/{n}.png" for n in range(4)}


def test_the_doctor_says_what_a_run_reads(roots, tmp_path):
    data = {"source": "mask_folder", "root": list(roots), "classes": CLASSES, "subset": 5}
    spec = spec_of(tmp_path, data)
    _, content = examine(tmp_path, spec)
    dataset = load(spec, model=SpecModel).data.bind(LOADERS)()
    assert content["images"] == len(dataset) == 5
    assert [row["pixels"] for row in content["classes"]] == dataset.pixels.sum(axis=0).tolist()


def test_images_are_added_to_one_root(roots, tmp_path, capsys):
    spec = spec_of(tmp_path, {"source": "mask_folder", "root": list(roots), "classes": CLASSES})
    assert main(["data", "add", roots[0], "--to", str(spec), "--dry-run"]) == 2
    assert "images are added to one folder; name one of them" in capsys.readouterr().err


def test_they_are_converted_together(roots, tmp_path):
    data = {"source": "mask_folder", "root": list(roots), "classes": CLASSES}
    spec = spec_of(tmp_path, data)
    assert main(["data", "convert", str(spec), str(tmp_path / "new"), "--form", "coco"]) == 0
    content = json.loads((tmp_path / "new" / "annotations.json").read_text())
    assert sorted(image["file_name"] for image in content["images"]) == sorted(read(roots).names)
