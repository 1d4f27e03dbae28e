"""Changes of valid files, and of the values of valid JSON, as Hypothesis draws them."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

PIECES = [
    b"\0",
    b"\xff",
    b"\xff\xd8\xff\xda",
    b"\n",
    b"\r\n",
    b'"',
    b",",
    b"{",
    b"[" * 300,
    b"]}",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"nan",
    b"-inf",
    b"1e400",
    b"9" * 400,
    b"9" * 5_000,
    b"-1",
    b"true",
    b"null",
    b"\\u0000",
    b"\\ud800",
    b"../",
    b"\xed\xa0\x80",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
]
NUMBERS = [-1, 0, 1, 2**31, 2**63, 10**30, 10**400, 1e308, -0.5, float("nan"), float("inf")]
TEXTS = ["", "\0", "a\ud800b", "../..", "x" * 3_000, "9" * 5_000, "\x1b[2J", "=1+1", "<b>", "1"]

places = st.integers(0, 2**20)


@st.composite
def mutated(draw: st.DrawFn, contents: list[bytes]) -> bytes:
    """A content with one to four changes."""
    content = draw(st.sampled_from(contents))
    for _ in range(draw(st.integers(1, 4))):
        content = draw(st.sampled_from(CHANGES))(draw, content, contents)
    return content


def _flip(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    if not content:
        return content
    place = draw(places) % len(content)
    bit = 1 << draw(st.integers(0, 7))
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def _overwrite(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    place = draw(places) % (len(content) + 1)
    piece = draw(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=4))
    return content[:place] + piece + content[place + len(piece) :]


def _insert(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    place = draw(places) % (len(content) + 1)
    piece = draw(st.sampled_from(PIECES) | st.binary(min_size=1, max_size=16))
    return content[:place] + piece + content[place:]


def _truncate(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    return content[: draw(places) % (len(content) + 1)]


def _delete(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    place = draw(places) % (len(content) + 1)
    return content[:place] + content[place + draw(st.integers(1, 40)) :]


def _repeat(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    place = draw(places) % (len(content) + 1)
    piece = content[place : place + draw(st.integers(1, 40))]
    return content[:place] + piece * draw(st.integers(2, 50)) + content[place:]


def _splice(draw: st.DrawFn, content: bytes, contents: list[bytes]) -> bytes:
    other = draw(st.sampled_from(contents))
    here = draw(places) % (len(content) + 1)
    there = draw(places) % (len(other) + 1)
    return content[:here] + other[there:]


CHANGES: list[Callable[[st.DrawFn, bytes, list[bytes]], bytes]] = [
    _flip,
    _overwrite,
    _insert,
    _truncate,
    _delete,
    _repeat,
    _splice,
]

hostile_values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def spots(value: Any, spot: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value, as the keys that lead to it."""
    if spot:
        yield spot
    members = dict(enumerate(value)) if isinstance(value, list) else value
    for key, each in members.items() if isinstance(members, dict) else ():
        yield from spots(each, (*spot, key))


@st.composite
def changed(draw: st.DrawFn, originals: list[Any]) -> Any:
    """A JSON value with one to three places replaced, removed or added."""
    value = copy.deepcopy(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, 3))):
        all_spots = list(spots(value))
        if not all_spots:
            return draw(hostile_values)
        spot = all_spots[draw(places) % len(all_spots)]
        inner = value
        for key in spot[:-1]:
            inner = inner[key]
        if draw(st.integers(0, 4)):
            inner[spot[-1]] = draw(hostile_values)
        else:
            del inner[spot[-1]]
    return value
