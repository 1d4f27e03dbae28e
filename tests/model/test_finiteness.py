import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.model.finiteness import (
    LARGEST_LOGIT,
    NotFiniteError,
    check_scores,
    check_weights,
    scores_of,
)
from tests.fakes import pixel_model


def test_a_logit_that_is_no_number_has_no_score():
    logits = np.array([0, 100, -100, LARGEST_LOGIT, 2 * LARGEST_LOGIT, np.inf, -np.inf, np.nan])
    scores = scores_of(logits.astype(np.float32)).numpy()
    assert scores[:4].tolist() == pytest.approx([0.5, 1, 0, 1])
    assert np.isnan(scores[4:]).all()


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf, 1.1, -0.1])
def test_a_score_that_is_no_number_from_0_to_1_names_image_and_file(score):
    scores = np.full((2, 3, 2), 0.5, np.float32)
    check_scores(scores, 2, image="a.png", network="best.h5")
    scores[1, 2, 1] = score
    with pytest.raises(NotFiniteError) as error:
        check_scores(scores, 2, image="a.png", network="best.h5")
    assert str(error.value).startswith(f"best.h5: gives a score of {score:g} on a.png, and scores")
    assert "\n" not in str(error.value)


def test_the_ends_of_the_range_are_scores():
    check_scores(np.array([[[0.0, 1.0]]], np.float32), 2, image="a.png", network="best.h5")


def test_scores_of_another_number_of_classes_are_refused():
    scores = np.zeros((2, 3, 2), np.float32)
    with pytest.raises(UserError, match=r"^net: gives scores of 2 classes, .* card names 3; "):
        check_scores(scores, 3, image="a.png", network="net")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_named(value):
    check_weights(pixel_model((1.0, 0.0)), "best.h5")
    with pytest.raises(NotFiniteError, match=r"^best\.h5: the weights \S+ hold NaN or infinity; "):
        check_weights(pixel_model((1.0, value)), "best.h5")
