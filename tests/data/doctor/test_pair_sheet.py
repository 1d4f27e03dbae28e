"""The pairs near the threshold of near-duplicates, found and drawn."""

import cv2
import numpy as np
import pytest

from steelexp.data.doctor.diagnosis import diagnose, write
from steelexp.data.doctor.earlier_look import PAIR_SHEET
from steelexp.data.doctor.near_duplicates import MOST_PAIRS, NearPair
from steelexp.data.doctor.pair_sheet import draw_pairs
from tests.data.duplicates.test_search import texture


@pytest.fixture
def folder(tmp_path):
    """A surface, a crop of it, the surface with another one pasted in, and another surface."""
    pasted = texture(1).copy()
    pasted[:, 120:] = texture(2)[:, 120:]
    images = {"a": texture(1), "b": texture(1)[5:, :-7], "c": pasted, "d": texture(3)}
    for name, grey in images.items():
        for part, picture in (("images", grey), ("masks", np.ones_like(grey))):
            (tmp_path / part).mkdir(exist_ok=True)
            cv2.imwrite(str(tmp_path / part / f"{name}.png"), picture)
    return tmp_path


def test_the_nearest_pairs_on_both_sides_are_drawn(folder, tmp_path):
    found = diagnose(folder)
    above, *below = found.nearest
    assert {found.names[n] for n in (above.a, above.b)} == {"a.png", "b.png"}
    assert above.near_duplicates
    assert "c.png" in {found.names[n] for n in (below[0].a, below[0].b)}
    assert not any(pair.near_duplicates for pair in below)
    assert above.pictures[0].shape in {(200, 200), (195, 193)}
    write(found, tmp_path / "out")
    sheet = cv2.imread(str(tmp_path / "out" / PAIR_SHEET))
    assert sheet.std() > 10


def test_a_set_without_pairs_has_no_sheet_and_loses_an_old_one(folder, tmp_path):
    out = tmp_path / "out"
    write(diagnose(folder), out)
    for name in "abc":
        (folder / "images" / f"{name}.png").unlink()
        (folder / "masks" / f"{name}.png").unlink()
    write(diagnose(folder), out)
    assert not (out / PAIR_SHEET).exists()


@pytest.mark.parametrize("shape", [(200, 200), (256, 1600), (300, 90)])
def test_each_pair_has_its_name_and_both_pictures(shape):
    picture = np.zeros(shape, np.uint8)
    pairs = [NearPair(0, 1, 0.91, (picture, picture)), NearPair(1, 2, 0.4, (picture, picture))]
    names = ["a$b_{.png", "long/" * 20 + "b.png", "c.png"]
    left, right = draw_pairs(pairs, names).subfigs
    assert left.axes[0].get_title().startswith("0.91  a$b_{.png and …")
    assert right.axes[0].get_title().endswith("b.png and c.png")
    assert [len(half.axes[0].child_axes) for half in (left, right)] == [2, 2]


def test_a_side_without_pairs_says_so():
    picture = np.zeros((20, 20), np.uint8)
    pairs = [NearPair(0, 1, 0.2, (picture, picture))] * MOST_PAIRS
    left, right = draw_pairs(pairs, ["a", "b"]).subfigs
    assert left.get_suptitle() == "near-duplicates, the least similar: none"
    assert len(right.axes) == MOST_PAIRS
