import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, ValidationError

from steelexp.data.tile_size import Stride, TileSize, sides, size_text

SIDES = st.integers(1, 256).map(lambda n: 32 * n)


class Setting(BaseModel):
    model_config = ConfigDict(strict=True)
    size: TileSize = 256
    stride: Stride = 1


def checked(text):
    return Setting.model_validate(yaml.safe_load(text))


def test_one_number_is_a_square_and_two_are_height_and_width():
    assert sides(256) == (256, 256)
    assert sides([256, 512]) == (256, 512)
    assert (size_text(256), size_text([256, 256]), size_text([256, 512])) == (
        "256",
        "256",
        "256 x 512",
    )


@given(SIDES, SIDES)
def test_two_equal_numbers_are_one_and_others_stay_as_they_are_written(height, width):
    size = checked(f"size: [{height}, {width}]").size
    assert sides(size) == (height, width)
    assert size == (height if height == width else [height, width])
    written = checked(f"size: {size}").model_dump(mode="json")
    assert Setting.model_validate(written).size == size


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("size: 48", ("size",), "Input should be a multiple of 32"),
        ("size: [256, 48]", ("size", 1), "Input should be a multiple of 32"),
        ("size: [8224, 32]", ("size", 0), "Input should be less than or equal to 8192"),
        ("size: 256.0", ("size",), "Input should be a valid integer"),
        ("size: true", ("size",), "Input should be a valid integer"),
        ("size: '{x}'", ("size",), "Input should be a valid integer"),
        (
            "size: [256]",
            ("size",),
            "One number is expected, or a list of two: [height, width]",
        ),
        (
            "size: [32, 64, 96]",
            ("size",),
            "One number is expected, or a list of two: [height, width]",
        ),
        ("stride: [0, 8]", ("stride", 0), "Input should be greater than 0"),
    ],
)
def test_wrong_sizes_are_refused_at_their_place(text, place, message):
    with pytest.raises(ValidationError) as refused:
        checked(text)
    (error,) = refused.value.errors()
    assert (error["loc"], error["msg"]) == (place, message)


def test_editors_are_told_both_forms():
    number, pair = Setting.model_json_schema()["properties"]["size"]["anyOf"]
    assert (number["type"], number["multipleOf"], number["maximum"]) == ("integer", 32, 8192)
    assert (pair["type"], pair["items"], pair["minItems"], pair["maxItems"]) == (
        "array",
        number,
        2,
        2,
    )
