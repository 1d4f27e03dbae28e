from typing import Any

import numpy as np
import pytest
from comet_ml.validation.image.annotation_validator import ImageAnnotationValidator

from steelexp.overlays import polygons
from steelexp.overlays.polygons import layers


def bits(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    """A mask of 20 x 40: each box is (bit, top, bottom, left, right), ends not included."""
    mask = np.zeros((20, 40), np.uint8)
    for bit, top, bottom, left, right in boxes:
        mask[top:bottom, left:right] |= 1 << bit
    return mask


def unscored(
    truth: np.ndarray, prediction: np.ndarray, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Layers of a prediction whose scores are all 1."""
    return layers(truth, prediction, np.ones((20, 40, len(classes)), np.float32), classes=classes)


def corners(points: list[int]) -> set[tuple[int, int]]:
    return set(zip(points[::2], points[1::2], strict=True))


def test_a_box_is_its_four_corner_pixels_by_class_and_layer() -> None:
    truth, prediction = bits((0, 2, 8, 5, 11)), bits((1, 10, 15, 20, 31))
    first, second = unscored(truth, prediction, ("1", "2"))
    assert (first["name"], second["name"]) == ("truth", "prediction")
    (entry,) = first["data"]
    assert entry["label"] == "1"
    assert [corners(p) for p in entry["points"]] == [{(5, 2), (10, 2), (10, 7), (5, 7)}]
    (entry,) = second["data"]
    assert entry["label"] == "2"
    assert [corners(p) for p in entry["points"]] == [{(20, 10), (30, 10), (30, 14), (20, 14)}]


def test_the_score_of_a_component_is_its_mean() -> None:
    scores = np.zeros((20, 40, 2), np.float32)
    scores[2:8, 5:8, 1] = 0.6
    scores[2:8, 8:11, 1] = 0.9
    scores[10:14, 20:24, 1] = 0.5
    scores[..., 0] = 0.99  # of another class
    mask = bits((1, 2, 8, 5, 11), (1, 10, 14, 20, 24))
    _, prediction = layers(mask, mask, scores, classes=("1", "2"))
    assert [entry["score"] for entry in prediction["data"]] == [0.75, 0.5]  # the larger one first
    assert [len(entry["points"]) for entry in prediction["data"]] == [1, 1]


def test_small_components_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polygons, "MOST", 1)
    mask = bits((0, 2, 8, 5, 11), (0, 10, 13, 20, 23), (0, 15, 18, 1, 4))
    truth, prediction = unscored(mask, mask, ("1",))
    assert len(truth["data"][0]["points"]) == 3
    assert prediction["name"] == "prediction, 2 small components left out"
    assert [corners(entry["points"][0]) for entry in prediction["data"]] == [
        {(5, 2), (10, 2), (10, 7), (5, 7)}
    ]


def test_two_regions_of_a_class_are_two_polygons_and_classes_may_overlap() -> None:
    mask = bits((0, 2, 8, 2, 8), (0, 2, 8, 20, 28), (1, 4, 12, 4, 12))
    truth, _ = unscored(mask, bits(), ("1", "2"))
    assert {entry["label"]: len(entry["points"]) for entry in truth["data"]} == {"1": 2, "2": 1}


def test_nothing_and_what_is_too_thin_is_left_out() -> None:
    truth, prediction = unscored(bits((0, 3, 4, 3, 4), (0, 9, 10, 1, 20)), bits(), ("1",))
    assert truth["data"] == prediction["data"] == []


def test_comets_client_takes_them() -> None:
    both = unscored(bits((0, 2, 8, 5, 11)), bits((1, 3, 9, 5, 30)), ("1", "2"))
    assert ImageAnnotationValidator(both).validate()
