"""What looks whole and is not: issues of files that every reader takes."""

import os

import cv2
import numpy as np
import pytest

from steelexp.data import rle
from steelexp.data.dataset import DataError
from steelexp.data.doctor.diagnosis import diagnose
from steelexp.data.doctor.pixel_order import find_crossings, striped_by
from steelexp.data.doctor.rims import find_rims
from steelexp.data.doctor.shift import contrast
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.severstal import severstal
from tests.data.doctor.sets import save_masks, save_png, save_strips, texture

WHOLE = {
    "no labels",
    "interpolated mask",
    "JPEG by another name",
    "runs along rows",
    "runs from 0",
    "shifted labels",
    "class missing from part",
}
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


def test_a_thin_line_along_one_of_four_sides_is_no_interpolation(tmp_path):
    mask = np.zeros((60, 60), np.uint8)
    mask[10:50, 10:50] = 3
    mask[10:50, 9] = 1
    rims = find_rims(mask)
    assert (rims.pixels, rims.plain) == (40, 116)  # 156 at the border, 40 of them at the line
    assert kinds(save_masks(tmp_path, [mask])) == []


def test_a_wide_area_between_two_classes_is_no_rim(tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    for k, value in enumerate((1, 2, 3)):
        mask[5 + 3 * k : 35 - 3 * k, 5 + 3 * k : 35 - 3 * k] = value
    assert kinds(save_masks(tmp_path, [mask])) == []


# --- JPEG under another name


def jpeg(values, quality=95):
    return cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def test_a_mask_that_is_a_jpeg(tmp_path):
    """At quality 100 a mask of small values may come through as it was; it is refused as well."""
    save_masks(tmp_path, [drawing(1), drawing(2)])
    (tmp_path / "masks/01.png").write_bytes(jpeg(drawing(5), 100))
    with pytest.raises(DataError, match=r"01\.png: a JPEG under the name of \.png"):
        mask_folder(root=str(tmp_path), classes=tuple("abcdefgh"))
    issues = diagnose(tmp_path).issues
    assert ("JPEG by another name", tmp_path / "masks/01.png") in [each[:2] for each in issues]


def test_a_jpeg_whose_values_are_refused(tmp_path):
    save_masks(tmp_path, [drawing(1), drawing(2)])
    (tmp_path / "masks/01.png").write_bytes(jpeg(drawing(200), 50))
    assert kinds(tmp_path) == ["JPEG by another name"]


@pytest.mark.parametrize(("suffix", "said"), [(".png", True), (".BMP", True), (".jpe", False)])
def test_an_image_that_is_a_jpeg(tmp_path, suffix, said):
    save_masks(tmp_path, [drawing(1), drawing(1)])
    image = tmp_path / "images" / "00.png"
    image.write_bytes(jpeg(texture(0, (64, 96))))
    image.rename(image.with_suffix(suffix))
    assert kinds(tmp_path) == ["JPEG by another name"] * said


# --- runs counted in another way


def areas(seed, count=6, size=(64, 200)):
    """Masks of two areas each, of which one touches the upper border."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(count):
        mask = np.zeros(size, np.uint8)
        x, y = rng.integers(20, 180), rng.integers(20, 50)
        cv2.ellipse(mask, (int(x), int(y)), (12, 7), 30, 0, 360, 1, -1)
        cv2.ellipse(mask, (int(rng.integers(20, 180)), 0), (10, 6), 0, 0, 360, 1, -1)
        masks.append(mask)
    return masks


def runs_of(folder, encode):
    masks = areas(1)
    images = {f"{i}.png": texture(i, (64, 200)) for i in range(len(masks))}
    rows = [(name, "2", encode(mask)) for name, mask in zip(images, masks, strict=True)]
    return save_strips(folder, images, rows)


def along_rows(mask):
    return rle.encode(mask.T)


def from_zero(mask):
    numbers = list(map(int, rle.encode(mask).split()))
    return " ".join(str(n - 1 if i % 2 == 0 else n) for i, n in enumerate(numbers))


def test_runs_along_the_rows(tmp_path):
    runs_of(tmp_path, along_rows)
    assert len(severstal(root=str(tmp_path))) == 6  # the loader takes them
    issues = diagnose(tmp_path).issues
    assert [(issue.kind, issue.row) for issue in issues] == [
        ("runs along rows", row) for row in range(2, 8)
    ]


def test_runs_from_0(tmp_path):
    runs_of(tmp_path, from_zero)
    assert len(severstal(root=str(tmp_path))) == 6
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.row) == ("runs from 0", 2)


def test_runs_as_they_should_be(tmp_path):
    assert kinds(runs_of(tmp_path, rle.encode)) == []


@pytest.mark.parametrize("width", [1, 2, 3, 20])
@pytest.mark.parametrize("angle", [0, 30, 90])
def test_scratches_are_not_stripes(width, angle):
    mask = np.zeros((256, 1600), np.uint8)
    end = (
        800 + round(100 * np.cos(np.deg2rad(angle))),
        128 + round(100 * np.sin(np.deg2rad(angle))),
    )
    cv2.line(mask, (800, 128), end, 1, width)
    assert striped_by(mask) == 0
    assert striped_by(np.ones((256, 1600), np.uint8)) == 0


def test_stripes_by_hand():
    """Two columns of 50 pixels, far apart: 4 x 50 + 2 x 2 of the border, then 2 rows."""
    mask = np.zeros((100, 100), np.uint8)
    mask[25:75, (20, 60)] = 1
    assert striped_by(mask) == 0  # of as many rows as columns: the border stays as long
    mask = np.zeros((50, 200), np.uint8)
    mask[:25, ::8] = 1  # the last half of each fourth row
    assert striped_by(mask) == 0
    rows = np.zeros((50, 200), np.uint8)
    rows[10:20, 100:150] = 1
    wrong = rows.ravel().reshape(rows.shape, order="F")
    assert striped_by(wrong) > 3


def test_crossings_by_hand():
    mask = np.zeros((4, 5), np.uint8)
    mask[3, 0] = mask[0, 1] = 1  # goes on
    mask[2:, 2] = mask[0, 3] = 1  # not alone
    mask[3, 3] = 1  # alone, and the next column begins without
    assert find_crossings(mask) == (2, 1)


# --- pipes and devices


def test_pipes_and_devices_are_named_and_not_read(tmp_path):
    save_masks(tmp_path, [drawing(1)] * 2)
    for folder in ("images", "masks"):
        os.mkfifo(tmp_path / folder / "pipe.png")
    (tmp_path / "images" / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "masks" / "zero.png").symlink_to("/dev/zero")
    assert sorted(kinds(tmp_path)) == ["unreadable image"] * 2 + ["unreadable mask"] * 2


# --- a class that a part lacks


def test_a_class_that_a_folder_of_the_set_lacks(tmp_path):
    for part, values in (("train", (1, 2, 3)), ("test", (1, 3, 3))):
        for i, value in enumerate(values):
            for folder, content in (
                ("images", texture(9 * len(part) + i, (64, 96))),
                ("masks", drawing(value)),
            ):
                (tmp_path / folder / part).mkdir(parents=True, exist_ok=True)
                save_png(tmp_path / folder / part / f"{part}{i}.png", content)
    (issue,) = diagnose(tmp_path, classes=tuple("abcd")).issues
    assert issue.kind == "class missing from part"
    assert issue.text.startswith("no image of test holds class b: 1 of the 6 images do")


def test_a_class_that_a_part_of_a_split_lacks(tmp_path):
    save_masks(tmp_path / "set", [drawing(1), drawing(2), drawing(1), drawing(2)])
    split = tmp_path / "split.csv"
    rows = ["00.png,train", "01.png,train", "02.png,val", "03.png,unused"]
    split.write_text("\n".join(["image,part", *rows]))
    (issue,) = diagnose(tmp_path / "set", split=split).issues
    assert (issue.kind, issue.file) == ("class missing from part", split)
    assert issue.text.startswith("no image of val holds class 2: 2 of")


# --- labels of another image


def bright_areas(by, count=20):
    """Images with a brighter area each, and the masks of the images `by` places further."""
    areas = []
    for i in range(count):
        mask = np.zeros((64, 96), np.uint8)
        rng = np.random.default_rng(100 + i)
        at = (int(rng.integers(15, 80)), int(rng.integers(15, 50)))
        cv2.ellipse(mask, at, (10, 7), 0, 0, 360, 1, -1)
        areas.append(mask)

    def image(i, size):
        return (texture(i, size) // 2 + 60 * areas[i]).astype(np.uint8)

    return [areas[(i + by) % count] for i in range(count)], image


@pytest.mark.parametrize(("by", "neighbour"), [(1, "after"), (-1, "before")])
def test_labels_of_the_next_image(tmp_path, by, neighbour):
    masks, image = bright_areas(by)
    save_masks(tmp_path, masks, image=image)
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.file) == ("shifted labels", tmp_path)
    assert f"fit the image {neighbour} theirs better" in issue.text


def test_labels_of_their_own_image(tmp_path):
    masks, image = bright_areas(0)
    assert kinds(save_masks(tmp_path, masks, image=image)) == []


@pytest.mark.parametrize("by", [2, 5])
def test_labels_that_fit_no_neighbour(tmp_path, by):
    masks, image = bright_areas(by)
    assert kinds(save_masks(tmp_path, masks, image=image)) == []


def test_labels_shifted_in_the_second_half(tmp_path):
    masks, image = bright_areas(0, 60)
    masks[30:] = [*masks[31:], masks[0]]
    save_masks(tmp_path, masks, image=image)
    (issue,) = diagnose(tmp_path).issues
    assert "labels from 30.png to 59.png" in issue.text


def test_contrast_by_hand():
    """10 above a ring of spread 4: 10 / (4 + 1), and no more from an even label than the limit."""
    grey = np.full((40, 40), 100, np.uint8)
    grey[::2] += 8
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 1
    grey[10:30, 10:30] += 10
    assert contrast(grey, mask) == pytest.approx(2.0, abs=0.35)
    assert np.isnan(contrast(grey, np.ones_like(mask)))  # no ring
