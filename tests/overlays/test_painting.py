"""Paintings: exact as numbers, and close to it in a file with a palette."""

import io

import numpy as np
import pytest
from PIL import Image

from steelexp.overlays.legend import Entry, band
from steelexp.overlays.overlay import draw
from steelexp.overlays.painting import CLASS_RGB, above, paint

CLASSES = ("1", "2", "3", "4")


def steel(height=256, width=1600):
    return np.random.default_rng(0).integers(0, 256, (height, width)).astype(np.uint8)


def boxes(*sets):
    bits = np.zeros((256, 1600), np.uint8)
    for number, each in enumerate(sets):
        bits[20:60, 20 + 90 * number : 90 + 90 * number] = each
    return bits


@pytest.mark.parametrize(
    ("sets", "most"), [((), 2), ((1,), 2), ((1, 2, 3), 3), ((*range(1, 16),), 9)]
)
def test_a_palette_is_off_by_half_a_step_and_flat_colours_are_exact(sets, most):
    prediction = boxes(*sets)
    drawn = draw(steel(), None, prediction, classes=CLASSES, title="a.jpg  1: 3 (0.3%)")
    content = drawn.png()
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.mode == "P"
        stored = np.asarray(picture.convert("RGB")).astype(int)
    exact = drawn.rgb().astype(int)
    off = np.abs(stored - exact)
    assert off.max() <= most
    outlines = np.isin(drawn.numbers, np.arange(drawn.ramps * 256), invert=True)
    assert not off[outlines].any()
    assert len(content) < 0.75 * len(rgb_png(exact))


def rgb_png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(content, "PNG", compress_level=3)
    return content.getvalue()


def test_with_hundreds_of_sets_the_file_is_in_rgb_and_exact():
    rng = np.random.default_rng(0)
    sets = rng.integers(0, 2**32, 300, dtype=np.uint32)
    prediction = sets[rng.integers(0, 300, (64, 720))]
    drawn = draw(steel(64, 720), None, prediction, classes=tuple(map(str, range(32))))
    with Image.open(io.BytesIO(drawn.png())) as picture:
        assert picture.mode == "RGB"
        assert (np.asarray(picture) == drawn.rgb()).all()


def test_a_legend_keeps_the_colours_of_its_areas():
    image = steel(32, 720)
    painting = paint(image, image * 0, image * 0, class_count=4)
    entries = [Entry("scratches", CLASS_RGB[1], outlined=True, filled=True)]
    legend = band(entries, width=720, title="a title")
    pixels = above(painting, legend).rgb()
    assert (pixels[:32] == image[..., None]).all()
    below = pixels[32:].astype(int)
    exact = np.asarray(legend).astype(int)
    assert np.abs(below - exact).max() <= 9
    for colour in (CLASS_RGB[1], (186, 154, 82), (255, 255, 255)):
        area = (exact == colour).all(axis=2)
        assert area.any()
        assert (below[area] == colour).all()
