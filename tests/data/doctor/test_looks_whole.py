"""What looks whole and is not: issues of files that every reader takes."""

import cv2
import numpy as np
import pytest

from steelexp.data.doctor.diagnosis import diagnose
from steelexp.data.mask_folder import mask_folder
from steelexp.data.severstal import severstal
from tests.data.doctor.sets import save_masks, save_strips, texture

WHOLE = {"no labels", "interpolated mask"}
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


# --- masks scaled with interpolation


def drawing(value):
    """One area of one class, [64, 96]."""
    mask = np.zeros((64, 96), np.uint8)
    cv2.ellipse(mask, (45, 30), (25, 17), 20, 0, 360, value, -1)
    return mask


def scaled(mask, factor, way):
    return cv2.resize(mask, None, fx=factor, fy=factor, interpolation=way)


@pytest.mark.parametrize("factor", [0.7, 1.5, 3])
@pytest.mark.parametrize("way", [cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA])
def test_a_mask_scaled_like_a_photograph(tmp_path, factor, way):
    if way == cv2.INTER_AREA and factor == 3:
        factor = 2.5  # by whole factors this one repeats pixels
    masks = [scaled(drawing(4), factor, way), scaled(drawing(1), factor, cv2.INTER_NEAREST)]
    save_masks(tmp_path, masks)
    assert len(np.unique(masks[0])) > 2
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.file) == ("interpolated mask", tmp_path / "masks/00.png")


def test_the_rims_are_named(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    for k, value in enumerate((1, 3, 4)):
        mask[10 + k : 30 - k, 10 + k : 30 - k] = value
    save_masks(tmp_path, [mask])
    (issue,) = diagnose(tmp_path).issues
    assert issue.text.startswith("00.png: 144 pixels of class 1, 3 are thin rims")  # 76 and 68


@pytest.mark.parametrize("factor", [0.5, 0.7, 1.5, 3])
def test_a_mask_scaled_to_the_nearest_pixel(tmp_path, factor):
    mask = drawing(3)
    mask[20:40, 60:90] = 2  # beside it
    mask[25:30, 30:50] = 1  # within it
    mask[50:53] = 2
    save_masks(tmp_path, [scaled(mask, factor, cv2.INTER_NEAREST)])
    assert kinds(tmp_path) == []


def test_a_wide_area_between_two_classes_is_no_rim(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    for k, value in enumerate((1, 2, 3)):
        mask[5 + 3 * k : 35 - 3 * k, 5 + 3 * k : 35 - 3 * k] = value
    assert kinds(save_masks(tmp_path, [mask])) == []
