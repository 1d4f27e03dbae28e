"""The palette: contrast on the page, and classes that colour-blind readers can tell apart."""

from itertools import combinations

import numpy as np
import pytest

from steelexp.data.bits import MOST_CLASSES
from steelexp.palette import (
    CLASS_COLOURS,
    DARK,
    DARK_CHART,
    LIGHT,
    LIGHT_CHART,
    RUN_COLOURS,
    STRATEGY_ORDER,
    rgb,
)


def test_rgb_by_hand():
    assert rgb("#0010ff") == (0, 16, 255)


def luminance(colour):
    shares = np.array(rgb(colour)) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize(("scheme", "chart"), [(LIGHT, LIGHT_CHART), (DARK, DARK_CHART)])
def test_text_and_lines_can_be_read(scheme, chart):
    """WCAG 2.2: a contrast of 4.5 for text, 3 for charts."""
    for paper in (scheme["paper"], scheme["raised"]):
        for name in ("ink", "muted", "accent", "good", "bad"):
            assert contrast(scheme[name], paper) >= 4.5, name
    assert len(chart) == 8
    for colour in chart:
        assert contrast(colour, scheme["paper"]) >= 3, colour


def test_every_run_and_strategy_has_its_own_colour():
    assert len(set(RUN_COLOURS)) == len(RUN_COLOURS)
    assert sorted(STRATEGY_ORDER) == list(range(len(LIGHT_CHART)))


# Linear RGB as a deuteranope and a protanope see it: Machado, Oliveira and Fernandes (2009).
SIGHT = {
    "normal": np.eye(3),
    "deuteranope": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanope": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}
XYZ = [[0.4339, 0.3762, 0.1899], [0.2127, 0.7152, 0.0722], [0.0178, 0.1095, 0.8730]]  # / white


def lab(colour, sight):
    part = np.asarray(colour) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(SIGHT[sight] @ linear, 0, 1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("grey", [60, 110, 170])
def test_four_classes_can_be_told_apart_and_from_steel(sight, grey):
    fills = [lab(0.55 * grey + 0.45 * np.array(rgb(colour)), sight) for colour in CLASS_COLOURS[:4]]
    assert min(np.linalg.norm(one - other) for one, other in combinations(fills, 2)) > 10.8
    assert min(np.hypot(*fill[1:]) for fill in fills) > 10.8  # chroma: the distance from any grey


def test_the_colours_of_all_classes_differ():
    seen = [lab(rgb(colour), "normal") for colour in CLASS_COLOURS]
    assert len(seen) == MOST_CLASSES
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen[:8], 2)) > 26
    for number in range(8, MOST_CLASSES):
        assert min(np.linalg.norm(seen[number] - other) for other in seen[:number]) > 33.8
        assert np.hypot(*seen[number][1:]) >= 25  # chroma: the distance from any grey
