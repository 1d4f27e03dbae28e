import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.exclusion import describe_exclusion, exclude, read_list
from steelexp.data.splits.split import Split
from steelexp.spreadsheet import csv_text
from tests.fakes import labelled

SET = labelled([[1], [1], [0], [1]])  # 00000.jpg to 00003.jpg
SPLIT = Split(np.array([0, 1]), np.array([2]), np.array([3]))


def written(tmp_path, rows):
    file = tmp_path / "list.csv"
    file.write_text(csv_text(rows), "utf-8", newline="")
    return str(file)


def test_the_images_of_the_list_leave_the_training_part_alone(tmp_path):
    file = written(
        tmp_path,
        [
            ("rank", "image", "kind"),
            (1, "00000.jpg", "missed"),
            (2, "00002.jpg", "swapped"),
            (3, "00000.jpg", "ragged"),
        ],
    )
    left = exclude(SET, SPLIT, file, SET.names)
    assert [part.tolist() for part in left] == [[1], [2], [3]]
    assert describe_exclusion(SET, left, file) == (
        f"data.exclude: {file}: 1 image not in training; 1 of the validation and test part stay"
    )


def test_no_list_changes_nothing():
    assert exclude(SET, SPLIT, None, SET.names) is SPLIT


def test_a_name_that_deduplicate_left_out_is_known(tmp_path):
    file = written(tmp_path, [("image",), ("copy.jpg",)])
    assert exclude(SET, SPLIT, file, [*SET.names, "copy.jpg"]).train.tolist() == [0, 1]


def test_names_that_a_spreadsheet_would_calculate_are_read_back(tmp_path):
    assert read_list(written(tmp_path, [("image",), ("=1+1.jpg",)])) == {"=1+1.jpg"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("image",), ("other.jpg",)], r"list\.csv: other\.jpg: no such image; take the list of"),
        ([("name",), ("00000.jpg",)], r"list\.csv:1: no column image; take the list that the page"),
        ([("image",), ("00000.jpg",), ("00001.jpg",)], "no image is left to train on; name fewer"),
        ([("rank", "image"), (1, "")], r"list\.csv:2: no image"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        exclude(SET, SPLIT, written(tmp_path, rows), SET.names)


def test_a_missing_list_is_named():
    with pytest.raises(DataError, match=r"data\.exclude: none\.csv: not a readable table"):
        exclude(SET, SPLIT, "none.csv", SET.names)
