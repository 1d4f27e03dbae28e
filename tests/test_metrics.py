import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steelexp.counts import Counts, dice
from steelexp.metrics import (
    HEADLINES,
    METRICS,
    MONITORS,
    ON_IMAGES,
    TUNABLE,
    image_metrics,
    is_bounded,
    lower_is_better,
    ratio,
)

# Four images and two classes.
BY_HAND = Counts(
    tp=np.array([[3, 0], [0, 2], [0, 0], [0, 0]]),
    fp=np.array([[1, 0], [0, 0], [0, 1], [5, 0]]),
    fn=np.array([[2, 0], [4, 0], [0, 0], [0, 0]]),
)


def one_image(*classes):
    """Counts of one image, (tp, fp, fn) a class."""
    return Counts(*np.array(classes).T[:, None])


def metrics(counts, classes):
    """The metrics of images without the part in their names."""
    values = image_metrics(counts, classes, "val")
    return {name.removeprefix("val_"): value for name, value in values.items()}


def test_dice_by_hand():
    # 2 * 3 / (2 * 3 + 1 + 2); missed; both empty; only false pixels.
    expected = [[6 / 9, 1], [0, 1], [1, 0], [0, 1]]
    np.testing.assert_allclose(dice(BY_HAND), expected)


def test_metrics_by_hand():
    assert metrics(BY_HAND, ("a", "b")) == pytest.approx(
        {
            "dice_positive/a": (2 / 3 + 0) / 2,
            "dice_positive/b": 1.0,
            "dice_positive": 2 / 3,
            "dice_kaggle/a": (2 / 3 + 0 + 1 + 0) / 4,
            "dice_kaggle/b": (1 + 1 + 0 + 1) / 4,
            "dice_kaggle": (5 / 3 + 3) / 8,
            "dice_kaggle_all_empty/a": 2 / 4,
            "dice_kaggle_all_empty/b": 3 / 4,
            "dice_kaggle_all_empty": 5 / 8,
            "empty_accuracy/a": 1 / 2,
            "empty_accuracy/b": 2 / 3,
            "empty_accuracy": 3 / 5,  # of the pairs, not the mean of the classes
            "dice_pooled/a": 2 * 3 / (2 * 3 + 6 + 6),
            "dice_pooled/b": 2 * 2 / (2 * 2 + 1 + 0),
            "dice_pooled": (1 / 3 + 4 / 5) / 2,
            "iou_pooled/a": 3 / 15,
            "iou_pooled/b": 2 / 3,
            "iou_pooled": (1 / 5 + 2 / 3) / 2,
        }
    )


def test_a_class_that_is_nowhere_is_left_out_of_the_means():
    found = metrics(one_image((1, 1, 0), (0, 0, 0)), ("a", "b"))
    undefined = {"dice_positive/b", "dice_pooled/b", "iou_pooled/b", "empty_accuracy/a"}
    assert not undefined & set(found)
    assert found["dice_positive"] == found["dice_pooled"] == pytest.approx(2 / 3)
    assert found["iou_pooled"] == 1 / 2
    assert found["dice_kaggle/b"] == found["empty_accuracy/b"] == found["empty_accuracy"] == 1
    assert found["dice_kaggle"] == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_no_image_holds_counts_where_it_is_predicted():
    found = metrics(one_image((1, 0, 0), (0, 7, 0)), ("a", "b"))
    assert "dice_positive/b" not in found
    assert found["dice_positive"] == 1
    assert found["dice_pooled/b"] == found["iou_pooled/b"] == 0
    assert found["dice_pooled"] == found["iou_pooled"] == 1 / 2
    assert found["empty_accuracy"] == found["empty_accuracy/b"] == 0
    assert found["dice_kaggle"] == found["dice_kaggle_all_empty"] == 1 / 2


def test_where_there_is_nothing_and_nothing_is_predicted_only_the_empty_pairs_count():
    found = metrics(one_image((0, 0, 0)), ("a",))
    names = ("dice_kaggle", "dice_kaggle_all_empty", "empty_accuracy")
    assert found == {f"{name}{part}": 1.0 for name in names for part in ("", "/a")}


def test_where_every_image_holds_every_class_there_is_no_empty_accuracy():
    found = metrics(one_image((1, 0, 0), (0, 0, 3)), ("a", "b"))
    assert not [name for name in found if name.startswith("empty_accuracy")]
    assert found["dice_kaggle_all_empty"] == 0
    assert found["dice_kaggle"] == found["dice_positive"] == 1 / 2


