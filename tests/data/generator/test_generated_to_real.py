"""The comparison with chance of networks that were trained on synthetic strips."""

import numpy as np
import pytest

from benchmarks.generated_to_real import dice_of_pairs, dice_positive

# Two strips of four pixels, two classes: [S, C, H * W].
PREDICTED = np.array([[[1, 1, 0, 0], [0, 0, 0, 0]], [[1, 0, 1, 0], [0, 0, 0, 1]]], bool)
TRUE = np.array([[[1, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 1, 1], [0, 0, 0, 1]]], bool)


def test_dice_of_every_prediction_with_every_label_by_hand():
    dice = dice_of_pairs(PREDICTED, TRUE)
    assert dice[0] == pytest.approx(np.array([[2 / 3, 0], [2 / 3, 1 / 2]]))  # class 1
    assert dice[1] == pytest.approx(np.array([[0, 0], [0, 1]]))  # class 2


def test_only_strips_with_the_class_count_and_a_deal_takes_the_prediction_of_another():
    dice = dice_of_pairs(PREDICTED, TRUE)
    labelled = TRUE.any(axis=2).T
    assert dice_positive(dice, labelled, np.array([0, 1])) == pytest.approx([7 / 12, 1])
    assert dice_positive(dice, labelled, np.array([1, 1])) == pytest.approx([7 / 12, 1])
    assert dice_positive(dice, labelled, np.array([0, 0])) == pytest.approx([1 / 3, 0])
