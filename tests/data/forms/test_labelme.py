import base64
import json
import os

import cv2
import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.doctor import diagnosis
from steelexp.data.forms.bitmaps import encode_bitmap
from steelexp.data.forms.labelme import labelme

SQUARE = [[1, 1], [3, 1], [3, 2], [1, 2]]
DOT = base64.b64encode(encode_bitmap(np.ones((1, 1), bool))).decode()


def shape(points, label="scratch", shape_type="polygon", **more):
    return {"label": label, "points": points, "shape_type": shape_type, **more}


def write_set(folder, shapes, labels="", height=4):
    """An image of 4 x 6 pixels with its JSON file, and a clean one with an empty one."""
    for name, content in (("a", shapes), ("b", [])):
        file = folder / labels / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), np.full((4, 6), 7, np.uint8))
        values = {"version": "6.3.1", "imagePath": f"{name}.png", "imageData": "no base64"}
        values |= {"shapes": content, "imageHeight": height, "imageWidth": 6}
        file.write_text(json.dumps(values))
    return folder / labels / "a.json"


def refusal(folder, **settings):
    with pytest.raises(DataError) as refused:
        labelme(root=str(folder), **settings)
    return str(refused.value)


def test_polygons_and_clean_images_by_hand(tmp_path):
    write_set(tmp_path, [shape(SQUARE), shape([[2, 2], [5, 2], [5, 3]], "patch")])
    dataset = labelme(root=str(tmp_path))
    assert dataset.classes == ("patch", "scratch")
    assert dataset.mask(0).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 2, 2, 2, 0, 0],
        [0, 2, 3, 3, 1, 1],
        [0, 0, 0, 0, 1, 1],
    ]
    assert dataset.labelled == [True, False]


@pytest.mark.parametrize(
    ("entry", "pixels"),
    [
        (shape([[3.2, 2.4], [0.6, 0]], shape_type="rectangle"), 9),
        (shape([[2, 2], [2, 3]], shape_type="circle"), 5),
        (shape([[0, 0], [5, 0]], shape_type="line"), 6),
        (shape([[0, 0], [5, 0], [5, 3]], shape_type="linestrip"), 9),
        (shape(SQUARE, shape_type=None), 6),
    ],
)
def test_other_shapes(tmp_path, entry, pixels):
    write_set(tmp_path, [entry])
    assert labelme(root=str(tmp_path), line_width=1).pixels.tolist() == [[pixels], [0]]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (shape([[1, 1], [2, 2]], shape_type="line"), "a line has no width; set data.line_width"),
        (
            shape([[1, 1]], shape_type="point"),
            "a shape of type point has no pixels; draw a",
        ),
        (shape([[1, 1], [2, 2]]), "shapes[0] (scratch): a polygon of 2 points; it needs three"),
        (shape([[1, 1]], shape_type="circle"), "a circle of 1 points; it needs 2"),
        (shape([[1, 1], [2, 9], [1, 3]]), "the point (2, 9) lies outside of the image of 4 x 6"),
        (shape([[1, 1], [2, 2]], shape_type="mask", mask="?"), "its mask is not in base64"),
        (shape([[1, 1], [2, 2]], shape_type="mask", mask="AAAA"), "its mask is not a PNG"),
        (
            shape([[1, 1], [2, 2]], shape_type="mask", mask=DOT),
            "its mask has 1 x 1 pixels, its box 2 x 2 (height x width)",
        ),
        ({"points": SQUARE}, "shapes.0.label: Field required"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, entry, message):
    file = write_set(tmp_path, [entry])
    text = refusal(tmp_path, classes=("scratch",))
    assert text.startswith(f"{file}: ")
    assert message in text


def test_labels_in_a_folder_of_their_own(tmp_path):
    write_set(tmp_path, [shape(SQUARE)], labels="json")
    assert labelme(root=str(tmp_path), labels="json").pixels.tolist() == [[6], [0]]
    assert refusal(tmp_path, labels="other").startswith("data.labels: there is no folder")


def test_an_image_without_labels_is_no_clean_image_unless_said_so(tmp_path):
    write_set(tmp_path, [shape(SQUARE)])
    (tmp_path / "b.json").unlink()
    assert refusal(tmp_path) == (
        f"{tmp_path}/b.png: no labels {tmp_path}/b.json; draw them, or set data.absent=clean"
    )
    assert labelme(root=str(tmp_path), absent="clean").pixels.tolist() == [[6], [0]]


def test_labels_without_an_image_and_images_of_one_name(tmp_path):
    write_set(tmp_path, [shape(SQUARE)])
    (tmp_path / "a.png").rename(tmp_path / "A.png")
    cv2.imwrite(str(tmp_path / "b.bmp"), np.zeros((4, 6), np.uint8))
    lines = refusal(tmp_path, absent="clean").splitlines()
    assert any("b.bmp has the same JSON file; rename one of the two" in line for line in lines)
    assert f"{tmp_path}/a.json: there is no image a in {tmp_path}; did you mean A?" in lines


def test_another_size_than_stated(tmp_path):
    file = write_set(tmp_path, [shape(SQUARE)], height=5)
    assert refusal(tmp_path).splitlines()[0] == (
        f"{file}: a.png: the labels are for 5 x 6 pixels, the image has 4 x 6 (height x width)"
    )


def test_an_unknown_label(tmp_path):
    file = write_set(tmp_path, [shape(SQUARE, "scrtch")])
    text = f"{file}: shapes[0] (scrtch): there is no class 'scrtch'; known: scratch, patch"
    assert refusal(tmp_path, classes=("scratch", "patch")) == text


def test_the_name_of_labelme_for_ignored_areas(tmp_path):
    write_set(tmp_path, [shape(SQUARE), shape([[3, 1], [5, 1], [5, 2]], "__ignore__")])
    dataset = labelme(root=str(tmp_path))
    assert (dataset.classes, dataset.has_ignore) == (("scratch",), True)
    assert dataset.mask(0)[1].tolist() == [0, 1, 1, 3, 2, 2]
    assert dataset.pixels.tolist() == [[5], [0]]  # 1 of the 6 is ignored


def test_a_pipe_is_not_waited_for(tmp_path):
    file = write_set(tmp_path, [shape(SQUARE)])
    file.unlink()
    os.mkfifo(file)
    assert refusal(tmp_path) == f"{file}: cannot be read: not a regular file"


def test_the_doctor_recognises_it(tmp_path):
    write_set(tmp_path, [shape(SQUARE), shape([[1, 1], [2, 9], [1, 3]])])
    result = diagnosis.diagnose(tmp_path)
    assert (result.layout, result.classes) == ("labelme", ("scratch",))
    assert [issue.kind for issue in result.issues].count("invalid shape") == 1
