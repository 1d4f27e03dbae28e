import dataclasses

import numpy as np
import pytest

from steelexp.data.image_table import (
    Content,
    contents_of,
    describe_changes,
    image_table,
    read_image_table,
)
from steelexp.errors import UserError
from tests.fakes import dataset_of, labelled


def test_the_table_of_a_data_set_is_read_back(tmp_path):
    images = [np.full((2, 3), grey, np.uint8) for grey in (0, 1)]
    dataset = dataset_of(tmp_path, images, [np.zeros((2, 3), np.uint8)] * 2, ["1"])
    file = tmp_path / "images.csv"
    file.write_text(image_table(dataset))
    contents = read_image_table(file)
    assert contents == contents_of(dataset)
    assert contents["0.png"].image != contents["1.png"].image
    assert contents["0.png"].labels == contents["1.png"].labels


def test_a_name_that_begins_like_a_formula_is_read_back(tmp_path):
    dataset = dataclasses.replace(labelled([[1], [0]]), names=("=1.png", "'=1.png"))
    file = tmp_path / "images.csv"
    file.write_text(image_table(dataset))
    assert read_image_table(file) == contents_of(dataset)
    assert "\n'=1.png," in file.read_text()


def test_the_table_is_sorted_by_image():
    assert image_table(labelled([[1], [0]])) == (
        "image,image_hash,label_hash\n00000.jpg,00000.jpg,[1]\n00001.jpg,00001.jpg,[0]\n"
    )


def test_changes_are_counted_and_named():
    before = {name: Content("1", "1") for name in "abcdefg"}
    now = {
        "a": Content("2", "1"),
        "b": Content("1", "2"),
        "c": Content("1", "1"),
        "h": Content("1", "1"),
    }
    assert describe_changes(before, now) == (
        "1 image changed: a; labels of 1 image changed: b; 1 image added: h; "
        "4 images removed: d, e, f and 1 more"
    )
    assert describe_changes(before, before) == ""


def test_a_run_without_a_table_has_none(tmp_path):
    assert read_image_table(tmp_path / "images.csv") is None


@pytest.mark.parametrize("content", ["", "a,b\n", "image,image_hash,label_hash\na,b\n"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "images.csv").write_text(content)
    with pytest.raises(UserError, match=r"images\.csv: not a table of image,image_hash,label_hash"):
        read_image_table(tmp_path / "images.csv")
