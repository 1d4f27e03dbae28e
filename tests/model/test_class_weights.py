import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.errors import UserError
from steelexp.model.class_weights import (
    CLASS_WEIGHTS,
    ClassFrequency,
    count_classes,
    effective_number,
    inverse,
    inverse_sqrt,
    median_frequency,
)


def frequency(images, share=None):
    share = [0.1] * len(images) if share is None else share
    return ClassFrequency(np.array(images), np.array(share))


COUNTS = st.lists(st.integers(1, 10_000), min_size=1, max_size=6)


def test_count_classes_by_hand():
    # Class 0 on images 0 and 1: 10 + 30 of 100 + 100 pixels. Class 1 on 1 and 2: 20 + 40 of 100
    # + 200. Image 3 is clean and counts for neither.
    pixels = np.array([[10, 0], [30, 20], [0, 40], [0, 0]])
    counts = count_classes(pixels, np.array([[10, 10], [10, 10], [10, 20], [10, 10]], np.int32))
    assert counts.images.tolist() == [2, 2]
    assert counts.pixel_share == pytest.approx([40 / 200, 60 / 300])


def test_count_classes_does_not_overflow():
    # 100,000 images of 409,600 pixels are 4e10, beyond int32.
    pixels = np.full((100_000, 1), 409_600, np.int32)
    counts = count_classes(pixels, np.tile(np.array([256, 1600], np.int32), (100_000, 1)))
    assert counts.images.tolist() == [100_000]
    assert counts.pixel_share.tolist() == [1.0]


def test_a_class_that_occurs_nowhere_is_refused():
    pixels = np.array([[5, 0, 1, 0], [5, 0, 0, 0]])
    with pytest.raises(UserError, match=r"of 4 classes, number 2, 4 .* of the 2 training"):
        count_classes(pixels, np.array([[4, 4], [4, 4]]))


def test_inverse_by_hand():
    # 1, 1/2, 1/4: their mean is 7/12.
    assert inverse(frequency([100, 200, 400])) == pytest.approx([12 / 7, 6 / 7, 3 / 7])


def test_inverse_sqrt_by_hand():
    # 1, 1/2, 1/4 again.
    assert inverse_sqrt(frequency([1, 4, 16])) == pytest.approx([12 / 7, 6 / 7, 3 / 7])


def test_median_frequency_by_hand():
    # The paper: median 0.2 over 0.1, 0.2, 0.4 is 2, 1, 1/2; their mean is 7/6. How many images hold
    # a class does not count.
    weights = median_frequency(frequency([9, 1, 5], [0.1, 0.2, 0.4]))
    assert weights == pytest.approx([12 / 7, 6 / 7, 3 / 7])


def test_effective_number_by_hand():
    # beta = 1/2: 1 image is worth 1, 2 are worth 1.5. 1 and 2/3: their mean is 5/6.
    assert effective_number(frequency([1, 2]), beta=0.5) == pytest.approx([6 / 5, 4 / 5])


def test_effective_number_reaches_from_ones_to_inverse():
    counts = frequency([247, 801, 897, 5150])
    assert effective_number(counts, beta=0.0) == pytest.approx([1, 1, 1, 1])
    assert effective_number(counts, beta=1 - 1e-9) == pytest.approx(inverse(counts), rel=1e-4)


@pytest.mark.parametrize("kind", sorted(CLASS_WEIGHTS))
@given(images=COUNTS)
def test_the_mean_is_one_and_rarer_classes_weigh_more(kind, images):
    weights = CLASS_WEIGHTS[kind](frequency(images, [n / 20_000 for n in images]))
    assert weights.mean() == pytest.approx(1)
    assert (weights > 0).all()
    falling = weights[np.argsort(images)]
    assert (np.diff(falling) <= 1e-9).all()
