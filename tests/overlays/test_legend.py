import numpy as np
import pytest

from steelexp.overlays.legend import ELLIPSIS, TEXT, Entry, band, blend

ORANGE = (230, 159, 0)
FULL = [Entry("scratches", ORANGE, outlined=True, filled=True)]


def pixels(entries=FULL, width=720, title=""):
    return np.asarray(band(entries, width=width, title=title))


def colours(picture):
    return {tuple(int(part) for part in pixel) for pixel in picture.reshape(-1, 3)}


def entry(text="patches", *, outlined=False, filled=False):
    return [Entry(text, ORANGE, outlined=outlined, filled=filled)]


def test_blend_by_hand():
    assert blend((100, 100, 100), (200, 0, 100)) == (145, 55, 100)


@pytest.mark.parametrize(
    ("outlined", "filled", "expected"),
    [
        (True, True, {ORANGE, (186, 154, 82)}),
        (True, False, {ORANGE}),
        (False, True, {(186, 154, 82)}),
        (False, False, set()),
    ],
)
def test_swatch_is_marked_as_the_defect_is(outlined, filled, expected):
    swatch_colours = colours(pixels(entry(outlined=outlined, filled=filled)))
    assert swatch_colours & {ORANGE, (186, 154, 82)} == expected


def test_entries_that_are_neither_are_faint():
    assert pixels(entry()).min(axis=2).min() == 140  # the swatch, a pale orange; its text is 150
    assert pixels(entry(filled=True)).max(axis=2).min() == max(TEXT)


def test_a_title_that_is_too_long_ends_in_an_ellipsis():
    cut = pixels(title="x" * 500)
    assert (cut == pixels(title="x" * 600)).all()
    assert any((cut == pixels(title="x" * n + ELLIPSIS)).all() for n in range(20, 100))


def test_a_title_that_fits_is_printed_whole():
    assert (pixels(title="0002cc93b.jpg") != pixels(title="0002cc93b.jp")).any()


@pytest.mark.parametrize("width", [720, 800, 1600, 3000])
@pytest.mark.parametrize("text", ["1", "rolled-in scale", "a very long name " * 20])
@pytest.mark.parametrize("count", [1, 4, 8])
def test_nothing_is_clipped_at_the_sides_or_drawn_over(width, text, count):
    picture = pixels(entry(text, outlined=True) * count, width, title="title " * 200)
    assert picture.shape[1] == width
    ink = (picture < 255).any(axis=(0, 2))
    assert not ink[:4].any()
    assert not ink[-4:].any()
    rows = (picture < 255).any(axis=(1, 2))
    assert not rows[:2].any()
    assert not rows[-2:].any()


def test_title_stops_short_of_a_legend_beside_it():
    legend = pixels(entry("1", outlined=True) * 4, 1600)
    both = pixels(entry("1", outlined=True) * 4, 1600, title="W" * 500)
    left = np.flatnonzero((legend < 255).any(axis=(0, 2)))[0]
    assert both.shape == legend.shape
    assert (both[:, left - 4 :] == legend[:, left - 4 :]).all()


def test_height_depends_on_width_and_texts_only():
    marked = [(out, fill) for out in (True, False) for fill in (True, False)]
    heights = {
        pixels(entry(outlined=out, filled=fill) * 8, title=title).shape
        for out, fill in marked
        for title in ("", "t" * 300)
    }
    assert len(heights) == 1
