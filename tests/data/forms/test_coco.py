import json

import cv2
import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.doctor import diagnosis
from steelexp.data.forms.coco import coco

SQUARE = [1, 1, 3, 1, 3, 2, 1, 2]
"""The pixels of rows 1 and 2 and columns 1 to 3."""


def write_set(folder, annotations, images=None, categories=None, file="annotations.json"):
    """Two images of 4 x 6 pixels, `a.png` with id 10 and `b.png` with id 20, and a COCO file."""
    (folder / "images").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / "images" / name), np.full((4, 6), 7, np.uint8))
    entries = images or [{"id": 10, "file_name": "a.png"}, {"id": 20, "file_name": "b.png"}]
    names = categories or [{"id": 5, "name": "scratch"}, {"id": 2, "name": "patch"}]
    content = {"images": entries, "categories": names, "annotations": annotations}
    target = folder / file
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(content))
    return target


def annotation(segmentation, image_id=10, category_id=5, **more):
    content = {"id": 1, "image_id": image_id, "category_id": category_id}
    return content | {"segmentation": segmentation, **more}


def refusal(folder, **settings):
    with pytest.raises(DataError) as refused:
        coco(root=str(folder), **settings)
    return str(refused.value)


def test_polygons_by_hand(tmp_path):
    write_set(tmp_path, [annotation([SQUARE]), annotation([[2, 2, 5, 2, 5, 3]], category_id=2)])
    dataset = coco(root=str(tmp_path))
    assert dataset.classes == ("scratch", "patch")
    assert dataset.mask(0).tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 3, 3, 2, 2],  # both classes where they overlap
        [0, 0, 0, 0, 2, 2],
    ]
    assert dataset.mask(1).tolist() == [[0] * 6] * 4  # without annotations: clean
    assert dataset.pixels.tolist() == [[6, 6], [0, 0]]


def test_several_polygons_are_one_area(tmp_path):
    write_set(tmp_path, [annotation([[0, 0, 1, 0, 1, 0], SQUARE])])
    assert coco(root=str(tmp_path)).pixels.tolist() == [[8, 0], [0, 0]]


def test_a_line_of_one_pixel_keeps_its_pixels(tmp_path):
    write_set(tmp_path, [annotation([[0, 1, 5, 1, 5, 1]])])
    assert coco(root=str(tmp_path)).mask(0).tolist()[1] == [1] * 6


def test_run_length_codes_run_down_the_columns(tmp_path):
    code = {"size": [4, 6], "counts": [1, 3, 20]}
    write_set(tmp_path, [annotation(code, iscrowd=1)])
    assert coco(root=str(tmp_path)).mask(0)[:, 0].tolist() == [0, 1, 1, 1]


def test_the_order_of_the_classes_can_be_named(tmp_path):
    write_set(tmp_path, [annotation([SQUARE])])
    dataset = coco(root=str(tmp_path), classes=("patch", "scratch"))
    assert dataset.pixels.tolist() == [[0, 6], [0, 0]]


def test_a_category_can_be_ignored(tmp_path):
    write_set(tmp_path, [annotation([SQUARE]), annotation([[2, 2, 5, 2, 5, 3]], category_id=2)])
    dataset = coco(root=str(tmp_path), ignore="patch")
    assert (dataset.classes, dataset.has_ignore) == (("scratch",), True)
    assert dataset.pixels.tolist() == [[4], [0]]  # 2 of the 6 are ignored


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (annotation([SQUARE], image_id=99), "image_id 99 is of no image of the file"),
        (annotation([SQUARE], category_id=7), "there is no class 'category_id 7'; known: scratch"),
        (
            annotation([]),
            "a.png: annotations[0] (id 1): a box without a segmentation has no",
        ),
        (annotation([[1, 1, 2, 2]]), "a polygon of 2 points; it needs three"),
        (annotation([[1, 1, 2, 2, 3]]), "5 coordinates, an odd number: a y is missing"),
        (annotation([[1, 1, 2, "x", 3, 3]]), "the points are not pairs of numbers"),
        (annotation([[1, 1, 7.5, 1, 3, 3]]), "(7.5, 1) lies outside of the image of 4 x 6 pixels"),
        (annotation({"size": [6, 4], "counts": [24]}), "RLE for 6 x 4 pixels, the image has 4 x 6"),
        (annotation({"size": [4, 6], "counts": [20]}), "RLE of 20 pixels, and the mask has 24"),
        (annotation({"size": [4, 6], "counts": [-1, 25]}), "RLE with a negative count (-1)"),
        (annotation({"size": [4, 6], "counts": [2**62] * 4 + [24]}), "more pixels than the mask"),
        (annotation({"size": [4, 6], "counts": [10**30]}), "RLE with a count of more than 64 bits"),
        (annotation({"size": [4, 6], "counts": "h 4"}), "character 2 (' ') is not of its alphabet"),
        (annotation({"counts": [24]}), "an RLE needs counts, and size as [height, width]"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, entry, message):
    file = write_set(tmp_path, [entry])
    text = refusal(tmp_path)
    assert text.startswith(f"{file}: ")
    assert message in text


