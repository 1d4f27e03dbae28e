import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.data.augment.donors import Donors
from steelexp.data.augment.occlusion import black_areas, blackout, cut_out, sheet_edge
from steelexp.data.dataset import DataError

DONORS = Donors(("1", "2", "3", "4"), lambda rng, number: None)


def steel(count=1, size=64):
    """Grey 100 to 139, and labels of class 1 everywhere."""
    grey = np.tile(np.arange(size, dtype=np.uint8) % 40 + 100, (count, size, 1))
    return grey, np.ones_like(grey)


def edged(seed, count=40, **settings):
    grey, bits = steel(count)
    rng = np.random.default_rng(seed)
    return grey, *sheet_edge(grey, bits, rng, DONORS, probability=1.0, **settings)


def test_black_areas_are_areas():
    grey = np.full((40, 40), 100, np.uint8)
    grey[20:27, 24:31] = 0  # a dark spot
    grey[:, :12] = 5
    assert (black_areas(grey) == (np.arange(40) < 15)).all()  # a 3 x 3 mean of 37 is not dark


def test_beyond_the_edge_it_is_black_and_without_labels():
    grey, changed, labels = edged(0)
    for before, tile, marked in zip(grey, changed, labels, strict=True):
        dark = tile < before // 2  # more black than steel
        assert (marked[dark] == 0).all()
        assert marked[tile == before].all()
        if marked[:, 0].any():  # black from the right
            tile, marked = tile[:, ::-1], marked[:, ::-1]
        borders = np.count_nonzero(marked == 0, axis=1)  # [h]
        for row, border in zip(marked, borders, strict=True):
            assert not row[:border].any()  # one piece, from the side inwards
            assert row[border:].all()
        beyond = tile[:, : max(borders.min() - 7, 0)]
        assert beyond.max(initial=0) < 20


def test_black_is_as_wide_as_said_and_on_either_side():
    _, _, labels = edged(1, count=300, width=0.5)
    share = (labels == 0).mean(axis=(1, 2))
    # half of the softness is counted as black: 2 to 6 of 64 pixels
    assert share.max() < 0.5 + 6 / 64 + 0.01
    assert share.max() > 0.5
    assert share.mean() == pytest.approx(0.25 + 4 / 64, abs=0.03)
    from_left = (labels[:, :, 0] == 0).mean(axis=1) > 0.5
    assert from_left.sum() == pytest.approx(150, abs=35)


def test_the_edge_is_soft_and_not_straight():
    _, changed, labels = edged(2, count=60, width=1.0)
    borders = np.count_nonzero(labels == 0, axis=2)  # [B, h]
    assert (borders.max(axis=1) - borders.min(axis=1)).mean() > 1
    assert borders.std(axis=1).max() < 4
    between = ((changed > 25) & (changed < 90)).sum(axis=2).mean()
    assert 2 < between < 8


@pytest.mark.parametrize("side", [slice(0, 9), slice(-9, None)])
def test_a_tile_that_shows_an_edge_is_left_alone(side):
    grey, bits = steel(8)
    grey[:, :, side] = 4
    rng = np.random.default_rng(0)
    changed, labels = sheet_edge(grey, bits, rng, DONORS, probability=1.0)
    assert (changed == grey).all()
    assert (labels == bits).all()


def test_blackout_removes_exactly_a_component_and_its_margin():
    grey = np.full((1, 6, 7), 90, np.uint8)
    bits = np.zeros_like(grey)
    bits[0, 2:4, 2] = 4  # a component of class 3
    bits[0, 3, 3] = 4
    bits[0, 5, 6] = 2  # another of class 2
    rng = np.random.default_rng(0)
    changed, labels = blackout(grey, bits, rng, DONORS, classes=("3",), margin=1, probability=1.0)
    black = np.zeros((6, 7), bool)
    black[1:5, 1:5] = True  # rows 2 to 3, columns 2 to 3, and one pixel around
    assert (changed[0] == np.where(black, 0, 90)).all()
    assert np.argwhere(labels[0]).tolist() == [[5, 6]]
    assert labels[0, 5, 6] == 2


def test_blackout_stops_at_the_tile_and_takes_other_labels_in_the_box():
    grey = np.full((1, 4, 4), 90, np.uint8)
    bits = np.zeros_like(grey)
    bits[0, 0, 0], bits[0, 1, 1], bits[0, 3, 3] = 1, 8, 8
    rng = np.random.default_rng(0)
    changed, labels = blackout(grey, bits, rng, DONORS, classes=("1",), margin=2, probability=1.0)
    assert (changed[0, :3, :3] == 0).all()
    assert np.count_nonzero(changed) == 7
    assert np.argwhere(labels[0]).tolist() == [[3, 3]]


def test_blackout_takes_any_class_when_none_is_named_and_one_defect_at_a_time():
    bits = np.zeros((200, 8, 8), np.uint8)
    bits[:, 0, 0], bits[:, 7, 7] = 1, 8
    grey = np.full_like(bits, 90)
    rng = np.random.default_rng(0)
    _, labels = blackout(grey, bits, rng, DONORS, margin=0, probability=1.0)
    assert (np.count_nonzero(labels, axis=(1, 2)) == 1).all()
    assert np.count_nonzero(labels == 1) == pytest.approx(100, abs=30)


@pytest.mark.parametrize("count", [0, 1])
def test_blackout_refuses_unknown_classes_whatever_is_drawn(count):
    grey, bits = steel(count)
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match=r"augment\.blackout\.classes: 7: .*allowed: 1, 2, 3, 4"):
        blackout(grey, bits, rng, DONORS, classes=("3", "7"), probability=0.0)


class TestCutOut:
    def test_by_hand(self):
        class Fixed:
            def __init__(self, *draws):
                self.draws = list(draws)

            def integers(self, low, high, shape):
                return np.broadcast_to(self.draws.pop(0), shape)

            def random(self, count):
                return np.zeros(count)

        grey = np.array([[[10, 20, 30, 40], [50, 60, 70, 80]]], np.uint8)  # mean 45
        changed, bits = cut_out(grey, grey, Fixed([0, 3], [1, 2]), DONORS, side=0.5)
        assert changed[0].tolist() == [[10, 20, 45, 45], [50, 60, 70, 80]]
        assert bits[0].tolist() == [[10, 20, 0, 0], [50, 60, 70, 80]]
        beyond, bits = cut_out(grey, grey, Fixed([0, 0], [2, 2]), DONORS, side=1.0)
        assert beyond[0].tolist() == [[45, 20, 30, 40], [50, 60, 70, 80]]
        assert bits[0, 0, 0] == 0

    @given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 60), st.integers(1, 4))
    def test_hides_at_most_what_it_says(self, seed, height, width, count):
        grey = np.full((2, height, width), 200, np.uint8)
        grey[:, 0, 0] = 0
        bits = np.ones_like(grey)
        rng = np.random.default_rng(seed)
        changed, labels = cut_out(grey, bits, rng, DONORS, side=0.3, count=count, probability=1.0)
        hidden = labels == 0
        largest = max(round(0.3 * height), 1) * max(round(0.3 * width), 1)
        assert (hidden.sum(axis=(1, 2)) <= count * largest).all()
        assert hidden.any(axis=(1, 2)).all()
        np.testing.assert_array_equal(changed[~hidden], grey[~hidden])
