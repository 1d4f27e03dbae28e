import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.evaluation.counts import dice
from steelexp.evaluation.score_histograms import GRID, Scores, grid_with, tuned_places

HALVES = np.array([0.25, 0.5, 0.75])


def scores_of(labelled, other, thresholds=HALVES):
    return Scores(thresholds, np.array(labelled), np.array(other))


def test_counts_by_hand():
    # One strip, one class: scores 0.1, 0.6, 0.9 on the class, 0.3 and 0.8 beside it.
    scores = scores_of([[[1, 0, 1, 1]]], [[[0, 1, 0, 1]]])
    found = [tuple(part.item() for part in scores.at(np.array(k))) for k in range(3)]
    assert found == [(2, 2, 1), (2, 1, 1), (1, 1, 2)]


def test_each_class_has_its_own_threshold():
    scores = scores_of([[[0, 0, 4, 0], [0, 0, 4, 0]]], [[[0, 0, 0, 0]] * 2])
    counts = scores.at(np.array([1, 2]))
    assert counts.tp.tolist() == [[4, 0]]
    assert counts.fn.tolist() == [[0, 4]]


def test_the_best_threshold_by_hand():
    # The defect scores 0.6; an empty strip has false alarms of 0.3 and 0.55 in class 0 only.
    labelled = [[[0, 0, 5, 0], [0, 0, 5, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]]
    other = [[[9, 0, 0, 0], [9, 0, 0, 0]], [[9, 1, 0, 0], [9, 0, 0, 0]]]
    scores = scores_of(labelled, other)
    assert tuned_places(scores).tolist() == [1, 1]  # at 0.25 the alarm counts, at 0.75 all is lost
    louder = scores._replace(other=np.array([other[0], [[0, 0, 0, 9], [9, 0, 0, 0]]]))
    # Whatever the threshold, the alarm is there: of 0.25 and 0.5 the one nearest to a half.
    assert tuned_places(louder).tolist() == [1, 1]


def test_false_alarms_raise_a_threshold():
    # 3 of 4 strips are empty and cry at 0.6; the defect itself scores 0.6: silence pays more.
    labelled = [[[0, 0, 5, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 0]], [[0, 0, 0, 0]]]
    other = [[[9, 0, 0, 0]], *[[[9, 0, 1, 0]]] * 3]
    assert HALVES[tuned_places(scores_of(labelled, other))].tolist() == [0.75]


def test_a_threshold_of_ones_own_is_on_the_grid():
    grid = grid_with(0.333)
    assert len(grid) == len(GRID) + 1 == 100
    empty = np.zeros((1, 1, 101), np.int64)
    assert grid[Scores(grid, empty, empty).place(0.333)] == 0.333
    assert len(grid_with(0.5)) == 99
    with pytest.raises(ValueError):
        Scores(grid, empty, empty).place(0.3331)


@given(st.integers(0, 2**32 - 1))
def test_counts_are_those_of_masks_at_every_threshold(seed):
    draw = np.random.default_rng(seed)
    pixels, truth = draw.integers(0, 4, (3, 2, 20)), draw.integers(0, 2, (3, 2, 20))  # bins
    binned = [
        np.stack([((pixels == k) & (truth == label)).sum(axis=2) for k in range(4)], axis=2)
        for label in (1, 0)
    ]
    scores = Scores(HALVES, *binned)
    for k in range(3):
        counts, mask = scores.at(np.array(k)), pixels > k
        assert counts.tp.tolist() == (mask & (truth == 1)).sum(axis=2).tolist()
        assert counts.fp.tolist() == (mask & (truth == 0)).sum(axis=2).tolist()
        assert counts.fn.tolist() == (~mask & (truth == 1)).sum(axis=2).tolist()
    best = tuned_places(scores)
    each = np.stack([dice(scores.at(np.array(k))).mean(axis=0) for k in range(3)])
    chosen = dice(scores.at(best)).mean(axis=0)
    assert chosen == pytest.approx(each.max(axis=0))