def test_all_problems_are_listed_and_the_doctor_sees_them(tmp_path):
    entries = [annotation([]), annotation([[1, 1, 9, 1, 3, 3]]), annotation([SQUARE], image_id=3)]
    write_set(tmp_path, entries)
    assert len(refusal(tmp_path).splitlines()) == 2  # shapes are drawn once the file is in order
    kinds = sorted(issue.kind for issue in diagnosis.diagnose(tmp_path).issues)
    assert kinds == ["blank image"] * 2 + ["duplicate image"] + ["invalid shape"] * 2 + [
        "missing image"
    ]


def test_missing_and_repeated_images(tmp_path):
    images = [
        {"id": 10, "file_name": "A.png"},
        {"id": 20, "file_name": "b.png"},
        {"id": 20, "file_name": "a.png"},
    ]
    file = write_set(tmp_path, [], images=images)
    assert refusal(tmp_path).splitlines() == [
        f"{file}: images[0] (id 10): A.png is not in {tmp_path}/images; did you mean a.png?",
        f"{file}: images[2] (id 20): a.png: its id or its file occurs twice",
    ]


def test_another_size_than_stated(tmp_path):
    images = [{"id": 10, "file_name": "a.png", "height": 6, "width": 4}]
    file = write_set(tmp_path, [annotation([SQUARE])], images=images)
    assert refusal(tmp_path) == (
        f"{file}: a.png: the labels are for 6 x 4 pixels, the image has 4 x 6 (height x width)"
    )


def test_a_mark_of_the_byte_order_is_no_content(tmp_path):
    file = write_set(tmp_path, [annotation([SQUARE])])
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert coco(root=str(tmp_path)).pixels.tolist() == [[6, 0], [0, 0]]


def test_a_file_that_is_cut_short(tmp_path):
    file = write_set(tmp_path, [annotation([SQUARE])])
    file.write_text(file.read_text()[:-9])
    assert f"{file}: not JSON: EOF while parsing" in refusal(tmp_path)


def test_a_key_that_is_missing(tmp_path):
    file = write_set(tmp_path, [{"id": 1, "image_id": 10}])
    assert refusal(tmp_path) == f"{file}: annotations.0.category_id: Field required"


def test_several_files_have_to_be_chosen_from(tmp_path):
    write_set(tmp_path, [annotation([SQUARE])], file="annotations/train.json")
    (tmp_path / "annotations" / "val.json").write_bytes(
        (tmp_path / "annotations" / "train.json").read_bytes()
    )
    files = "annotations/train.json, annotations/val.json"
    assert refusal(tmp_path) == (
        f"{tmp_path}: not one COCO file but 2 ({files}); name it with data.annotations"
    )
    dataset = coco(root=str(tmp_path), annotations="annotations/val.json")
    assert dataset.pixels.tolist() == [[6, 0], [0, 0]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": ("dent",)}, "data.classes: FILE has no class 'dent'; it has scratch, patch"),
        ({"ignore": "dent"}, "data.ignore: FILE has no class 'dent'; it has scratch, patch"),
        ({"classes": ("patch",)}, "annotations[0] (id 1): there is no class 'scratch'; known: pat"),
        ({"classes": ("patch", "patch")}, "data.classes: patch, patch: a name occurs twice"),
        ({"classes": ("patch",), "ignore": "patch"}, "'patch' is data.ignore, too; leave it out"),
        ({"images": "photos"}, "data.images: there is no folder"),
        ({"annotations": "x.json"}, "data.annotations: there is no file"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, settings, message):
    file = write_set(tmp_path, [annotation([SQUARE])])
    assert message.replace("FILE", str(file)) in refusal(tmp_path, **settings)


def test_a_subset(tmp_path):
    write_set(tmp_path, [annotation([SQUARE])])
    assert len(coco(root=str(tmp_path), subset=1)) == 1
    assert refusal(tmp_path, subset=3).startswith("data.subset: 3 of 2 images")
