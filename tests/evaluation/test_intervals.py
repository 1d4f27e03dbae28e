import numpy as np
import pytest

from steelexp.evaluation.counts import Counts, metrics
from steelexp.evaluation.intervals import intervals


def drawn(groups, seed=0, copies=1):
    """Counts of one class; copies of an image have the same pixels."""
    random = np.random.default_rng(seed)
    held = random.random(groups) < 0.5
    labelled = np.where(held, 1000, 0)
    tp = np.rint(labelled * np.clip(random.normal(0.6, 0.2, groups), 0, 1)).astype(int)
    fp = np.where(held, 100, 300 * (random.random(groups) < 0.3))
    counts = (np.repeat(part, copies)[:, None] for part in (tp, fp, labelled - tp))
    return Counts(*counts), np.repeat(np.arange(groups), copies)


def test_every_metric_has_an_interval_that_holds_it():
    counts, groups = drawn(60)
    found, values = intervals(counts, groups, ["1"]), metrics(counts, ["1"])
    assert set(found) == set(values)
    assert all(low <= values[name] <= high for name, (low, high) in found.items())
    assert found["dice_kaggle"] == found["dice_kaggle/1"]
    assert intervals(counts, groups, ["1"]) == found


def test_a_mean_has_the_interval_of_a_mean():
    # dice_kaggle_all_empty is a mean of 0 and 1 over 400 images.
    counts, groups = drawn(400)
    low, high = intervals(counts, groups, ["1"])["dice_kaggle_all_empty"]
    share = metrics(counts, ["1"])["dice_kaggle_all_empty"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 400), rel=0.1)


def test_copies_of_a_surface_say_nothing_new():
    once, copied = (intervals(*drawn(60, copies=n), ["1"]) for n in (1, 5))
    assert once == copied
    counts, _ = drawn(60, copies=5)
    low, high = intervals(counts, np.arange(300), ["1"])["dice_kaggle"]
    assert high - low < 0.6 * (once["dice_kaggle"][1] - once["dice_kaggle"][0])


def test_what_is_not_defined_has_no_interval():
    never = Counts(*(np.zeros((5, 1), int),) * 3)
    assert "dice_positive" not in intervals(never, np.arange(5), ["1"])
    assert intervals(never, np.arange(5), ["1"])["dice_kaggle"] == (1.0, 1.0)
    assert intervals(*drawn(1), ["1"]) == {}
