"""One mask file: what it stores, whether that has a meaning, and its mask bits."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.dataset import Bits, DataError
from steelexp.data.decoding import decode_stored
from steelexp.data.file_memory import remembered
from steelexp.data.image_header import parse_header, read_file
from steelexp.data.issue import Issue
from steelexp.data.mask_folder.stored_values import HALF_TRANSPARENT, Code, Keys, describe, keys_of

WHITE = 255
"""Value of the class in masks of one class, as most tools write them."""

_MOST_VALUES = 1024
"""Most different values of a mask; no mask of classes has as many."""

_NAMED = 3
"""Values in a message at most."""

_LOSSY = ("JPEG", "MPO")

_EXACT = 2**24
"""Pixels below which OpenCV's histogram, in float32, is exact."""


class MaskFacts(NamedTuple):
    """What a mask file stores.

    Attributes:
        height: Height in pixels.
        width: Width in pixels.
        kind: Type by content, such as PNG.
        has_palette: Whether it has a palette.
        counts: Pairs of key and number of its pixels, the most frequent first; at most 1,024.
        values: Number of different values.
    """

    height: int
    width: int
    kind: str
    has_palette: bool
    counts: Sequence[tuple[int, int]]
    values: int

    @property
    def pixels(self) -> dict[int, int]:
        """Number of pixels by key."""
        return dict(self.counts)


def mask_facts(paths: Sequence[Path], *, colours: bool) -> list[MaskFacts]:
    """What mask files store, remembered while the files stay as they are.

    Args:
        paths: Mask files.
        colours: Whether palettes are read as colours.

    Raises:
        DataError: Files cannot be read; all are listed.
    """
    fact = f"mask {'colours' if colours else 'numbers'} 1"
    compute = functools.partial(_facts_of_file, colours=colours)
    return [MaskFacts(*values) for values in remembered(paths, fact, compute)]


def read_mask(
    path: Path, size: tuple[int, int] | None, code: Code
) -> tuple[Bits | None, list[Issue]]:
    """Read a mask and check it.

    Args:
        path: Path of the mask.
        size: Height and width of its image; None if unknown.
        code: Meaning of its values.

    Returns:
        Mask bits, [H, W], None if there are issues; and the issues.
    """
    try:
        keys, kind, has_palette = _stored_keys(path, colours=bool(code.colours))
    except DataError as error:
        return None, [unreadable(path, error)]
    facts = _facts(keys, kind, has_palette)
    issues = mask_issues(path, facts, size, code)
    return (None if issues else decode(keys, facts, code)), issues


def decode(keys: Keys, facts: MaskFacts, code: Code) -> Bits:
    """Mask bits, [H, W], of the stored values [H, W]."""
    if _is_white(facts, code):
        white: Bits = (keys == WHITE).astype(np.uint8)
        return white
    return code.decode(keys)


def class_pixels(facts: MaskFacts, code: Code, classes: int) -> list[int]:
    """Number of pixels of each class, ignored pixels left out."""
    if _is_white(facts, code):
        return [facts.pixels.get(WHITE, 0)]
    counts = [0] * classes
    for key, count in facts.pixels.items():
        bits = code.bits.get(key, code.else_bits or 0)
        for c in range(classes):
            counts[c] += count * (bits >> c & 1)
    return counts


def mask_issues(
    path: Path, facts: MaskFacts, size: tuple[int, int] | None, code: Code
) -> list[Issue]:
    """What is wrong with a mask that can be read."""
    issues = []
    if size is not None and (facts.height, facts.width) != size:
        text = f"{facts.height} x {facts.width}, its image {size[0]} x {size[1]}"
        issues.append(Issue("mask size", path, None, text))
    if facts.kind in _LOSSY and any(key != 0 for key in facts.pixels):
        text = f"a JPEG under the name of {path.suffix}, which changes values; save it as PNG"
        issues.append(Issue("JPEG by another name", path, None, f"{text} from its source"))
    elif facts.has_palette and code.colours is None:
        text = "a palette, and its numbers or its colours could be meant; name either of them"
        issues.append(Issue("mask value", path, None, f"{text} in the settings, not both"))
    elif not _is_white(facts, code) and (unknown := code.unknown(facts.pixels)):
        text = f"{_list_values(unknown, facts)}, but {code.reason}{_hint(facts, code)}"
        issues.append(Issue("mask value", path, None, text))
    return issues


def unreadable(path: Path, error: DataError) -> Issue:
    """The issue of a mask that cannot be read."""
    return Issue("unreadable mask", path, None, str(error).removeprefix(f"{path}: "))


def _stored_keys(path: Path, *, colours: bool) -> tuple[Keys, str, bool]:
    """Stored values, type by content, and whether there is a palette."""
    content = read_file(path)
    header = parse_header(content, path)
    stored = decode_stored(content, path, header, colours=colours)
    try:
        return keys_of(stored), header.kind, header.has_palette
    except ValueError as error:
        raise DataError(f"{path}: {error}; save the mask with 8 bits") from None


def _facts_of_file(path: Path, *, colours: bool) -> MaskFacts:
    return _facts(*_stored_keys(path, colours=colours))


def _facts(keys: Keys, kind: str, has_palette: bool) -> MaskFacts:
    if keys.dtype == np.uint8:
        counts = _count_bytes(keys)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(keys, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:_MOST_VALUES]
    pairs = list(zip(values[order].tolist(), counts[order].tolist(), strict=True))
    height, width = keys.shape
    return MaskFacts(height, width, kind, has_palette, pairs, len(values))


def _count_bytes(keys: Keys) -> npt.NDArray[np.int64]:
    """Number of pixels of each value, [256]."""
    if keys.size >= _EXACT:  # in rows of a part each
        parts = np.array_split(keys, -(-keys.size // _EXACT) + 1)
        return np.asarray(sum(map(_count_bytes, parts)), np.int64)
    # np.bincount converts to 64 bits: 1.7 ms for 256 x 1600 instead of 0.7.
    histogram = cv2.calcHist([np.ascontiguousarray(keys)], [0], None, [256], [0, 256])
    return histogram.ravel().astype(np.int64)


def _is_white(facts: MaskFacts, code: Code) -> bool:
    """Whether a mask has 0 and 255 for its only class."""
    return code.only_class and WHITE in facts.pixels and facts.pixels.keys() <= {0, WHITE}


def _list_values(unknown: Iterable[int], facts: MaskFacts) -> str:
    """Example: "value 7" or "values 7, [1, 2, 3], 9 and 20 more"."""
    keys = sorted(unknown, key=lambda key: -facts.pixels[key])
    rest = len(keys) + max(facts.values - _MOST_VALUES, 0) - _NAMED
    names = ", ".join(map(describe, keys[:_NAMED])) + (f" and {rest} more" if rest > 0 else "")
    return f"value{'s' if keys[1:] else ''} {names}"


def _hint(facts: MaskFacts, code: Code) -> str:
    """The way out for values without a meaning; "" if the reason says enough."""
    values = facts.pixels
    if HALF_TRANSPARENT in values:
        return "; draw without smooth edges"
    if code.only_class and WHITE in values:
        return (
            "; a mask of one class has 0 and 1, or 0 and 255, and resizing or JPEG makes other "
            "values: make it anew, or name the values: data.values={CLASS: [128, 255]}"
        )
    if any(key > 2**16 for key in values) and not any(key > 2**16 for key in code.bits):
        return "; name the colours: data.values={CLASS: [255, 0, 0]}"
    if not code.way_out and values.keys() - code.bits.keys() == {WHITE}:
        return "; leave these pixels out with data.ignore=255, or name the value: data.values"
    return code.way_out
