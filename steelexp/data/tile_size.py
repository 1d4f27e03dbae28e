"""Sizes of tiles in a spec: one number for a square, or height and width."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import (
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from steelexp.limits import Pixels, TileSide


def sides(size: int | Sequence[int]) -> tuple[int, int]:
    """Height and width of a size in a spec: 256 -> (256, 256), [256, 512] -> (256, 512)."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return height, width


def size_text(size: int | Sequence[int]) -> str:
    """A size for messages: "256" for a square, "256 x 512" otherwise."""
    height, width = sides(size)
    return str(height) if height == width else f"{height} x {width}"


def _one_or_two(value: Any, check_pair: Any) -> int | list[int]:
    """One number, or a list of two; two equal numbers become one, so that both are one run."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise PydanticCustomError(
                "size", "One number is expected, or a list of two: [height, width]"
            )
        height, width = check_pair(list(value))
        return height if height == width else [height, width]
    try:
        return int(check_pair([value, value])[0])
    except ValidationError as error:
        # The spec has one number, so the error names no place in a list.
        raise PydanticCustomError("size", "{text}", {"text": error.errors()[0]["msg"]}) from None


def _one_or_two_of(side: Any) -> Any:
    """The type of a setting: one number of a type, or a list of two."""
    one = TypeAdapter(side).json_schema()
    pair = {"type": "array", "items": one, "minItems": 2, "maxItems": 2}
    return Annotated[
        Annotated[list[side], Field(min_length=2, max_length=2)],
        WrapValidator(_one_or_two),
        PlainSerializer(lambda size: size),
        WithJsonSchema({"anyOf": [one, pair]}),
    ]


if TYPE_CHECKING:
    TileSize: TypeAlias = int | Sequence[int]
    Stride: TypeAlias = int | Sequence[int]
else:
    TileSize = _one_or_two_of(TileSide)
    Stride = _one_or_two_of(Pixels)
