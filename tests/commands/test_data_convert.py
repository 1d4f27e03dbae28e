import os
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

from steelexp.__main__ import main
from steelexp.commands.data_convert import read_origin
from steelexp.data.forms.writers import WRITERS
from steelexp.data.sources import LOADERS
from tests.data.forms.random_sets import assert_same, make_dataset

MASKS = [np.array([[0, 1, 1], [2, 0, 2]], np.uint8), np.zeros((4, 5), np.uint8)]


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Two images in the form of a mask folder, in the working directory."""
    monkeypatch.chdir(tmp_path)
    dataset = make_dataset(tmp_path / "source", MASKS)
    WRITERS["mask_folder"](dataset, tmp_path / "masks")
    return dataset


def printed_section(output):
    """The section of a spec that the command prints."""
    line = next(line for line in output.splitlines() if line.startswith("data: "))
    settings = yaml.safe_load(line)["data"]
    loader = LOADERS[settings.pop("source")]
    if "classes" in settings:
        settings["classes"] = tuple(settings["classes"])
    return loader(**settings)


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "severstal"])
def test_every_form_and_the_section_that_reads_it(source, capsys, form):
    words = ["data", "convert", "masks", "new", "--form", form]
    assert main([*words, "--source", "mask_folder", "classes=[a, b]"]) == 0
    output = capsys.readouterr().out
    assert f"new: 2 images as {form}, 1 of them with labels" in output
    assert_same(printed_section(output), source)


def test_a_spec_names_the_data(source, capsys):
    spec = {"data": {"source": "mask_folder", "root": "masks", "classes": ["a", "b"]}}
    spec |= {"name": "s", "split": {"kind": "random"}, "tiling": {"kind": "whole"}, "seed": 1}
    spec |= {"model": {"architecture": "unet", "backbone": "mobilenet", "weights": "none"}}
    spec |= {"loss": {"name": "dice"}, "optimizer": {"name": "adam"}, "tracking": {"name": "none"}}
    spec["training"] = {"epochs": 1, "batch_size": 2}
    Path("s.yaml").write_text(yaml.safe_dump(spec))
    assert main(["data", "convert", "s.yaml", "new", "--form", "coco", "--polygons"]) == 0
    assert_same(printed_section(capsys.readouterr().out), source)
    assert main(["data", "convert", "s.yaml", "x", "--form", "coco", "--source", "csv"]) == 2
    assert "--source: without effect beside s.yaml; leave it out" in capsys.readouterr().err


def test_links_share_the_file_and_copies_do_not(source):
    words = ["--form", "coco", "--source", "mask_folder", "classes=[a, b]"]
    assert main(["data", "convert", "masks", "linked", *words, "--link"]) == 0
    assert main(["data", "convert", "masks", "copied", *words]) == 0
    inodes = [Path(each, "images/0.png").stat().st_ino for each in ("masks", "linked", "copied")]
    assert inodes[0] == inodes[1] != inodes[2]


def test_links_to_another_file_system_are_refused(source, tmp_path, capsys):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system here")
    target = other / f"{tmp_path.name}-{os.getpid()}"
    words = ["--form", "coco", "--source", "mask_folder", "classes=[a, b]", "--link"]
    assert main(["data", "convert", "masks", str(target), *words]) == 2
    assert "cannot be linked from there (" in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--source", "mask_folder"], "data.classes: missing; name the classes of the mask values"),
        (
            ["--source", "mask_folder", "clases=[a]"],
            "no setting 'clases'; known: root, classes,",
        ),
        (["--source", "mask_folder", "cache=disk"], "no setting 'cache'; known: root, classes"),
        (["--source", "mask_folder", "classes"], "--source: 'classes' is no KEY=VALUE"),
        (["--source", "voc"], "--source: no data source 'voc'; known: csv, severstal, coco"),
        (["--form", "csv", "--polygons"], "--polygons: csv leaves no choice; leave it out"),
    ],
)
def test_requests_that_cannot_be_met(source, capsys, words, message):
    assert main(["data", "convert", "masks", "new", "--form", "coco", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path("new").exists()


def test_what_a_form_cannot_say_is_printed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = make_dataset(tmp_path / "source", [np.array([[5, 3, 1]], np.uint8)], has_ignore=True)
    WRITERS["coco"](dataset, tmp_path / "coco")
    words = ["--source", "coco", "ignore=ignore"]
    assert main(["data", "convert", "coco", "new", "--form", "mask_folder", *words]) == 0
    output = capsys.readouterr().out
    assert "Not the same: 1 ignored pixels lose their class\n" in output
    read = printed_section(output)
    assert (read.classes, read.has_ignore) == (("a", "b"), True)
    assert read.mask(0).tolist() == [[4, 3, 1]]


def test_a_kill_leaves_no_set_that_looks_whole(source, tmp_path):
    dataset = read_origin(tmp_path / "masks", ["mask_folder", "classes=[a, b]"])
    child = os.fork()
    if not child:

        def die(image, target):
            os.kill(os.getpid(), signal.SIGKILL)

        WRITERS["coco"](dataset, tmp_path / "new", place=die)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "new").exists()
    WRITERS["coco"](dataset, tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks", "new", "source"]


def test_a_whole_circle_of_forms_changes_no_pixel(source, tmp_path):
    dataset = source
    for number, form in enumerate(form for form in WRITERS if form != "severstal"):
        target = tmp_path / f"step {number}"
        settings = WRITERS[form](dataset, target).settings
        loader = LOADERS[settings.pop("source")]
        settings["classes"] = tuple(settings["classes"])
        dataset = loader(root=str(target), **settings)
    assert_same(dataset, source)
