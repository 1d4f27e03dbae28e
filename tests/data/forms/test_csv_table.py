import cv2
import numpy as np
import pytest

from steelexp.data.dataset import DataError
from steelexp.data.doctor import diagnosis
from steelexp.data.forms.csv_table import csv_table
from steelexp.data.forms.writers import WRITERS
from tests.data.forms.random_sets import make_dataset

EXPECTED = [[[1, 0], [3, 0], [2, 0]], [[0, 2], [0, 0], [0, 0]], [[0] * 2] * 3]
"""Masks of a.jpg: class 1 on the pixels 1 and 2, class 2 on 2 and 3; b.jpg: class 2 on 4."""

LONG = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\na.jpg,2,2 2\nb.jpg,2,4 1\n"
JOINED = "ImageId_ClassId,EncodedPixels\na.jpg_1,1 2\na.jpg_2,2 2\nb.jpg_1,\nb.jpg_2,4 1\n"
WIDE = "ImageId,1,2\na.jpg,1 2,2 2\nb.jpg,,4 1\nc.jpg,,\n"


def write_set(folder, text):
    """Three images of 3 x 2 pixels, and the table."""
    (folder / "train_images").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        cv2.imwrite(str(folder / "train_images" / name), np.full((3, 2), 7, np.uint8))
    (folder / "train.csv").write_text(text)
    return folder / "train.csv"


def refusal(folder, **settings):
    with pytest.raises(DataError) as refused:
        csv_table(root=str(folder), **settings)
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        JOINED,
        WIDE,
        LONG.replace(",", ";"),
        WIDE.replace(",", "\t"),
        "\ufeff" + LONG,
        LONG.replace("\n", "\r\n"),
        LONG.replace(".jpg", ""),
        JOINED.replace(".jpg", ""),
        LONG.replace(",1,", ",1.0,").replace(",2,", ",2.0,"),
        LONG + "c.jpg,,\n",
        LONG + "c.jpg,1,NaN\nc.jpg,2,-1\n",
        JOINED.replace("b.jpg_1,", "b.jpg_1,nan"),
        "".join(f"{k or ''},{line}\n" for k, line in enumerate(LONG.splitlines())),
        "".join(f"{k or 'Unnamed: 0'},{line}\n" for k, line in enumerate(WIDE.splitlines())),
        "rle,image_id,class\n1 2,a.jpg,1\n2 2,a.jpg,2\n4 1,b.jpg,2\n",
        '"ImageId","ClassId","EncodedPixels"\n"a.jpg",1,"1 2"\n"a.jpg",2,"2 2"\nb.jpg,2,"4 1"\n',
        LONG.replace("a.jpg,2,2 2", "a.jpg,2,2 1\na.jpg,2,3 1"),
    ],
)
def test_loose_forms_of_one_table(tmp_path, text):
    write_set(tmp_path, text)
    dataset = csv_table(root=str(tmp_path))
    assert dataset.classes == ("1", "2")
    assert [dataset.mask(row).tolist() for row in range(3)] == EXPECTED


def test_any_class_names_and_an_ignored_one(tmp_path):
    write_set(tmp_path, LONG.replace(",1,", ",scratch,").replace(",2,", ",unsure,"))
    dataset = csv_table(root=str(tmp_path), ignore="unsure")
    assert (dataset.classes, dataset.has_ignore) == (("scratch",), True)
    assert dataset.pixels.tolist() == [[1], [0], [0]]


