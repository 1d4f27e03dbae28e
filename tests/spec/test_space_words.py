import pytest

from steelexp.spec.space_words import describe_condition, describe_value, describe_values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"choice": ["dice", "focal", True]}, "one of dice, focal, true"),
        ({"int": [4, 16], "step": 4}, "whole numbers 4 to 16, step 4"),
        ({"float": [0.5, 4.0]}, "0.5 to 4"),
        ({"log_uniform": [1e-4, 0.01]}, "log, 0.0001 to 0.01"),
        (
            {"float": [0, 1], "when": {"loss.name": ["focal", "dice"]}},
            "0 to 1, only when loss.name is focal or dice",
        ),
        ({"int": "damaged"}, "int damaged"),
    ],
)
def test_values_in_words(values, words):
    assert describe_values(values) == words


def test_conditions_in_words():
    assert describe_condition({"loss.name": ["focal"], "x": 1}) == "loss.name is focal and x is 1"
    assert describe_condition(None) == ""


@pytest.mark.parametrize(
    ("value", "word"), [(0.123456, "0.1235"), (1e-6, "1e-06"), (3, "3"), (None, "null"), ("a", "a")]
)
def test_values_are_short(value, word):
    assert describe_value(value) == word
