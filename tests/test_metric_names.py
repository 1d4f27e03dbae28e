import pytest

from steelexp.metric_names import (
    BEST,
    LOWER,
    axis_title,
    class_names,
    classes_of,
    full_name,
    grouped_name,
    parse_name,
    reported_part,
)


@pytest.mark.parametrize(
    ("metric", "part", "label", "name"),
    [
        ("dice_positive", "val", "1", "val_dice_positive/1"),
        ("dice_positive", "test", None, "test_dice_positive"),
        ("dice_kaggle", "test_post", "a/b", "test_post_dice_kaggle/a/b"),
        ("loss", None, None, "loss"),
        ("dice_pooled", None, "pit", "dice_pooled/pit"),
    ],
)
def test_names_are_built_and_parsed(metric, part, label, name):
    assert full_name(metric, part, label) == name
    assert parse_name(name) == (part, metric, label)


def test_all_classes_come_last():
    assert class_names("dice", ("a", "b"), "val") == ["val_dice/a", "val_dice/b", "val_dice"]


def test_the_group_of_a_service_comes_before_the_name():
    assert grouped_name(BEST, "val_dice/a/b") == "best/val_dice/a/b"
    assert grouped_name(LOWER, "test_post_dice") == "lower/test_post_dice"


def test_the_title_of_an_axis():
    assert axis_title("val_dice_positive/1") == "dice_positive/1, validation images"
    assert axis_title("loss") == "loss"


def test_test_images_are_reported_where_there_are_some():
    assert reported_part(["val_loss", "test_loss"]) == "test"
    assert reported_part(["val_loss", "loss"]) == "val"
    assert reported_part([]) == "val"


def test_classes_are_those_of_the_metric_that_has_most_of_them():
    names = ["val_dice_positive/b", "val_dice_kaggle/a", "val_dice_kaggle/b", "val_dice_kaggle"]
    assert classes_of(names) == ("a", "b")
    assert classes_of(["loss"]) == ()
