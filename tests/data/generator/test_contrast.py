"""Contrast and surfaces of synthetic strips, measured by the benchmark that measures real ones."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.generated_beside_real import contrasts, geometry, read_masks, surfaces
from steelexp.data.synthetic import generate

# Medians over the components of the 18 labelled strips of Severstal's sample.
REAL = [-0.13, -0.78, 0.20, -0.42]


@pytest.fixture(scope="module")
def strips(tmp_path_factory):
    root = tmp_path_factory.mktemp("contrast") / "strips"
    generate(root, strips=120, seed=8, rarity=0.0, defect_share=0.8)
    return root, read_masks(root / "train.csv")


def test_contrast_to_the_ring_is_severstals(strips):
    medians = contrasts(*strips).groupby("c")["contrast"].median()
    assert list(medians) == pytest.approx(REAL, abs=0.5)


def test_clean_strips_show_more_spatter_than_others(strips):
    root, rows = strips
    surface = surfaces(sorted((root / "train_images").iterdir()), rows)
    assert len(surface) == 120
    shares = surface.groupby("labelled")["spatter"].mean()
    assert shares[False] > 0.2  # 4 of 7 real strips
    assert shares[True] < shares[False]


def test_contrast_by_hand(tmp_path):
    from cv2 import imwrite

    grey = np.full((256, 1600, 3), 100, np.uint8)
    grey[:, ::2] = 120  # mean 110, standard deviation 10
    grey[100:120, 200:240] = 130
    (tmp_path / "train_images").mkdir()
    imwrite(str(tmp_path / "train_images" / "a.png"), grey)
    mask = np.zeros((256, 1600), np.uint8)
    mask[100:120, 200:240] = 1
    rows = pd.DataFrame({"ImageId": ["a.png"], "c": [0], "mask": [mask]})
    assert contrasts(tmp_path, rows)["contrast"].tolist() == pytest.approx([2.0], abs=0.01)
    component = geometry(rows).iloc[0]
    assert (component["area"], component["border"], component["full"]) == (800, False, False)
