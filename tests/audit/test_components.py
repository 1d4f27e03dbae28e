"""Suspects on images of a few pixels, each worked out by hand."""

import math

import numpy as np
import pytest

from steelexp.audit.components import region_of, suspects
from steelexp.evaluation.component_confusion import Box
from steelexp.inference.scoring import ScoredImage


def scored(scores, labels, row=0):
    """An image of scores {class: [H, W]} and labels {class: [H, W] of 0 and 1}."""
    bits = sum(np.array(mask, np.uint8) << c for c, mask in labels.items())
    return ScoredImage(row, np.stack([np.array(s, np.float32) for s in scores], axis=-1), bits)


def only(image, min_area=1):
    (suspect,) = suspects(image, min_area=min_area)
    return suspect


def test_a_prediction_without_a_label_is_missed():
    image = scored([[[0.9, 0.7, 0.1]], [[0.2, 0.0, 0.0]]], {0: [[0, 0, 0]], 1: [[0, 0, 0]]})
    suspect = only(image)
    assert suspect.kind == "missed"
    assert (suspect.label, suspect.other) == (0, None)
    assert (suspect.area, suspect.box) == (2, Box(0, 0, 1, 2))
    assert suspect.disagreement == pytest.approx(0.8)  # mean of 0.9 and 0.7
    assert suspect.loss == pytest.approx(-(math.log(0.1) + math.log(0.3)) / 2)
    assert suspect.other_score == pytest.approx(0.1)
    assert region_of(image, suspect).tolist() == [[True, True, False]]


def test_a_label_with_low_scores_is_invented():
    suspect = only(scored([[[0.1, 0.3, 0.0]]], {0: [[1, 1, 0]]}))
    assert (suspect.kind, suspect.area) == ("invented", 2)
    assert suspect.disagreement == pytest.approx(1 - 0.2)
    assert suspect.loss == pytest.approx(-(math.log(0.1) + math.log(0.3)) / 2)


def test_a_label_that_scores_higher_for_another_class_is_swapped():
    image = scored([[[0.1, 0.3, 0.0]], [[0.9, 0.7, 0.0]]], {0: [[1, 1, 0]], 1: [[0, 0, 0]]})
    suspect = only(image)  # the prediction of class 1 is covered by a label, so it is not missed
    assert (suspect.kind, suspect.label, suspect.other) == ("swapped", 0, 1)
    assert suspect.disagreement == pytest.approx((1 + 0.8 - 0.2) / 2)
    assert region_of(image, suspect).tolist() == [[True, True, False]]


def test_a_cut_label_is_ragged():
    # Beside the label lie two predicted pixels; all five confident ones are together.
    suspect = only(scored([[[1.0, 1.0, 1.0, 0.9, 0.7, 0.0]]], {0: [[1, 1, 1, 0, 0, 0]]}))
    assert suspect.kind == "ragged"
    assert suspect.disagreement == pytest.approx((0.8 + 0.4) / 5)


def test_a_wide_label_is_ragged():
    suspect = only(scored([[[1.0, 1.0, 0.1, 0.3, 0.0]]], {0: [[1, 1, 1, 1, 0]]}))
    assert suspect.kind == "ragged"
    assert suspect.disagreement == pytest.approx((0.8 + 0.4) / 4)


def test_a_shifted_label_is_ragged_at_both_ends():
    suspect = only(scored([[[1.0, 1.0, 0.0, 0.0]]], {0: [[0, 1, 1, 0]]}))
    assert suspect.kind == "ragged"
    assert suspect.disagreement == pytest.approx(2 / 3)


def test_a_right_label_has_no_disagreement():
    suspect = only(scored([[[0.0, 1.0, 1.0, 0.0]]], {0: [[0, 1, 1, 0]]}))
    assert (suspect.kind, suspect.disagreement) == ("ragged", 0.0)


def test_pixels_with_a_label_of_their_own_are_not_part_of_a_ragged_border():
    # The prediction of class 0 goes on over a component of class 1.
    scores = [[[1.0, 1.0, 1.0, 1.0]], [[0.0, 0.0, 1.0, 1.0]]]
    found = list(suspects(scored(scores, {0: [[1, 1, 0, 0]], 1: [[0, 0, 1, 1]]}), min_area=1))
    assert [(each.label, each.kind, each.disagreement) for each in found] == [
        (0, "ragged", 0.0),
        (1, "ragged", 0.0),
    ]


def test_a_pixel_of_two_labelled_classes_is_not_swapped():
    scores = [[[0.6, 0.6]], [[1.0, 1.0]]]
    found = suspects(scored(scores, {0: [[1, 1]], 1: [[1, 1]]}), min_area=1)
    assert [each.kind for each in found] == ["ragged", "ragged"]


def test_small_components_are_left_out():
    image = scored([[[0.0, 0.0, 0.9, 0.0]]], {0: [[1, 0, 0, 0]]})
    assert [each.kind for each in suspects(image, min_area=1)] == ["invented", "missed"]
    assert list(suspects(image, min_area=2)) == []


def test_the_region_is_that_of_the_component():
    image = scored([[[0.0] * 5]], {0: [[1, 0, 1, 1, 0]]})
    first, second = suspects(image, min_area=1)
    assert region_of(image, first).tolist() == [[True, False, False, False, False]]
    assert region_of(image, second).tolist() == [[False, False, True, True, False]]
