import csv
import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco

from steelexp.data.rle import RleError, decode, encode, parse_runs

MASKS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def mask(*rows):
    return np.array([[pixel == "x" for pixel in row] for row in rows])


# Pixels are numbered down the columns from 1: 1 3 5
#                                              2 4 6
WORKED = [
    (mask("...", "..."), ""),
    (mask("x..", "..."), "1 1"),
    (mask("...", "x.."), "2 1"),
    (mask(".x.", "..."), "3 1"),
    (mask("...", "..x"), "6 1"),
    (mask(".x.", "x.."), "2 2"),
    (mask("xx.", "xx."), "1 4"),
    (mask("xxx", "..."), "1 1 3 1 5 1"),
    (mask("..x", "xxx"), "2 1 4 3"),
    (mask("xxx", "xxx"), "1 6"),
]


@pytest.mark.parametrize(("pixels", "code"), WORKED)
def test_worked_by_hand(pixels, code):
    assert encode(pixels) == code
    np.testing.assert_array_equal(decode(code, (2, 3)), pixels)


@given(MASKS)
def test_a_mask_survives(pixels):
    decoded = decode(encode(pixels), pixels.shape)
    assert decoded.dtype == bool
    np.testing.assert_array_equal(decoded, pixels)


@given(MASKS)
def test_how_a_mask_lies_in_memory_does_not_matter(pixels):
    assert encode(np.asfortranarray(pixels)) == encode(np.ascontiguousarray(pixels))
    assert encode(np.repeat(pixels, 2, axis=1)[:, ::2]) == encode(pixels)


@st.composite
def canonical_codes(draw):
    """Ascending runs with at least one pixel between them, in a mask of a random shape."""
    steps = draw(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=20))
    runs, end = [], draw(st.sampled_from([-1, 0, 5]))  # -1: the first run may start at pixel 1
    for gap, length in steps:
        runs += [end + gap + 1, length]
        end += gap + length
    height = draw(st.integers(1, 9))
    return " ".join(map(str, runs)), (height, -(-max(end, 0) // height) + draw(st.integers(0, 3)))


@given(canonical_codes())
def test_a_canonical_code_survives(code_and_shape):
    code, shape = code_and_shape
    assert encode(decode(code, shape)) == code


def test_runs_are_counted_from_0():
    np.testing.assert_array_equal(parse_runs("1 2 5 1", 6), [[0, 2], [4, 1]])


def test_touching_runs_are_taken_and_come_back_as_one():
    np.testing.assert_array_equal(decode("1 2 3 2", (2, 3)), mask("xx.", "xx."))
    assert encode(decode("1 2 3 2", (2, 3))) == "1 4"


@pytest.mark.parametrize("code", ["", " ", "\n", " 2  1\t4 3\r\n", "+2 1 04 3"])
def test_blanks_signs_and_leading_zeros_do_not_matter(code):
    wanted = mask("..x", "xxx") if code.strip() else mask("...", "...")
    np.testing.assert_array_equal(decode(code, (2, 3)), wanted)


def test_a_mask_without_pixels_has_no_runs():
    assert encode(np.zeros((0, 3), bool)) == ""
    assert decode("", (0, 3)).shape == (0, 3)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("3", "1 numbers, an odd count: the last start has no length"),
        ("1 1 3", "3 numbers, an odd count: the last start has no length"),
        ("1 1 0 1", "run 2 (0 1) starts before pixel 1"),
        ("-2 1", "run 1 (-2 1) starts before pixel 1"),
        ("1 0", "run 1 (1 0) has a length below 1"),
        ("1 1 3 -1", "run 2 (3 -1) has a length below 1"),
        ("1 1 7 1", "run 2 (7 1) ends beyond pixel 6, the last"),
        ("5 3", "run 1 (5 3) ends beyond pixel 6, the last"),
        ("1 999999999999999", "run 1 (1 999999999999999) ends beyond pixel 6, the last"),
        ("1 3 3 1", "run 2 (3 1) overlaps the run in front of it"),
        ("1 1 1 1", "run 2 (1 1) overlaps the run in front of it"),
        ("1 1 5 1 3 1", "run 3 (3 1) starts before the run in front of it"),
        ("1 1 x 1", "number 3 of the code is 'x', not a pixel's number"),
        ("1.0 1", "number 1 of the code is '1.0', not a pixel's number"),
        ("1 1e3", "number 2 of the code is '1e3', not a pixel's number"),
        ("1 nan", "number 2 of the code is 'nan', not a pixel's number"),
        ("1,1", "number 1 of the code is '1,1', not a pixel's number"),
        ("1 - 1", "number 2 of the code is '-', not a pixel's number"),
        ("1 0x2", "number 2 of the code is '0x2', not a pixel's number"),
        ("1 1_0", "number 2 of the code is '1_0', not a pixel's number"),
        ("1 ٣", "number 2 of the code is '٣', not a pixel's number"),
        ("1 ²", "number 2 of the code is '²', not a pixel's number"),
        ("1\u00a01", "number 1 of the code is '1\\xa01', not a pixel's number"),
        ("1\x1c1", "number 1 of the code is '1\\x1c1', not a pixel's number"),
        ("1 1\x00", "number 2 of the code is '1\\x00', not a pixel's number"),
        ("1 " + "9" * 16, "number 2 of the code is '9999999999999999', not a pixel's number"),
        ("1 " + "9" * 400, f"number 2 of the code is '{'9' * 20}', not a pixel's number"),
    ],
)
def test_a_wrong_code_is_refused_with_its_position(code, message):
    with pytest.raises(RleError) as refused:
        decode(code, (2, 3))
    assert str(refused.value) == message


@given(st.text(alphabet="0123456789 -+.e\n\u00a0٣", max_size=12))
def test_any_text_is_a_mask_or_refused(code):
    try:
        pixels = decode(code, (2, 3))
    except RleError:
        return
    np.testing.assert_array_equal(decode(encode(pixels), (2, 3)), pixels)


def of_coco(code, shape):
    """The mask as pycocotools decodes it: alternating lengths of background and defect."""
    runs = np.array(code.split(), int).reshape(-1, 2)
    starts, ends = runs[:, 0] - 1, runs.sum(axis=1) - 1
    edges = np.r_[0, np.stack([starts, ends], axis=1).ravel(), shape[0] * shape[1]]
    counts = {"counts": np.diff(edges).tolist(), "size": list(shape)}
    return coco.decode(coco.frPyObjects(counts, *shape)).astype(bool)


def test_severstals_own_rows_survive_and_agree_with_pycocotools(realdata):
    shape = (256, 1600)
    with gzip.open(realdata / "severstal_labels" / "train_partial.csv.gz", "rt") as file:
        codes = [row["EncodedPixels"] for row in csv.DictReader(file)]
    assert len(codes) == 1630
    for code in codes:
        pixels = decode(code, shape)
        assert encode(pixels) == code
        assert np.array_equal(pixels, of_coco(code, shape))
