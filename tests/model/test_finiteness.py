import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.inference.scoring import build_scorer
from steelexp.model.finiteness import (
    NotFiniteError,
    are_numbers,
    check_scores,
    check_weights,
)
from tests.fakes import pixel_model


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("logit", "is_number"),
    [(100, True), (2.0**24, True), (2.0**24 + 2, False), (np.inf, False), (np.nan, False)],
)
def test_one_logit_tells_for_its_image(logit, is_number, sign):
    logits = np.zeros((2, 3, 4, 2), np.float32)
    logits[1, 2, 0, 1] = sign * logit
    assert are_numbers(logits).numpy().tolist() == [True, is_number]


def test_the_scores_of_an_image_with_such_a_logit_are_nan():
    """Also where the sigmoid is 1. The other image of the batch keeps its scores."""
    model = pixel_model((0.0, 0.0), (1e30, 0.0))
    grey = np.zeros((2, 32, 32, 1), np.uint8)
    grey[1, 3, 4] = 255
    for flips in (False, True):
        scores = build_scorer(model, flips=flips)(grey).pixels
        assert (scores[0] == 0.5).all()
        assert np.isnan(scores[1]).all()


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
