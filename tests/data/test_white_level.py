import cv2
import numpy as np
import pytest

from steelexp.data.data_error import DataError
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.white_level import set_white_level


def deep_set(folder, brightest):
    """Two images of 16 bits, the second with the brightest value, and one of 8 bits."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for name, value in (("a", 7), ("b", brightest)):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), np.full((2, 3), value, np.uint16))
    cv2.imwrite(str(folder / "images" / "c.png"), np.full((2, 3), 99, np.uint8))
    for name in "abc":
        cv2.imwrite(str(folder / "masks" / f"{name}.png"), np.ones((2, 3), np.uint8))
    return mask_folder(root=str(folder), classes=("1",))


@pytest.mark.parametrize(
    ("brightest", "white"),
    [(300, 1023), (1024, 4095), (4095, 4095), (16383, 16383), (65535, 65535)],
)
def test_auto_takes_the_camera_that_holds_the_brightest_value(tmp_path, capfd, brightest, white):
    dataset = set_white_level(deep_set(tmp_path / "set", brightest), "auto")
    assert dataset.white == white
    assert dataset.image(1).max() == round(brightest * 255 / white)
    assert dataset.image(2).max() == 99
    assert f"White level {white}, after the brightest value {brightest}" in capfd.readouterr().out


def test_the_white_level_changes_the_content(tmp_path):
    dataset = deep_set(tmp_path / "set", 4000)
    low, high = (set_white_level(dataset, white) for white in (4095, 65535))
    assert len({dataset.manifest, low.manifest, high.manifest}) == 3


def test_without_a_white_level_nothing_is_read(tmp_path):
    with pytest.raises(DataError, match="16 bits a channel and no white level"):
        deep_set(tmp_path / "set", 4000).image(0)


def test_a_white_level_without_deep_images_is_refused(tmp_path):
    dataset = deep_set(tmp_path / "set", 4000)
    for name in "ab":
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{name}.png"), np.full((2, 3), 9, np.uint8))
    eight_bits = mask_folder(root=str(tmp_path / "set"), classes=("1",))
    assert set_white_level(eight_bits, "auto") is eight_bits
    with pytest.raises(DataError, match=r"data\.grey\.white: 4095: no image has more than 8 bits"):
        set_white_level(eight_bits, 4095)
    assert dataset.depth == 16
