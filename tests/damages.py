"""Damages of files: what a broken disk, half a copy or a careless hand leaves.

for file in sorted(folder.iterdir()):
    for damage in damages(file, np.random.default_rng(0), other=other_folder / file.name):
        damage.apply(file)
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Damage(NamedTuple):
    """A change of one file.

    Attributes:
        name: What is changed, for messages and tables.
        apply: Function that changes the file.
    """

    name: str
    apply: Callable[[Path], object]


class Outcome(NamedTuple):
    """What a reader made of one damage.

    Attributes:
        file: Name of the damaged file.
        damage: Name of the damage.
        outcome: One of a few words, such as "refused" or "mended".
        text: Last line that was said.
    """

    file: str
    damage: str
    outcome: str
    text: str = ""


def truncate(share: float = 0.5) -> Damage:
    """Cut a file off after a share of its bytes, at least one byte."""

    def apply(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: min(round(share * len(content)), len(content) - 1)])

    return Damage(f"truncate to {share:.0%}", apply)


def empty() -> Damage:
    """Leave nothing of a file."""
    return Damage("empty", lambda file: file.write_bytes(b""))


def remove() -> Damage:
    """Remove a file."""
    return Damage("remove", lambda file: file.unlink())


def flip_bit(at: float, bit: int = 0) -> Damage:
    """Flip one bit of the byte at a share, from 0 to below 1, of a file's bytes."""

    def apply(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(at * len(content))] ^= 1 << bit
        file.write_bytes(content)

    return Damage(f"flip bit {bit} at {at:.1%}", apply)


def swap(other: Path) -> Damage:
    """Put the file of another run, of the same name, in the place of a file."""
    content = other.read_bytes()
    return Damage("swap", lambda file: file.write_bytes(content))


def repeat_line(number: int) -> Damage:
    """Write a line, counted from 0, twice."""
    return Damage(
        f"repeat line {number}",
        lambda file: _edit_lines(file, lambda lines: lines.insert(number, lines[number])),
    )


def drop_line(number: int) -> Damage:
    """Leave out a line, counted from 0."""
    return Damage(
        f"drop line {number}", lambda file: _edit_lines(file, lambda lines: lines.pop(number))
    )


def swap_lines(number: int) -> Damage:
    """Exchange a line, counted from 0, with the next one."""

    def edit(lines: list[bytes]) -> None:
        lines[number : number + 2] = reversed(lines[number : number + 2])

    return Damage(f"swap lines {number} and {number + 1}", lambda file: _edit_lines(file, edit))


def damages(
    file: Path, rng: np.random.Generator, *, other: Path | None = None, bits: int = 4
) -> Iterator[Damage]:
    """Damages of every kind that change this file.

    Args:
        file: File, as it is before.
        rng: Random generator that places the flipped bits.
        other: The file of another run; None leaves the swap out.
        bits: Bits to flip: in the first and in the last 2 %, and elsewhere.
    """
    content = file.read_bytes()
    yield remove()
    if not content:
        return
    yield empty()
    yield from (truncate(share) for share in (0.02, 0.5, 0.99))
    places = [rng.uniform(0, 0.02), rng.uniform(0.98, 1), *rng.uniform(0, 1, max(bits - 2, 0))]
    for at in places[:bits]:
        yield flip_bit(float(at), int(rng.integers(8)))
    if other is not None and other.is_file() and other.read_bytes() != content:
        yield swap(other)
    yield from _line_damages(content)


def _line_damages(content: bytes) -> Iterator[Damage]:
    """Repeat, drop and swap lines of a text of more than one line."""
    lines = content.splitlines(keepends=True)
    if b"\0" in content or len(lines) < 2:
        return
    middle = len(lines) // 2
    for number in sorted({0, middle, len(lines) - 1}):
        yield repeat_line(number)
        yield drop_line(number)
    if lines[middle - 1] != lines[middle]:
        yield swap_lines(middle - 1)


def _edit_lines(file: Path, edit: Callable[[list[bytes]], object]) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    edit(lines)
    file.write_bytes(b"".join(lines))


def write_table(outcomes: Iterable[Outcome]) -> None:
    """Write the table to stdout, which `pytest -s` shows."""
    sys.stdout.write(f"\n{table(outcomes)}\n")


def table(outcomes: Iterable[Outcome]) -> str:
    """The number of damages of each file by outcome, as a table in Markdown."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in outcomes:
        counts[each.file][each.outcome] += 1
    kinds = sorted({kind for row in counts.values() for kind in row})
    lines = [["file", "damages", *kinds], ["---"] * (2 + len(kinds))]
    for file, row in counts.items():
        lines.append([file, str(row.total()), *(str(row[kind] or "") for kind in kinds)])
    total = sum(counts.values(), Counter[str]())
    lines.append(["all", str(total.total()), *(str(total[kind]) for kind in kinds)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
