import numpy as np
import pandas as pd
import pytest

from steelexp.command_line import command_line
from steelexp.counts import Counts
from steelexp.errors import UserError
from steelexp.records.image_scores import ImageScores, read_image_scores, write_image_scores

VAL = ImageScores(
    ("b.jpg", "a.jpg"),
    np.array([7, 9]),
    ("pit", "1"),
    Counts(
        tp=np.array([[3, 0], [0, 2]]), fp=np.array([[1, 0], [4, 0]]), fn=np.array([[2, 0], [0, 1]])
    ),
)
TEST = ImageScores(("c.jpg",), np.array([7]), ("pit", "1"), Counts(*np.ones((3, 1, 2), np.int64)))


@pytest.fixture
def file(tmp_path):
    return write_image_scores(tmp_path / "image_scores.parquet", {"val": VAL, "test": TEST})


def change(file, edit):
    edit(pd.read_parquet(file)).to_parquet(file, index=False)


def test_a_row_per_image_and_class(file):
    table = pd.read_parquet(file)
    assert list(table.columns) == ["part", "image", "group", "class", "tp", "fp", "fn", "dice"]
    assert table.iloc[:4].values.tolist() == [
        ["val", "b.jpg", 7, "pit", 3, 1, 2, 6 / 9],
        ["val", "b.jpg", 7, "1", 0, 0, 0, 1.0],
        ["val", "a.jpg", 9, "pit", 0, 4, 0, 0.0],
        ["val", "a.jpg", 9, "1", 2, 0, 1, 4 / 5],
    ]
    assert table["part"].tolist() == ["val"] * 4 + ["test"] * 2


@pytest.mark.parametrize(("part", "written"), [("val", VAL), ("test", TEST)])
def test_a_part_is_read_as_it_was_written(file, part, written):
    scores = read_image_scores(file, part)
    assert (scores.images, scores.classes) == (written.images, written.classes)
    assert scores.groups.tolist() == written.groups.tolist()
    for name in Counts._fields:
        assert getattr(scores.counts, name).tolist() == getattr(written.counts, name).tolist()


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "image_scores.parquet"
    file.write_text("torn")
    write_image_scores(file, {"val": VAL})
    assert [path.name for path in tmp_path.iterdir()] == ["image_scores.parquet"]
    assert read_image_scores(file, "val").images == VAL.images


def renamed(table):
    return table.rename(columns={"tp": "hits"})


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (renamed, "tp"),
        (lambda table: table.astype({"fp": str}), "column fp: string in place of int64"),
        (lambda table: table.assign(fn=-1), "part val: a negative number of pixels"),
        (lambda table: table.iloc[1:], "part val: an image without a row for each class"),
        (lambda table: table.iloc[[0, 3, 2, 1, 4, 5]], "part val: rows of one image are apart"),
        (lambda table: table[table["part"] == "test"], "no validation images"),
    ],
)
def test_another_table_is_refused_with_a_way_out(file, edit, words):
    change(file, edit)
    with pytest.raises(UserError) as refusal:
        read_image_scores(file, "val")
    text = str(refusal.value)
    assert text.startswith(f"{file}: ")
    assert words in text
    assert text.endswith(f"evaluate the run again: {command_line('evaluate', file.parent)}")
    assert "\n" not in text


@pytest.mark.parametrize("content", [None, b"", b"PAR1"])
def test_a_file_that_is_missing_or_torn_is_refused(tmp_path, content):
    file = tmp_path / "image_scores.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"image_scores.parquet: .*steelexp evaluate"):
        read_image_scores(file, "val")
