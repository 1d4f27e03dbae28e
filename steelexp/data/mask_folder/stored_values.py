"""The values that masks store: numbers, palette indices and colours, and the classes they mean."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from steelexp.data.dataset import Bits, DataError

TRANSPARENT = -1
"""Key of a pixel that is fully transparent; it is background."""

HALF_TRANSPARENT = -2

_COLOURS = 1 << 24  # keys of colours from here, so that they are apart from numbers of 16 bits
_LARGEST = 2**16 - 1

Keys = npt.NDArray[np.integer[Any]]
"""Stored values as numbers: a grey value or palette index is itself, a colour follows the numbers.
A colour of three equal channels is the grey value."""

_ONE = {"type": "integer", "minimum": 0, "maximum": _LARGEST}
_COLOUR = {"type": "array", "items": _ONE | {"maximum": 255}, "minItems": 3, "maxItems": 3}
_SCHEMA: dict[str, Any] = {
    "anyOf": [_ONE, _COLOUR, {"type": "array", "items": {"anyOf": [_ONE, _COLOUR]}}]
}


def listed_values(stated: object) -> tuple[Any, ...]:
    """The stored values that a setting names.

    Args:
        stated: A number, a colour of three numbers, or a list of numbers and colours.

    Returns:
        Numbers, and colours as tuples.

    Raises:
        PydanticCustomError: It is nothing of these.
    """
    if _is_value(stated):
        return (_value(stated),)
    if isinstance(stated, list | tuple) and stated and all(map(_is_value, stated)):
        return tuple(map(_value, stated))
    raise PydanticCustomError(
        "stored_values",
        "a number from 0 to 65535, a colour [red, green, blue], or a list of these is expected; "
        "three numbers are a colour",
    )


StoredValues = Annotated[object, PlainValidator(listed_values), WithJsonSchema(_SCHEMA)]
"""One stored value or several: 255, [255, 0, 0], [254, 255] or [[255, 0, 0], [200, 0, 0]]."""


def ignored_values(stated: object) -> object:
    """As `listed_values`, or the name of a folder."""
    return stated if isinstance(stated, str) and stated else listed_values(stated)


IgnoredValues = Annotated[
    object, PlainValidator(ignored_values), WithJsonSchema({"anyOf": [{"type": "string"}, _SCHEMA]})
]
"""Stored values, or the name of a folder of masks."""


@dataclass(frozen=True)
class Code:
    """How the stored values of masks are read.

    Attributes:
        bits: Mask bits by key of the stored value; 0 for the background.
        reason: Origin of the values, for messages about other values.
        way_out: Advice about other values; "" if the reason says it.
        colours: Whether a mask with a palette is read as its colours, else as palette indices;
            None refuses such masks.
        only_class: Whether 255 is the class in masks that hold nothing else but 0.
        else_bits: Mask bits of all values that `bits` does not name; None if they are refused.
    """

    bits: Mapping[int, int]
    reason: str
    way_out: str = ""
    colours: bool | None = False
    only_class: bool = False
    else_bits: int | None = None

    def unknown(self, keys: Iterable[int]) -> list[int]:
        """The keys without a meaning."""
        return [] if self.else_bits is not None else [key for key in keys if key not in self.bits]

    def decode(self, keys: Keys) -> Bits:
        """Convert a mask.

        Args:
            keys: [H, W] stored values.

        Returns:
            [H, W] mask bits in the narrowest unsigned integers; values without a meaning become
            background.
        """
        if keys.dtype.itemsize <= 2:
            return self._table[keys]
        mask = np.full(keys.shape, self.else_bits or 0, self._table.dtype)
        for key, bits in self.bits.items():
            mask[keys == key] = bits
        return mask

    @functools.cached_property
    def _table(self) -> Bits:
        """Mask bits of each number, [65536]."""
        other = self.else_bits or 0
        word = np.min_scalar_type(max(other, *self.bits.values()))
        table = np.full(_LARGEST + 1, other, word)
        for key, bits in self.bits.items():
            if 0 <= key <= _LARGEST:
                table[key] = bits
        return table

    def encode(self, mask: Bits, ignored: int) -> npt.NDArray[Any] | None:
        """The inverse of `decode`, with the first value of each meaning.

        Args:
            mask: [H, W] mask bits.
            ignored: Bit of ignored pixels, which have no class; 0 if there are none.

        Returns:
            [H, W] numbers or [H, W, 3] RGB; None if a pixel has several classes without a value.
        """
        keys = {bits: key for key, bits in reversed(list(self.bits.items())) if key >= 0}
        words = np.where(mask & ignored, ignored, mask) if ignored else mask
        present = np.unique(words).tolist()
        if not keys.keys() >= set(present):
            return None
        if max(keys.values()) >= _COLOURS:
            stored = np.zeros((*mask.shape, 3), np.uint8)
        else:
            stored = np.zeros(mask.shape, np.min_scalar_type(max(keys.values())))
        for word in present:
            stored[words == word] = colour_of(keys[word]) if stored.ndim > 2 else keys[word]
        return stored


def key_of(value: int | tuple[int, int, int]) -> int:
    """The key of a number or a colour."""
    if isinstance(value, int):
        return value
    red, green, blue = value
    return red if red == green == blue else _COLOURS + (red << 16 | green << 8 | blue)


def keys_of(stored: npt.NDArray[Any]) -> Keys:
    """The keys of a decoded mask.

    Args:
        stored: [H, W], [H, W, 3] RGB or [H, W, 4] RGBA.

    Raises:
        ValueError: Colours have more than 8 bits a channel.
    """
    if stored.ndim == 2:
        return stored
    if stored.dtype != np.uint8:
        raise ValueError(f"colours of {stored.dtype.itemsize * 8} bits a channel")
    red, green, blue = (stored[..., channel].astype(np.int32) for channel in range(3))
    grey = (red == green) & (green == blue)
    keys: Keys = np.where(grey, red, _COLOURS + (red << 16 | green << 8 | blue))
    if stored.shape[2] == 4:
        alpha = stored[..., 3]
        keys[(alpha > 0) & (alpha < 255)] = HALF_TRANSPARENT
        keys[alpha == 0] = TRANSPARENT
    return keys


def value_of(key: int) -> int | tuple[int, int, int]:
    """The inverse of `key_of`."""
    if key < _COLOURS:
        return key
    return (key >> 16 & 255, key >> 8 & 255, key & 255)


def colour_of(key: int) -> tuple[int, int, int]:
    """The colour of a key; of a number the grey of that value."""
    value = value_of(key)
    return (value, value, value) if isinstance(value, int) else value


def describe(key: int) -> str:
    """A stored value in words: "7" or "[255, 0, 0]"."""
    if key < 0:
        return "transparent" if key == TRANSPARENT else "half transparent"
    value = value_of(key)
    return str(value) if isinstance(value, int) else str(list(value))


def assign_keys(meanings: Iterable[tuple[str, int, Iterable[Any]]]) -> dict[int, int]:
    """Mask bits by key.

    Args:
        meanings: Setting with its name for messages, mask bits, stored values.

    Raises:
        DataError: A stored value has two meanings.
    """
    bits = {TRANSPARENT: 0}
    names: dict[int, str] = {}
    for name, word, values in meanings:
        for key in map(key_of, values):
            if key in names:
                raise DataError(
                    f"{name}: {describe(key)} is {names[key]}, too; give each stored value one "
                    "meaning"
                )
            names[key] = name
            bits[key] = word
    return bits


def palette_rule(values: Iterable[Any]) -> bool | None:
    """Whether masks with a palette are read as colours; None if numbers and colours are mixed."""
    kinds = {isinstance(value, tuple) for value in values}
    return None if len(kinds) > 1 else kinds == {True}


def _is_value(stated: object) -> bool:
    if isinstance(stated, list | tuple):
        return len(stated) == 3 and all(_is_number(part, 255) for part in stated)
    return _is_number(stated, _LARGEST)


def _is_number(stated: object, largest: int) -> bool:
    return isinstance(stated, int) and not isinstance(stated, bool) and 0 <= stated <= largest


def _value(stated: Any) -> Any:
    return tuple(stated) if isinstance(stated, list) else stated