def test_numbers_along_the_rows_from_zero(tmp_path):
    write_set(tmp_path, "image,label,rle\na,1,0 2 4 1\nb,1,3 1\n")
    dataset = csv_table(root=str(tmp_path), order="rows", start=0)
    assert dataset.mask(0).tolist() == [[1, 1], [0, 0], [1, 0]]
    assert dataset.mask(1).tolist() == [[0, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "a.jpg,1,0 2",
            "run 1 (0 2) starts before pixel 1; if the first pixel is 0, set",
        ),
        ("a.jpg,1,6 2", "a.jpg: class 1: run 1 (6 2) ends beyond pixel 6, the last"),
        ("a.jpg,1,[1 2]", "a.jpg: class 1: number 1 of the code is '[1', not a pixel's number"),
        ("d.jpg,1,1 2", "d.jpg is not in"),
        ("a.jpg,3,1 2", "a.jpg: there is no class '3'; known: 1, 2"),
        (",1,1 2", "no image or no class: ''"),
        ("a.jpg,,1 2", "no image or no class: 'a.jpg'"),
        ("a.jpg,1", "2 cells, the header has 3"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, row, message):
    file = write_set(tmp_path, f"{LONG}{row}\n")
    text = refusal(tmp_path, classes=("1", "2"))
    assert text.startswith(f"{file}:5: ")
    assert message in text


@pytest.mark.parametrize("header", ["ImageId,EncodedPixels", "a,b,c", "", "ImageId,1,1"])
def test_columns_that_are_unknown(tmp_path, header):
    file = write_set(tmp_path, f"{header}\na.jpg,1 2\n")
    assert refusal(tmp_path).startswith(f"{file}:1: the columns are {header.replace(',', ', ')}")


def test_a_cell_that_a_spreadsheet_has_cut(tmp_path):
    runs = " ".join(f"{start} 1" for start in range(1, 20000, 2))[:32767]
    file = write_set(tmp_path, f"{LONG}c.jpg,1,{runs}\n")
    text = "a cell of exactly 32,767 characters, the most that Excel keeps of one"
    assert refusal(tmp_path) == f"{file}:5: {text}"


def test_an_image_without_suffix_that_two_images_could_be(tmp_path):
    write_set(tmp_path, LONG.replace(".jpg", ""))
    cv2.imwrite(str(tmp_path / "train_images" / "a.png"), np.zeros((3, 2), np.uint8))
    assert "a is not in" in refusal(tmp_path)


def test_the_doctor_takes_loose_tables_for_csv_and_kaggles_for_severstal(tmp_path):
    write_set(tmp_path / "loose", WIDE)
    write_set(tmp_path / "kaggle", LONG)
    assert diagnosis.diagnose(tmp_path / "loose").layout == "csv"
    write_set(tmp_path / "named", LONG.replace(",1,", ",dent,").replace(",2,", ",scale,"))
    assert diagnosis.diagnose(tmp_path / "kaggle").layout == "severstal"
    assert diagnosis.diagnose(tmp_path / "named").layout == "csv"


@pytest.mark.parametrize("content", [b"", b"\0\1", b"\xff\xfe", b"ImageId,ClassId\n\0,\0"])
def test_what_is_no_table_is_not_taken_for_a_loose_one(tmp_path, content):
    write_set(tmp_path, "").write_bytes(content)
    assert diagnosis.diagnose(tmp_path).layout == "severstal"


def test_a_long_cell(tmp_path):
    runs = " ".join(f"{start} 1" for start in range(1, 400_000, 2))
    write_set(tmp_path, "image,class,rle\na,1,1 2\n")
    cv2.imwrite(str(tmp_path / "train_images" / "d.png"), np.zeros((800, 500), np.uint8))
    (tmp_path / "train.csv").write_text(f"image,class,rle\nd,1,{runs}\n")
    assert diagnosis.diagnose(tmp_path).layout == "csv"
    assert csv_table(root=str(tmp_path)).pixels.sum() == 200_000


def test_severstals_own_form_has_its_own_classes(tmp_path):
    masks = [np.array([[1, 2, 0]], np.uint8)]
    other = make_dataset(tmp_path / "s", masks, classes=("a", "b"))
    with pytest.raises(DataError, match=r"this set has a, b; take csv"):
        WRITERS["severstal"](other, tmp_path / "out")
    inner = make_dataset(tmp_path / "t", masks, classes=tuple("1234"), names=["x/0.png"])
    with pytest.raises(DataError, match=r"images are in one folder, and x/0.png is not"):
        WRITERS["severstal"](inner, tmp_path / "out")
    assert not (tmp_path / "out").exists()
