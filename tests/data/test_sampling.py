import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from steelexp.data.dataset import DataError
from steelexp.data.sampling import (
    SAMPLERS,
    class_balanced,
    defect_tiles,
    foreground,
    power,
    repeat_factor,
    uniform,
)
from steelexp.spec.component import component_model
from steelexp.spec.schema import SamplingSpec

# Two tiles of class a, one of class b, one of both, four clean.
PIXELS = np.array([[9, 0], [3, 0], [0, 5], [1, 1], [0, 0], [0, 0], [0, 0], [0, 0]])
CLEAN = np.zeros((3, 2), np.int64)

# Of 100 tiles 80 are clean; a is in 17, b in 4; one tile holds both.
SKEWED = np.repeat([[0, 0], [40, 0], [0, 40], [40, 40]], [80, 16, 3, 1], axis=0)


def test_uniform_draws_nothing() -> None:
    assert uniform(lambda: pytest.fail("counted")) is None


def test_defect_tiles_by_hand() -> None:
    expected = [1 / 4, 1 / 4, 1 / 4, 1 / 4, 0, 0, 0, 0]
    assert defect_tiles(lambda: PIXELS) == pytest.approx(expected)


def test_foreground_by_hand() -> None:
    # Class a is in 3 tiles, b in 2; each gets half of the share of 0.6.
    a, b, clean = 0.3 / 3, 0.3 / 2, 0.4 / 4
    expected = [a, a, b, a + b, clean, clean, clean, clean]
    assert foreground(lambda: PIXELS, share=0.6) == pytest.approx(expected)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rows", [[0, 1], [4, 5]])
def test_foreground_with_tiles_of_one_sort(rows: list[int], share: float) -> None:
    assert foreground(lambda: PIXELS[rows], share=share) == pytest.approx([0.5, 0.5])


def test_class_balanced_by_hand() -> None:
    # Three turns: a in 3 tiles, b in 2, clean in 4.
    a, b, clean = 1 / 9, 1 / 6, 1 / 12
    expected = [a, a, b, a + b, clean, clean, clean, clean]
    assert class_balanced(lambda: PIXELS) == pytest.approx(expected)


def test_class_balanced_without_clean_tiles_by_hand() -> None:
    a, b = 1 / 6, 1 / 4
    expected = [a, a, b, a + b, 0, 0, 0, 0]
    assert class_balanced(lambda: PIXELS, clean=False) == pytest.approx(expected)


def test_power_by_hand() -> None:
    # Shares of a, b and clean as 3, 2, 4; as their square roots; as 1, 1, 1.
    roots = np.sqrt([3, 2, 4])
    for exponent, shares in [(0.0, [3, 2, 4]), (0.5, roots), (1.0, [1, 1, 1])]:
        a, b, clean = np.array(shares) / sum(shares) / [3, 2, 4]
        expected = [a, a, b, a + b, clean, clean, clean, clean]
        assert power(lambda: PIXELS, exponent=exponent) == pytest.approx(expected)


def test_repeat_factor_by_hand() -> None:
    # a is in 17 of 100 tiles, b in 4: sqrt(0.68 / 0.17) = 2 and sqrt(0.68 / 0.04) = 4.12.
    each = repeat_factor(lambda: SKEWED, threshold=0.68, cap=3.0)
    total = 80 + 16 * 2 + 4 * 3
    assert each[[0, 80, 96, 99]] == pytest.approx(np.array([1, 2, 3, 3]) / total)


def test_repeat_factor_repeats_no_class_as_frequent_as_the_threshold() -> None:
    # a is not repeated; b is, by sqrt(0.16 / 0.04) = 2, and so is the tile that holds both.
    each = repeat_factor(lambda: SKEWED, threshold=0.16, cap=3.0)
    assert each[[0, 80, 96, 99]] == pytest.approx(np.array([1, 1, 2, 2]) / (96 + 4 * 2))


def test_class_balanced_passes_over_absent_classes_and_slivers() -> None:
    absent = np.insert(PIXELS, 1, 0, axis=1)
    assert class_balanced(lambda: absent, clean=False) == pytest.approx(
        class_balanced(lambda: PIXELS, clean=False)
    )
    # From 4 pixels on, only the first tile holds a and only the third b.
    expected = [1 / 2, 0, 1 / 2, 0, 0, 0, 0, 0]
    assert class_balanced(lambda: PIXELS, clean=False, min_pixels=4) == pytest.approx(expected)


@pytest.mark.parametrize(
    "sampler",
    [defect_tiles, lambda count: class_balanced(count, clean=False)],
    ids=["tiles", "robin"],
)
def test_no_defect_where_only_those_are_shown(sampler) -> None:
    with pytest.raises(DataError, match=r"none of the 3 tiles has one; take sampling\.kind"):
        sampler(lambda: CLEAN)


