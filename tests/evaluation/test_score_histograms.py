import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.counts import Counts, dice
from steelexp.evaluation.score_histograms import (
    GRID,
    NEAR_ONE,
    ScoreCounter,
    ScoreHistograms,
    binned,
    edges_of,
    grid_with,
    histogram,
)
from steelexp.inference.scoring import ScoredImage

HALVES = np.array([0.25, 0.5, 0.75])


def test_counts_by_hand():
    # One image, one class: scores 0.1, 0.6, 0.9 on the class, 0.3 and 0.8 beside it.
    scores = ScoreHistograms(HALVES, np.array([[[1, 0, 1, 1]]]), np.array([[[0, 1, 0, 1]]]))
    found = [tuple(part.item() for part in scores.counts_at(np.array(k))) for k in range(3)]
    assert found == [(2, 2, 1), (2, 1, 1), (1, 1, 2)]


def test_each_class_has_its_own_threshold():
    scores = ScoreHistograms(
        HALVES, np.array([[[0, 0, 4, 0], [0, 0, 4, 0]]]), np.zeros((1, 2, 4), int)
    )
    counts = scores.counts_at(np.array([1, 2]))
    assert counts.tp.tolist() == [[4, 0]]
    assert counts.fn.tolist() == [[0, 4]]


def test_a_threshold_of_ones_own_is_on_the_grid():
    grid = grid_with(0.333)
    assert set(grid.tolist()) == {*GRID, *NEAR_ONE, 0.333}
    empty = np.zeros((1, 1, len(grid) + 1), np.int64)
    assert grid[ScoreHistograms(grid, empty, empty).index_of(0.333)] == 0.333
    assert len(grid_with(0.5)) == len(grid) - 1
    with pytest.raises(ValueError):
        ScoreHistograms(grid, empty, empty).index_of(0.3331)


def test_a_histogram_by_hand():
    scores = np.array([[0.1, 0.25, 0.3], [0.5, 0.75, 1.0]], np.float32)
    truth = np.array([[1, 1, 0], [0, 1, 1]], bool)
    assert histogram(scores, truth, edges_of(HALVES)).tolist() == [[0, 1, 1, 0], [1, 1, 0, 2]]
    assert histogram(0 * scores, truth, edges_of(HALVES)).tolist() == [[2, 0, 0, 0], [4, 0, 0, 0]]


def test_images_of_any_size_are_kept_in_their_order():
    counter = ScoreCounter(HALVES)
    for row, width in ((7, 1), (3, 4)):
        scores = np.full((2, width, 2), (0.3, 0.9), np.float32)
        counter.add(ScoredImage(row, scores, np.full((2, width), 0b10, np.uint8)))
    histograms = counter.histograms
    assert histograms.other.tolist() == [
        [[0, 2, 0, 0], [0] * 4],
        [[0, 8, 0, 0], [0] * 4],
    ]
    assert histograms.labelled[:, 1].tolist() == [[0, 0, 0, 2], [0, 0, 0, 8]]


def near_edges(draw, edges, shape):
    """Scores on the edges, just below and just above them, and anywhere."""
    on = draw.choice(edges.astype(np.float32), shape)
    kinds = [on, np.nextafter(on, np.float32(0)), np.nextafter(on, np.float32(1))]
    kinds.append(draw.random(shape, np.float32))
    return np.choose(draw.integers(0, len(kinds), shape), kinds)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_dice_is_that_of_masks_at_every_threshold(seed):
    draw, thresholds = np.random.default_rng(seed), grid_with(0.333)
    scores, truth = near_edges(draw, thresholds, (6, 40)), draw.random((6, 40)) < 0.3
    bins = histogram(scores, truth, edges_of(thresholds))
    found = ScoreHistograms(thresholds, bins[None, None, 1], bins[None, None, 0])
    for k, threshold in enumerate(thresholds):
        mask = scores >= np.float32(threshold)
        pairs = (mask & truth, mask & ~truth, ~mask & truth)
        by_mask = Counts(*(np.array([[pair.sum()]]) for pair in pairs))
        assert found.counts_at(np.array(k)) == by_mask
        assert dice(found.counts_at(np.array(k))) == dice(by_mask)


def test_no_score_is_rounded_over_an_edge():
    for edges in (edges_of(grid_with(0.333)), edges_of(np.arange(1, 250) / 250)):
        on = edges.values
        scores = np.concatenate([on, np.nextafter(on, np.float32(0)), np.nextafter(on, on + 1)])
        assert binned(scores, edges).tolist() == np.searchsorted(on, scores, "right").tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_bins_are_those_of_a_search(seed, count):
    draw = np.random.default_rng(seed)
    edges = np.unique(draw.uniform(0.001, 0.999, count).astype(np.float32))
    crowded = np.unique(np.append(edges, edges[0] + np.arange(4, dtype=np.float32) * 1e-5))
    for each in (edges, crowded[crowded < 1]):
        scores = np.append(near_edges(draw, each, (300,)), np.array([0, 1], np.float32))
        assert (
            binned(scores, edges_of(each)).tolist()
            == np.searchsorted(each, scores, "right").tolist()
        )
