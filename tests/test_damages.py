"""The damages themselves, by hand."""

import numpy as np
import pytest

from tests.damages import (
    Outcome,
    damages,
    drop_line,
    empty,
    flip_bit,
    repeat_line,
    swap,
    swap_lines,
    table,
    truncate,
)


@pytest.mark.parametrize(
    ("damage", "wanted"),
    [
        (truncate(0.5), b"a\nb"),
        (truncate(1.0), b"a\nb\nc"),
        (empty(), b""),
        (flip_bit(0.0), b"`\nb\nc\n"),
        (flip_bit(0.99, 1), b"a\nb\nc\x08"),
        (repeat_line(1), b"a\nb\nb\nc\n"),
        (drop_line(0), b"b\nc\n"),
        (swap_lines(1), b"a\nc\nb\n"),
    ],
)
def test_a_damage_by_hand(tmp_path, damage, wanted):
    file = tmp_path / "file"
    file.write_bytes(b"a\nb\nc\n")
    damage.apply(file)
    assert file.read_bytes() == wanted


def test_a_swap_brings_the_other_content(tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"2")
    swap(tmp_path / "other").apply(tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"2"


def test_every_damage_of_a_file_changes_it(tmp_path):
    file = tmp_path / "file"
    other = tmp_path / "other"
    other.write_bytes(b"other")
    for content in (b"1", b"a\nb\nc\nd\n", bytes(1000)):
        file.write_bytes(content)
        names = set()
        for damage in damages(file, np.random.default_rng(0), other=other):
            damage.apply(file)
            assert not file.is_file() or file.read_bytes() != content
            file.write_bytes(content)
            names.add(damage.name.split()[0])
        assert {"remove", "empty", "truncate", "flip", "swap"} <= names
        assert ({"repeat", "drop"} <= names) == (content == b"a\nb\nc\nd\n")


def test_a_table_by_hand():
    outcomes = [Outcome("a", "empty", "refused"), Outcome("b", "empty", "mended")] * 2
    assert table(outcomes).splitlines() == [
        "| file | damages | mended | refused |",
        "| --- | --- | --- | --- |",
        "| a | 2 |  | 2 |",
        "| b | 2 | 2 |  |",
        "| all | 4 | 2 | 2 |",
    ]
