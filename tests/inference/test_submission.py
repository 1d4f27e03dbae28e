import pytest

from steelexp.inference.submission import current_rows, rows_of_2019
from tests.kaggle_rules import broken_rules

RUNS = {"3": "1 2 5 1"}


def test_every_class_has_a_row():
    assert list(current_rows("a.jpg", RUNS, ["1", "3"])) == [
        ("a.jpg", "1", ""),
        ("a.jpg", "3", "1 2 5 1"),
    ]


def test_the_form_of_2019_has_one_column_for_image_and_class():
    assert list(rows_of_2019("a_b.jpg", RUNS, ["1", "3"])) == [
        ("a_b.jpg_1", ""),
        ("a_b.jpg_3", "1 2 5 1"),
    ]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["a,1,", "a,2,1 2 5 1"], None),
        (["a,1,"], "missing"),
        (["a,1,", "a,2,", "a,2,"], "twice"),
        (["a,1,", "a,2,", "b,1,"], "not asked for"),
        (["a,1,", "a,2,5 1 1 2"], "sorted"),
        (["a,1,", "a,2,1 2 2 1"], "overlaps"),
        (["a,1,", "a,2,0 1"], "bounds"),
        (["a,1,", "a,2,6 2"], "bounds"),
        (["a,1,", "a,2,1 0"], "bounds"),
        (["a,1,", "a,2,1"], "without length"),
        (["a,1,", "a,2,1 1.0"], "whole"),
    ],
)
def test_the_rules_of_kaggle_find_what_breaks_them(tmp_path, rows, problem):
    file = tmp_path / "submission.csv"
    file.write_text("\n".join(["ImageId,ClassId,EncodedPixels", *rows]) + "\n")
    problems = broken_rules(file, ["a"], ["1", "2"], {"a": 6})
    assert (problem in "; ".join(problems)) if problem else not problems