def test_predicting_nothing_scores_what_all_empty_says():
    silent = Counts(BY_HAND.tp * 0, BY_HAND.fp * 0, BY_HAND.fn + BY_HAND.tp)
    found = metrics(silent, ("a", "b"))
    assert found["dice_kaggle"] == found["dice_kaggle_all_empty"] == 5 / 8
    assert found["dice_positive"] == 0
    assert found["empty_accuracy"] == 1


def test_every_metric_has_words_and_a_title():
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.definition
        assert metric.title
    names = {name.partition("/")[0] for name in metrics(BY_HAND, ("a", "b"))}
    assert names == {metric.name for metric in ON_IMAGES}


def test_the_loss_alone_is_better_where_lower_and_without_bounds():
    assert [name for name in METRICS if lower_is_better(name)] == ["loss"]
    assert [name for name in METRICS if not is_bounded(name)] == ["loss"]
    assert lower_is_better("val_loss")
    assert not lower_is_better("val_lossless")
    assert not is_bounded("learning_rate")


def test_metrics_that_nothing_wins_pick_no_epoch():
    empty = Counts(*(np.zeros((2, 1), np.int64),) * 3)
    missed = empty._replace(fn=np.ones((2, 1), np.int64))
    both = Counts(*(np.concatenate(pair) for pair in zip(empty, missed, strict=True)))
    values = image_metrics(both, ("a",), "val")
    assert {name for name in values if values[name] == 1 and "/" not in name} == {
        "val_empty_accuracy"
    }
    assert "val_empty_accuracy" not in MONITORS
    assert "val_loss" in MONITORS
    assert set(HEADLINES) <= {name.removeprefix("val_") for name in MONITORS}


def test_a_metric_is_tunable_where_its_denominator_ignores_the_prediction():
    silent = Counts(BY_HAND.tp * 0, BY_HAND.fp * 0, BY_HAND.fn + BY_HAND.tp)
    fixed = [
        metric.name
        for metric in ON_IMAGES
        if (
            ratio(metric.name, BY_HAND).denominators == ratio(metric.name, silent).denominators
        ).all()
    ]
    assert set(TUNABLE) <= set(fixed)
    assert TUNABLE == ("dice_positive", "dice_kaggle")


def test_a_metric_of_tiles_has_no_ratio():
    with pytest.raises(ValueError, match="dice_batch: measured on tiles"):
        ratio("dice_batch", BY_HAND)


def test_the_definition_of_dice_batch_says_what_is_not_known():
    assert "no definition" in METRICS["dice_batch"].definition


images_and_classes = st.tuples(st.integers(1, 6), st.integers(1, 4))
masks = images_and_classes.flatmap(
    lambda shape: st.tuples(
        *[
            hnp.arrays(bool, (*shape, 2, 3), elements=st.sampled_from([False] * 3 + [True]))
            for _ in ("truth", "prediction")
        ]
    )
)


def counted(truth, predicted):
    pairs = (truth & predicted, predicted & ~truth, truth & ~predicted)
    return Counts(*(pair.sum((2, 3)) for pair in pairs))


def kaggle(truth, predicted):
    """Kaggle's words: the mean over all pairs of 2 |X n Y| / (|X| + |Y|), 1 when both are empty."""
    scores = []
    for image_x, image_y in zip(predicted, truth, strict=True):
        for x, y in zip(image_x, image_y, strict=True):
            x, y = set(np.flatnonzero(x)), set(np.flatnonzero(y))
            scores.append(2 * len(x & y) / (len(x) + len(y)) if x or y else 1.0)
    return sum(scores) / len(scores)


@given(masks)
def test_dice_kaggle_is_kaggles(pair):
    truth, predicted = pair
    found = metrics(counted(truth, predicted), [str(c) for c in range(truth.shape[1])])
    assert found["dice_kaggle"] == pytest.approx(kaggle(truth, predicted))
    assert found["dice_kaggle_all_empty"] == pytest.approx(kaggle(truth, truth & False))


@given(masks)
def test_dice_kaggle_is_made_of_empty_accuracy_and_the_dice_of_what_is_there(pair):
    counts = counted(*pair)
    found = metrics(counts, [str(c) for c in range(pair[0].shape[1])])
    held = counts.tp + counts.fn > 0
    share, micro = held.mean(), dice(counts)[held].mean() if held.any() else 0
    both = (1 - share) * found.get("empty_accuracy", 0) + share * micro
    assert found["dice_kaggle"] == pytest.approx(both)


@given(masks)
def test_all_values_are_shares(pair):
    found = metrics(counted(*pair), [str(c) for c in range(pair[0].shape[1])])
    assert all(0 <= value <= 1 for value in found.values())
