import cv2
import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.doctor import diagnosis
from steelexp.data.forms.writers import WRITERS
from steelexp.data.forms.yolo_seg import yolo_seg
from tests.data.forms.random_sets import make_dataset

SQUARE = "0 0.125 0.25 0.375 0.25 0.375 0.5 0.125 0.5"
"""The pixels of rows 1 and 2 and columns 1 to 3 of an image of 4 x 8."""


def write_set(folder, lines, names="[scratch, patch]"):
    """Two images of 4 x 8 pixels in train/ and val/; the one in val/ has no text file."""
    for name in ("train/a.jpg", "val/b.jpg"):
        (folder / "images" / name).parent.mkdir(parents=True)
        cv2.imwrite(str(folder / "images" / name), np.full((4, 8), 7, np.uint8))
    (folder / "labels" / "train").mkdir(parents=True)
    file = folder / "labels" / "train" / "a.txt"
    file.write_text("\n".join(lines))
    (folder / "data.yaml").write_text(f"path: ../x\ntrain: images/train\nnames: {names}\n")
    return file


def refusal(folder, **settings):
    with pytest.raises(DataError) as refused:
        yolo_seg(root=str(folder), **settings)
    return str(refused.value)


@pytest.mark.parametrize("names", ["[scratch, patch]", "{0: scratch, 1: patch}"])
def test_polygons_by_hand(tmp_path, names):
    write_set(tmp_path, [SQUARE, "", "1 0.25 0.5 0.5 0.5 0.5 0.75"], names)
    dataset = yolo_seg(root=str(tmp_path))
    assert dataset.names == ("train/a.jpg", "val/b.jpg")
    assert dataset.classes == ("scratch", "patch")
    assert dataset.mask(0).tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0, 0, 0],
        [0, 1, 3, 3, 2, 0, 0, 0],
        [0, 0, 0, 0, 2, 0, 0, 0],
    ]
    assert dataset.labelled == [True, False]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.25 0.25", "a box and no polygon: it has no pixels; export segmentation"),
        ("0 0.5 0.5 0.25 0.25 0.9", "a box and no polygon: it has no pixels; export segmentation"),
        ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "7 coordinates, an odd number: a y is missing"),
        ("0 0.1 0.1 0.2 x 0.3 0.3", "a coordinate is not a number"),
        ("0 0.1 0.1 1.5 0.5 0.3 0.3", "the point (12, 2) lies outside of the image of 4 x 8"),
        ("0 10 10 300 50 30 40", "the point (300, 50) is not normalised: x and y go from 0 to 1"),
        ("2 0.1 0.1 0.2 0.2 0.3 0.3", "there is no class '2'; known: 0 (scratch), 1 (patch)"),
        ("scratch 0.1 0.1 0.2 0.2 0.3 0.3", "there is no class 'scratch'; known: 0 (scratch)"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, line, message):
    file = write_set(tmp_path, [SQUARE, line])
    text = refusal(tmp_path)
    assert text.startswith(f"{file}")
    assert ":2: train/a.jpg: " in text
    assert message in text


def test_parts_with_images_and_labels_of_their_own(tmp_path):
    """As Roboflow exports them."""
    write_set(tmp_path, [SQUARE])
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        (tmp_path / "images" / part).rename(tmp_path / part / "images")
        (tmp_path / part / "labels").mkdir()
    (tmp_path / "labels" / "train" / "a.txt").rename(tmp_path / "train" / "labels" / "a.txt")
    (tmp_path / "images").rmdir()
    (tmp_path / "labels" / "train").rmdir()
    (tmp_path / "labels").rmdir()
    dataset = yolo_seg(root=str(tmp_path))
    assert dataset.names == ("train/a.jpg", "val/b.jpg")
    assert dataset.pixels.tolist() == [[6, 0], [0, 0]]
    assert diagnosis.diagnose(tmp_path).layout == "yolo_seg"


def test_labels_without_an_image(tmp_path):
    file = write_set(tmp_path, [SQUARE])
    other = file.rename(file.with_name("c.txt"))
    place = f"there is no image train/c in {tmp_path}/images"
    assert refusal(tmp_path) == f"{other}: {place}"


@pytest.mark.parametrize("names", ["", "3", "[a, [b]]"])
def test_names_that_are_none(tmp_path, names):
    write_set(tmp_path, [SQUARE], names)
    text = refusal(tmp_path)
    assert text.startswith(f"{tmp_path}/data.yaml: no names of classes (")
    assert text.endswith("; write them as names: [a, b]")


def test_a_missing_file_of_names(tmp_path):
    write_set(tmp_path, [SQUARE])
    (tmp_path / "data.yaml").rename(tmp_path / "coco8.yaml")
    file = tmp_path / "data.yaml"
    text = f"data.names: there is no file {file}; set data.names or data.classes"
    assert refusal(tmp_path) == text
    assert len(yolo_seg(root=str(tmp_path), names="coco8.yaml")) == 2
    read = yolo_seg(root=str(tmp_path), classes=("dent", "scale"))
    assert (read.classes, read.pixels.tolist()) == (("dent", "scale"), [[6, 0], [0, 0]])


def test_names_as_lines_of_text(tmp_path):
    write_set(tmp_path, [SQUARE])
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "classes.txt").write_text("scratch\npatch\n")
    (tmp_path / "labels" / "classes.txt").write_text("scratch\npatch\n")
    assert yolo_seg(root=str(tmp_path)).classes == ("scratch", "patch")
    assert diagnosis.diagnose(tmp_path).layout == "yolo_seg"


def test_the_doctor_recognises_it(tmp_path):
    write_set(tmp_path, [SQUARE, "0 0.5 0.5 0.25 0.25"])
    result = diagnosis.diagnose(tmp_path)
    assert result.layout == "yolo_seg"
    assert (result.issues[0].kind, result.issues[0].row) == ("invalid shape", 2)


def test_the_writer_says_what_yolo_takes_otherwise(tmp_path):
    ring = np.ones((3, 3), np.uint8)
    ring[1, 1] = 2
    dataset = make_dataset(tmp_path / "s", [ring], classes=("a",), has_ignore=True)
    losses = WRITERS["yolo_seg"](dataset, tmp_path / "out").losses
    assert losses[0] == "YOLO trains on ignored pixels as on a class, named ignore"
    assert losses[1].startswith("polygons have no holes: cutting components with holes makes 1 ")
    assert len(losses) == 2
