"""Labelled images come into a data set of each form, whole or not at all."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.data import rle
from steelexp.data.adding.add import Outcome, add
from steelexp.data.adding.forms import FORMS
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.coco import write_coco
from steelexp.data.forms.labelme import write_labelme
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.severstal import severstal
from steelexp.data.sources import LOADERS

CLASSES = ("1", "2", "3", "4")
SIZE = (20, 30)
SOURCES = ("mask_folder", "severstal", "coco", "labelme")
WRITERS: dict[str, Callable[..., object]] = {"coco": write_coco, "labelme": write_labelme}


def image(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, SIZE, np.uint8)


def mask(number: int) -> np.ndarray:
    """Values 0 to 4; image 0 is clean."""
    values = np.zeros(SIZE, np.uint8)
    if number:
        values[2 : 5 + number % 10, 3:9] = number % 4 + 1
    return values


def write(source: str, root: Path, images: dict[str, int], masks: dict[str, int]) -> Path:
    """Write a data set: image name -> number of its pixels, and of its labels."""
    folder = root / ("images" if source == "mask_folder" else "train_images")
    folder.mkdir(parents=True)
    for name, number in images.items():
        assert cv2.imwrite(str(folder / name), image(number))
    if source == "mask_folder":
        (root / "masks").mkdir()
        for name, number in masks.items():
            assert cv2.imwrite(str((root / "masks" / name).with_suffix(".png")), mask(number))
        return root
    if source in WRITERS:
        flat = root.with_name(f"{root.name}_of_{source}")
        write("severstal", flat, images, masks)
        shutil.rmtree(root)
        WRITERS[source](severstal(root=str(flat)), root, polygons=True)
        shutil.rmtree(flat)
        return root
    rows = ["ImageId,ClassId,EncodedPixels"]
    for name, number in masks.items():
        values = mask(number)
        rows += [f"{name},{c},{rle.encode(values == c)}" for c in (1, 2, 3, 4) if c in values]
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


def settings(source: str, root: Path) -> dict[str, object]:
    own = {"classes": CLASSES, "images": "images", "masks": "masks", "overlaps": False}
    others = {"mask_folder": own, "coco": {"annotations": None, "ignore": None}, "labelme": LABELME}
    return {"root": str(root)} | others.get(source, {})


def read(source: str, root: Path) -> Dataset:
    return LOADERS[source](**settings(source, root))


def content(dataset: Dataset) -> dict[str, tuple[bytes, bytes]]:
    return {
        name: (dataset.image(row).tobytes(), dataset.mask(row).tobytes())
        for row, name in enumerate(dataset.names)
    }


def wanted(images: dict[str, int], masks: dict[str, int]) -> dict[str, tuple[bytes, bytes]]:
    bits = np.array([0, 1, 2, 4, 8], np.uint8)
    return {
        name: (image(number).tobytes(), bits[mask(masks[name])].tobytes())
        for name, number in images.items()
    }


def put(incoming: Dataset, source: str, root: Path, **options: object) -> Outcome:
    values = {"renamed": {}, "replace": False, "prefix": "", "dry_run": False} | options
    return add(incoming, source, settings(source, root), **values)


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".adding.lock"
    }


LABELME = {"classes": CLASSES, "labels": None}
OLD = {"a.png": 0, "b.png": 1, "c.png": 2}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SOURCES)
def other_source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def root(source: str, tmp_path: Path) -> Path:
    return write(source, tmp_path / "set", OLD, OLD)


def test_new_ones_are_added_and_others_stay(
    source: str, other_source: str, root: Path, tmp_path: Path
):
    images = {"b.png": 1, "d.png": 3, "e.png": 4, "renamed.png": 2, "f.png": 5}
    labels = {"b.png": 1, "d.png": 3, "e.png": 0, "renamed.png": 2, "f.png": 5}
    incoming = read(other_source, write(other_source, tmp_path / "from", images, labels))
    before = files(root)
    assert put(incoming, source, root, dry_run=True).added == ["d.png", "e.png", "f.png"]
    assert files(root) == before
    outcome = put(incoming, source, root)
    assert outcome == Outcome(["d.png", "e.png", "f.png"], [], [], 2, {"renamed.png": "c.png"}, 6)
    new = {name: images[name] for name in outcome.added}
    new_labels = {name: labels[name] for name in outcome.added}
    assert content(read(source, root)) == wanted(OLD | new, OLD | new_labels)
    after = files(root)
    assert put(incoming, source, root) == Outcome([], [], [], 5, {"renamed.png": "c.png"}, 6)
    assert files(root) == after
    assert not list(tmp_path.glob("set.replaced*"))


def test_other_labels_are_taken_where_that_is_asked_for_and_the_old_ones_are_kept(
    source: str, other_source: str, root: Path, tmp_path: Path
):
    images = {"other_name.png": 1, "c.png": 2}
    labels = {"other_name.png": 3, "c.png": 0}
    incoming = read(other_source, write(other_source, tmp_path / "from", images, labels))
    before = files(root)
    outcome = put(incoming, source, root)
    assert (outcome.left, outcome.replaced) == (["c.png", "b.png"], [])
    assert files(root) == before
    outcome = put(incoming, source, root, replace=True)
    assert (outcome.left, outcome.replaced, outcome.images) == ([], ["c.png", "b.png"], 3)
    now = {"a.png": 0, "b.png": 3, "c.png": 0}
    assert content(read(source, root)) == wanted(OLD, now)
    aside = files(tmp_path / "set.replaced-1")
    assert aside == {name: before[name] for name in aside}
    assert {name for name in before if before[name] != files(root)[name]} == set(aside)


def test_a_kill_at_any_moment_leaves_the_old_set_or_is_finished(
    source: str, root: Path, tmp_path: Path
):
    images = {"b.png": 1, "d.png": 3, "e.png": 4}
    labels = {"b.png": 2, "d.png": 3, "e.png": 4}
    incoming = read(source, write(source, tmp_path / "from", images, labels))
    before = files(root)
    result = wanted(OLD | images, OLD | labels)
    states = set()
    for step in range(1, 30):
        copy = tmp_path / f"copy{step}"
        write(source, copy, OLD, OLD)
        if not killed_at(step, lambda copy=copy: put(incoming, source, copy, replace=True)):
            break
        committed = (copy / ".adding" / "moves.json").is_file()
        states.add(committed)
        of_set = {k: v for k, v in files(copy).items() if not k.startswith(".adding")}
        assert committed or of_set == before or content(read(source, copy)) == result
        for name, labels in readable(source, copy).items():
            assert labels in (wanted(OLD, OLD).get(name), result[name])
        put(incoming, source, copy, replace=True)
        assert content(read(source, copy)) == result
        (aside,) = tmp_path.glob(f"copy{step}.replaced-*")
        assert all(before[name] == kept for name, kept in files(aside).items())
        assert not (copy / ".adding").exists()
    assert step > 4
    assert states == {True, False}


def readable(source: str, root: Path) -> dict[str, tuple[bytes, bytes]]:
    """The content of a set; nothing where it is refused."""
    try:
        return content(read(source, root))
    except DataError:
        return {}


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Whether a process that is killed at its n-th renaming or removal got that far."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert not os.WIFSIGNALED(status)
        return status != 0
    calls = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            if calls == step:
                os._exit(9)
            return original(*args, **kwargs)

        return call

    try:
        cv2.setNumThreads(0)  # its threads are the parent's; waiting for them hangs
        signal.alarm(60)
        for name in ("replace", "unlink", "rmdir"):
            setattr(os, name, counted(getattr(os, name)))
        work()
        os._exit(0)
    finally:
        os._exit(1)


def test_an_other_image_of_the_same_name_is_refused_and_gets_a_prefix(
    source: str, root: Path, tmp_path: Path
):
    incoming = read(source, write(source, tmp_path / "from", {"a.png": 7}, {"a.png": 7}))
    before = files(root)
    with pytest.raises(DataError, match=r"another image of the name a\.png; .*--prefix"):
        put(incoming, source, root, replace=True)
    assert files(root) == before
    assert put(incoming, source, root, prefix="line2_").added == ["line2_a.png"]
    assert content(read(source, root)) == wanted(OLD | {"line2_a.png": 7}, OLD | {"line2_a.png": 7})


def test_the_same_pixels_under_the_same_name_are_the_same_image(
    source: str, root: Path, tmp_path: Path
):
    incoming = read(source, write(source, tmp_path / "from", {"b.png": 1}, {"b.png": 2}))
    path = incoming.paths[0]
    assert cv2.imwrite(str(path), image(1), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert put(incoming, source, root, replace=True).replaced == ["b.png"]


def test_an_unknown_class_is_refused_and_can_be_renamed(source: str, root: Path, tmp_path: Path):
    folder = write("mask_folder", tmp_path / "from", {"d.png": 3}, {"d.png": 3})  # value 4
    incoming = mask_folder(root=str(folder), classes=("1", "2", "3", "scratch"))
    with pytest.raises(DataError, match="only these names are needed: 1, 2, 3, 4"):
        put(incoming, source, root)
    put(incoming, source, root, renamed={"scratch": "4"})
    assert content(read(source, root)) == wanted(OLD | {"d.png": 3}, OLD | {"d.png": 3})


def test_what_a_form_cannot_hold_is_refused(tmp_path: Path):
    both = np.full(SIZE, 3, np.uint8)
    root = write("severstal", tmp_path / "from", {"d.png": 3}, {})
    rows = "".join(f"d.png,{c},{rle.encode(both > 0)}\n" for c in (1, 2))
    (root / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n" + rows)
    target = write("mask_folder", tmp_path / "set", OLD, OLD)
    before = files(target)
    with pytest.raises(DataError, match=r"d\.png: pixels of several classes"):
        put(read("severstal", root), "mask_folder", target)
    own = settings("mask_folder", target) | {"overlaps": True}
    options = {"renamed": {}, "replace": False, "prefix": "", "dry_run": False}
    add(read("severstal", root), "mask_folder", own, **options)
    assert (LOADERS["mask_folder"](**own).mask(3) == 3).all()
    before = files(target)
    shared = write("mask_folder", tmp_path / "jpg", {"a.jpg": 9}, {"a.jpg": 9})
    with pytest.raises(DataError, match=r"a\.jpg: a\.png has the same mask"):
        add(read("mask_folder", shared), "mask_folder", own, **options)
    assert files(target) == before
    assert "synthetic" not in FORMS
    with pytest.raises(DataError, match=r"of the forms .*, and this one is synthetic"):
        add(
            read("severstal", root),
            "synthetic",
            {"root": "drawn"},
            renamed={},
            replace=False,
            prefix="",
            dry_run=False,
        )


def test_rows_of_train_csv_stay_byte_for_byte(tmp_path: Path):
    root = write("severstal", tmp_path / "set", OLD, OLD)
    runs = [rle.encode(mask(number) == c) for number in OLD.values() for c in (1, 2, 3, 4)]
    keys = [f"{name}_{c}" for name in OLD for c in (1, 2, 3, 4)]
    lines = [f"{key},{each}" for key, each in zip(keys, runs, strict=True)]
    old = "\ufeffImageId_ClassId,EncodedPixels\r\n" + "\r\n".join(lines)  # no line end at the end
    (root / "train.csv").write_bytes(old.encode())
    new = {"d,1.png": 3, "b.png": 2}
    write("severstal", tmp_path / "from", {"d,1.png": 3, "b.png": 1}, {})
    quoted = [f'"d,1.png",4,{rle.encode(mask(3) == 4)}', f"b.png,3,{rle.encode(mask(2) == 3)}"]
    table = tmp_path / "from" / "train.csv"
    table.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *quoted]) + "\n")
    incoming = read("severstal", tmp_path / "from")
    put(incoming, "severstal", root, replace=True)
    text = (root / "train.csv").read_bytes().decode()
    kept = [line for line in old.splitlines(keepends=True) if not line.startswith("b.png")]
    assert text.startswith("".join(kept).rstrip("\r\n"))
    assert text.count("\n") == text.count("\r\n") == 1 + 4 * 4
    assert content(read("severstal", root)) == wanted(OLD | {"d,1.png": 3}, OLD | new)


def test_ignored_pixels_are_kept_or_refused(source: str, root: Path, tmp_path: Path):
    folder = write("mask_folder", tmp_path / "from", {"d.png": 3}, {"d.png": 3})
    plain = mask_folder(root=str(folder), classes=("4", "1", "2", "3"))  # bit 4 is ignored
    ignored = np.where(mask(3) == 4, 1 << 4, 0).astype(np.uint8)
    incoming = replace(
        plain, has_ignore=True, read_mask=lambda row: ignored, pixels=np.zeros((1, 4), np.int64)
    )
    if source == "labelme":
        put(incoming, source, root)
        read_back = read(source, root)
        assert read_back.has_ignore
        assert (read_back.mask(read_back.names.index("d.png")) == ignored).all()
        return
    with pytest.raises(DataError, match=r"d\.png: ignored pixels"):
        put(incoming, source, root)
    if source == "coco":
        file = root / "annotations.json"
        content = json.loads(file.read_text())
        content["categories"].append({"id": 77, "name": "unsure"})
        file.write_text(json.dumps(content))
        own = settings(source, root) | {"ignore": "unsure", "classes": CLASSES}
        options = {"renamed": {}, "replace": False, "prefix": "", "dry_run": False}
        add(incoming, source, own, **options)
        read_back = LOADERS[source](**own)
        assert (read_back.mask(read_back.names.index("d.png")) == ignored).all()
