"""What looks whole and is not: issues of files that every reader takes."""

import numpy as np
import pytest

from steelexp.data.doctor.diagnosis import diagnose
from steelexp.data.mask_folder import mask_folder
from steelexp.data.severstal import severstal
from tests.data.doctor.sets import save_masks, save_strips, texture

WHOLE = {"no labels"}
"""Kinds of issues that are tried here."""

KEPT = 32767  # characters of a cell that Excel and LibreOffice keep


def kinds(folder):
    return [issue.kind for issue in diagnose(folder).issues]


def test_a_cell_that_a_spreadsheet_has_cut(tmp_path):
    runs = " ".join(f"{start} 1" for start in range(2, 40001, 2))  # every second pixel
    assert runs[:KEPT].endswith(" 9520 1")
    save_strips(tmp_path, {"a.png": texture(0, (200, 200))}, [("a.png", "3", runs[:KEPT])])
    assert severstal(root=str(tmp_path)).pixels.tolist() == [[0, 0, 4760, 0]]
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.row) == ("cut cell", 2)


@pytest.mark.parametrize("length", [KEPT - 1, KEPT + 1])
def test_a_cell_of_another_length_is_not_cut(tmp_path, length):
    runs = " ".join(f"{start} 1" for start in range(2, 40001, 2))[: KEPT - 7]
    runs = runs[:-1] + runs[-1].rjust(length - len(runs) + 1, "0")
    assert len(runs) == length
    save_strips(tmp_path, {"a.png": texture(0, (200, 200))}, [("a.png", "3", runs)])
    assert kinds(tmp_path) == []


def test_masks_that_hold_nothing(tmp_path):
    save_masks(tmp_path, [np.zeros((32, 48), np.uint8)] * 3)
    assert not mask_folder(root=str(tmp_path), classes=("a", "b")).pixels.any()
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.file) == ("no labels", tmp_path)
    assert issue.text == "none of the 3 images has a labelled pixel"


@pytest.mark.parametrize("rows", [[], [("0.png_1", ""), ("0.png_2", "")]])
def test_a_table_that_holds_nothing(tmp_path, rows):
    save_strips(tmp_path, {"0.png": texture(0)}, rows)
    if rows:
        lines = ["ImageId_ClassId,EncodedPixels", *(f"0.png_{c}," for c in "1234")]
        (tmp_path / "train.csv").write_text("\n".join(lines))
    assert kinds(tmp_path) == ["no labels"]


def test_one_labelled_pixel_is_a_label(tmp_path):
    masks = [np.zeros((32, 48), np.uint8) for _ in range(2)]
    masks[1][3, 4] = 1
    assert kinds(save_masks(tmp_path, masks)) == []


def test_labels_that_cannot_be_read_are_not_missing(tmp_path):
    save_masks(tmp_path, [np.zeros((32, 48), np.uint8)] * 2)
    for mask in (tmp_path / "masks").iterdir():
        mask.write_bytes(b"")
    assert kinds(tmp_path) == ["unreadable mask"] * 2
