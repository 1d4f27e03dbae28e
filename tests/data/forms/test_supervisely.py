import base64
import json
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from steelexp.data.dataset import DataError
from steelexp.data.doctor import diagnosis
from steelexp.data.forms.supervisely import supervisely


def bitmap(values, origin=(0, 0)):
    content = bytes(cv2.imencode(".png", np.array(values, np.uint8) * 255)[1])
    return {"data": base64.b64encode(zlib.compress(content)).decode(), "origin": list(origin)}


def shape(kind, title="scratch", **content):
    return {"classTitle": title, "geometryType": kind, **content}


def polygon(exterior, *interior, title="scratch"):
    return shape("polygon", title, points={"exterior": exterior, "interior": list(interior)})


def write_set(folder, objects, size=(5, 6), dataset="train"):
    """One image of 5 x 6 pixels in a dataset."""
    ds = folder / dataset
    for inner in ("img", "ann"):
        (ds / inner).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((5, 6), 7, np.uint8)).save(ds / "img" / "a.png")
    content = {"size": {"height": size[0], "width": size[1]}, "objects": objects, "tags": []}
    file = ds / "ann" / "a.png.json"
    file.write_text(json.dumps(content))
    classes = [{"title": "scratch", "shape": "bitmap"}, {"title": "patch", "shape": "any"}]
    (folder / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))
    return file


def refusal(folder, **settings):
    with pytest.raises(DataError) as refused:
        supervisely(root=str(folder), **settings)
    return str(refused.value)


def test_bitmaps_polygons_and_rectangles_by_hand(tmp_path):
    square = [[0, 1], [4, 1], [4, 4], [0, 4]]
    hole = [[1, 2], [2, 2], [2, 3], [1, 3]]
    objects = [
        polygon(square, hole),
        shape("bitmap", "patch", bitmap=bitmap([[1, 0, 1]], (3, 1))),
        shape("rectangle", "patch", points={"exterior": [[5, 4], [4, 4]], "interior": []}),
    ]
    write_set(tmp_path, objects)
    dataset = supervisely(root=str(tmp_path))
    assert (dataset.names, dataset.classes) == (("train/a.png",), ("scratch", "patch"))
    assert dataset.mask(0).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [1, 1, 1, 3, 1, 2],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 1, 1, 1, 3, 2],
    ]


def test_the_opaque_pixels_of_a_palette_are_the_mask(tmp_path):
    """As in published sets: one bit, a palette, and number 0 transparent, whatever its colour."""
    picture = Image.fromarray(np.array([[0, 1], [1, 1]], np.uint8), "P")
    picture.putpalette([255, 255, 255, 0, 0, 0])
    file = tmp_path / "x.png"
    picture.save(file, transparency=0, bits=1)
    data = base64.b64encode(zlib.compress(file.read_bytes())).decode()
    write_set(tmp_path / "set", [shape("bitmap", bitmap={"data": data, "origin": [4, 3]})])
    dataset = supervisely(root=str(tmp_path / "set"))
    assert dataset.mask(0)[3:, 4:].tolist() == [[0, 1], [1, 1]]


def test_datasets_and_their_names(tmp_path):
    write_set(tmp_path, [])
    write_set(tmp_path, [], dataset="line 1/datasets/night")
    assert supervisely(root=str(tmp_path)).names == ("line 1/night/a.png", "train/a.png")
    assert supervisely(root=str(tmp_path), dataset="train").names == ("a.png",)
    assert "no dataset 'x'; it has line 1/night, train" in refusal(tmp_path, dataset="x")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (shape("line", points={"exterior": [[0, 0], [1, 1]]}), "an object of type line has no pix"),
        (shape("bitmap", bitmap={"data": "x"}), "a bitmap needs data in base64, and origin"),
        (shape("bitmap", bitmap={"data": "AAAA", "origin": [0, 0]}), "the data of its bitmap are"),
        (
            shape("bitmap", bitmap=bitmap([[1, 1]], (5, 0))),
            "a bitmap of 1 x 2 pixels at (5, 0) ",
        ),
        (shape("bitmap", "dent", bitmap=bitmap([[1]])), "there is no class 'dent'; known: scratch"),
        (polygon([[0, 0], [1, 1]]), "a polygon of 2 points; it needs three"),
        (polygon([[0, 0], [9, 1], [2, 2]]), "the point (9, 1) lies outside of the image"),
        ({"geometryType": "polygon"}, "objects.0.classTitle: Field required"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, entry, message):
    file = write_set(tmp_path, [entry])
    text = refusal(tmp_path)
    assert text.startswith(f"{file}: ")
    assert message in text


def test_images_and_labels_without_one_another(tmp_path):
    file = write_set(tmp_path, [])
    other = file.rename(file.with_name("b.png.json"))
    image = tmp_path / "train" / "img" / "a.png"
    assert refusal(tmp_path).splitlines() == [
        f"{other}: b.png is not in {image.parent}",
        f"{image}: no labels {file}; download the project again",
    ]


def test_another_size_than_stated(tmp_path):
    write_set(tmp_path, [], size=(6, 5))
    assert "the labels are for 6 x 5 pixels, the image has 5 x 6" in refusal(tmp_path)


def test_the_doctor_recognises_it(tmp_path):
    write_set(tmp_path, [shape("bitmap", bitmap={"data": "x"})])
    result = diagnosis.diagnose(tmp_path)
    assert (result.layout, result.issues[0].kind) == ("supervisely", "invalid shape")