@pytest.mark.parametrize("sampler", [foreground, class_balanced, power, repeat_factor])
def test_without_defects_clean_tiles_are_drawn_alike(sampler) -> None:
    assert sampler(lambda: CLEAN) == pytest.approx([1 / 3, 1 / 3, 1 / 3])


DRAWING = sorted(set(SAMPLERS) - {"uniform"})


@pytest.mark.parametrize("name", DRAWING)
def test_an_absent_class_takes_nothing(name: str) -> None:
    absent = np.insert(PIXELS, 1, 0, axis=1)
    assert SAMPLERS[name](lambda: absent) == pytest.approx(SAMPLERS[name](lambda: PIXELS))


@pytest.mark.parametrize("name", DRAWING)
def test_slivers_below_min_pixels_do_not_count(name: str) -> None:
    # From 4 pixels on, the tiles hold a, nothing, b, nothing.
    counted = np.where(PIXELS >= 4, PIXELS, 0)
    expected = SAMPLERS[name](lambda: counted)
    assert SAMPLERS[name](lambda: PIXELS, min_pixels=4) == pytest.approx(expected)
    assert SAMPLERS[name](lambda: PIXELS, min_pixels=5) == pytest.approx(expected)
    assert expected[1] == expected[4]  # a tile with a sliver is drawn like a clean one


some_pixels = st.integers(1, 4).flatmap(
    lambda classes: st.lists(
        st.lists(st.integers(0, 3), min_size=classes, max_size=classes), min_size=1, max_size=9
    )
)


@pytest.mark.parametrize("name", DRAWING)
@given(rows=some_pixels)
def test_probabilities_add_up_to_one(name: str, rows: list[list[int]]) -> None:
    pixels = np.array(rows)
    if name == "defect_tiles" and not pixels.any():
        return
    probabilities = SAMPLERS[name](lambda: pixels)
    assert probabilities.shape == (len(rows),)
    assert (probabilities >= 0).all()
    assert probabilities.sum() == pytest.approx(1)


# What a, b and clean tiles are expected to be of the draws, in tiles of SKEWED.
ROOTS = np.sqrt([17, 4, 80])
SEEN = [
    ("defect_tiles", {}, [17 / 20, 4 / 20, 0]),
    # The tile of both classes is drawn for the sake of either: a of its own and 1 of b's 4 tiles.
    ("foreground", {"share": 0.4}, [0.2 + 0.2 / 4, 0.2 + 0.2 / 17, 0.6]),
    ("class_balanced", {}, [1 / 3 + 1 / 12, 1 / 3 + 1 / 51, 1 / 3]),
    ("class_balanced", {"clean": False}, [1 / 2 + 1 / 8, 1 / 2 + 1 / 34, 0]),
    ("power", {"exponent": 0.0}, [18 / 101, 5 / 101, 80 / 101]),
    ("power", {"exponent": 0.5}, (ROOTS + ROOTS[[1, 0, 2]] / [4, 17, np.inf]) / ROOTS.sum()),
    ("repeat_factor", {"threshold": 0.68, "cap": 3.0}, [35 / 124, 12 / 124, 80 / 124]),
]


@pytest.mark.parametrize(("name", "settings", "shares"), SEEN)
def test_a_hundred_thousand_draws(name: str, settings: dict, shares: list[float]) -> None:
    draws = 100_000
    probabilities = SAMPLERS[name](lambda: SKEWED, **settings)
    tiles = np.random.default_rng(0).choice(len(SKEWED), draws, p=probabilities)
    holds = np.column_stack([SKEWED > 0, ~SKEWED.any(axis=1)])
    counts = holds[tiles].sum(axis=0)
    expected = np.array(shares)
    error = np.sqrt(expected * (1 - expected) * draws)
    assert (np.abs(counts - expected * draws) <= 4 * error).all()


REFUSED = [
    ("defect_tiles", {"min_pixels": 0}),
    ("defect_tiles", {"share": 0.5}),
    ("foreground", {"share": 1.1}),
    ("class_balanced", {"clean": 1}),
    ("power", {"exponent": -0.1}),
    ("power", {"exponent": 1.1}),
    ("repeat_factor", {"threshold": 0.0}),
    ("repeat_factor", {"threshold": 1.1}),
    ("repeat_factor", {"cap": 0.9}),
]


@pytest.mark.parametrize(("name", "settings"), REFUSED)
def test_settings_out_of_their_range_are_refused(name: str, settings: dict) -> None:
    model = component_model(SamplingSpec, name, SAMPLERS[name])
    model.model_validate({"kind": name})
    with pytest.raises(ValidationError):
        model.model_validate({"kind": name} | settings)
