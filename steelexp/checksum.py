"""Checksums, by which damage is noticed. They tell changes, not forgeries."""

import json
from collections.abc import Mapping
from typing import Any, Final

import xxhash

KEY: Final = "checksum"
"""Key of the checksum of a JSON object, beside the values that it covers."""


class ChecksumError(ValueError):
    """Values are not what their checksum was written for."""


def hash_bytes(data: bytes | memoryview) -> str:
    """XXH3 of 128 bits, as 32 hex digits."""
    return xxhash.xxh3_128_hexdigest(data)


def short_hash(data: bytes | memoryview) -> str:
    """XXH3 of 64 bits, as 16 hex digits."""
    return xxhash.xxh3_64_hexdigest(data)


def with_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a JSON object with their checksum as the last one.

    The checksum is the hash of the values as JSON with sorted keys and without spaces.

    Raises:
        ValueError: A value is not finite; JSON has no word for it.
    """
    return {**values, KEY: _checksum(values)}


def without_checksum(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a JSON object whose checksum is right, without it.

    Raises:
        ChecksumError: The checksum is missing or wrong.
    """
    rest = {key: value for key, value in values.items() if key != KEY}
    if KEY not in values:
        raise ChecksumError("its checksum is missing")
    try:
        right = values[KEY] == _checksum(rest)
    except (ValueError, RecursionError):  # NaN, or nested too deeply to be ours
        right = False
    if not right:
        raise ChecksumError("its checksum does not match its content")
    return rest


def _checksum(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hash_bytes(text.encode())
