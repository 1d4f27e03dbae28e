"""The class names of a label form, and the bits of a mask that they get."""

import itertools
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field, Strict

from steelexp.data.dataset import MOST_CLASSES, DataError
from steelexp.data.issue import Issue

ClassNames = Annotated[tuple[str, ...], Strict(False), Field(min_length=1, max_length=MOST_CLASSES)]


class ClassBits(NamedTuple):
    """Classes of a form and the bits of their names.

    Attributes:
        classes: Class names in the order of the bits.
        bits: Bit by name; the ignored class has the one after the last class's.
    """

    classes: tuple[str, ...]
    bits: dict[str, int]

    @property
    def has_ignore(self) -> bool:
        """Whether one name is ignored."""
        return len(self.bits) > len(self.classes)


def class_bits(
    stated: Collection[str], classes: tuple[str, ...] | None, ignore: str | None, place: Path
) -> ClassBits:
    """Assign bits to class names.

    Args:
        stated: Names that the files state, in their order.
        classes: Names of the setting `classes`, whose order counts; None takes the stated ones.
        ignore: Name of the setting `ignore`, whose areas are ignored pixels.
        place: File or folder that states the names, for messages.

    Raises:
        DataError: A name occurs twice, is no class of the files, or is both a class and ignored.
    """
    present_names = join_names(stated) or "none"
    if ignore is not None and ignore not in stated:
        raise DataError(f"data.ignore: {place} has no class {ignore!r}; it has {present_names}")
    if classes is not None and len(set(classes)) < len(classes):
        raise DataError(f"data.classes: {', '.join(classes)}: a name occurs twice")
    if classes is not None and ignore in classes:
        raise DataError(f"data.classes: {ignore!r} is data.ignore, too; leave it out of one")
    for name in classes or ():
        if name not in stated:
            raise DataError(f"data.classes: {place} has no class {name!r}; it has {present_names}")
    names = tuple(name for name in stated if name != ignore) if classes is None else classes
    if not names:
        raise DataError(f"{place}: no class is named; state them with data.classes")
    bits = {name: bit for bit, name in enumerate(names)}
    return ClassBits(names, bits if ignore is None else bits | {ignore: len(names)})


def open_class_bits(
    used: Iterable[str], classes: tuple[str, ...] | None, ignore: str | None, place: Path
) -> ClassBits:
    """Assign bits to class names in a form that does not list its classes.

    Args:
        used: Names that occur.
        classes: Names of the setting `classes`, some of which may not occur; None takes all that
            occur, sorted, numbers by their value.
        ignore: Name of the setting `ignore`.
        place: File or folder of the names, for messages.

    Raises:
        DataError: As in `class_bits`.
    """
    if classes is None:
        return class_bits(natural_order(set(used)), None, ignore, place)
    stated = classes if ignore is None or ignore in classes else (*classes, ignore)
    return class_bits(stated, classes, ignore, place)


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names as people do: 2 before 10."""
    return sorted(names, key=lambda name: [*_numbers_apart(name), (2, 0, name)])


def _numbers_apart(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name)
    return [_number_or_text(part) for part in parts if part]


def _number_or_text(part: str) -> tuple[int, int, str]:
    """Digits in the order of their numbers, of any length."""
    digits = part.lstrip("0")
    return (0, len(digits), digits) if part.isdecimal() else (1, 0, part)


def join_names(names: Iterable[str]) -> str:
    """Names between commas; the first 20 of many, since each of a million issues names them."""
    first = list(itertools.islice(names, 21))
    return ", ".join(first[:20]) + (" and others" if len(first) > 20 else "")


def unknown_class(
    file: Path, row: int | None, key: str, name: str, class_table: ClassBits
) -> Issue:
    """The issue of a class that the data set does not have."""
    text = f"{key}: there is no class {name!r}; known: {join_names(class_table.bits)}"
    return Issue("unknown class", file, row, text)
