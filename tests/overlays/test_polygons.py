import numpy as np
from comet_ml.validation.image.annotation_validator import ImageAnnotationValidator

from steelexp.overlays.polygons import layers


def bits(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    """A mask of 20 x 40: each box is (bit, top, bottom, left, right), ends not included."""
    mask = np.zeros((20, 40), np.uint8)
    for bit, top, bottom, left, right in boxes:
        mask[top:bottom, left:right] |= 1 << bit
    return mask


def corners(points: list[int]) -> set[tuple[int, int]]:
    return set(zip(points[::2], points[1::2], strict=True))


def test_a_box_is_its_four_corner_pixels_by_class_and_layer() -> None:
    truth, prediction = bits((0, 2, 8, 5, 11)), bits((1, 10, 15, 20, 31))
    first, second = layers(truth, prediction, classes=("1", "2"))
    assert (first["name"], second["name"]) == ("truth", "prediction")
    (entry,) = first["data"]
    assert entry["label"] == "1"
    assert [corners(p) for p in entry["points"]] == [{(5, 2), (10, 2), (10, 7), (5, 7)}]
    (entry,) = second["data"]
    assert entry["label"] == "2"
    assert [corners(p) for p in entry["points"]] == [{(20, 10), (30, 10), (30, 14), (20, 14)}]


def test_polygons_are_scaled_with_the_picture() -> None:
    truth, _ = layers(bits((0, 2, 8, 5, 11)), bits(), classes=("1",), scale=3)
    assert corners(truth["data"][0]["points"][0]) == {(15, 6), (30, 6), (30, 21), (15, 21)}


def test_two_regions_of_a_class_are_two_polygons_and_classes_may_overlap() -> None:
    mask = bits((0, 2, 8, 2, 8), (0, 2, 8, 20, 28), (1, 4, 12, 4, 12))
    truth, _ = layers(mask, bits(), classes=("1", "2"))
    assert {entry["label"]: len(entry["points"]) for entry in truth["data"]} == {"1": 2, "2": 1}


def test_nothing_and_what_is_too_thin_is_left_out() -> None:
    truth, prediction = layers(bits((0, 3, 4, 3, 4), (0, 9, 10, 1, 20)), bits(), classes=("1",))
    assert truth["data"] == prediction["data"] == []


def test_comets_client_takes_them() -> None:
    both = layers(bits((0, 2, 8, 5, 11)), bits((1, 3, 9, 5, 30)), classes=("1", "2"))
    assert ImageAnnotationValidator(both).validate()
