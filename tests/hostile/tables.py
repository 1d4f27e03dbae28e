"""Tables with endless cells, rows and columns, and runs that no image has."""

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from steelexp.data.forms.csv_table import csv_table
from steelexp.data.severstal import severstal
from steelexp.data.splits.file import read_table
from tests.hostile.case import Case
from tests.hostile.images import saved

HEADER = "ImageId,ClassId,EncodedPixels\n"
DIGITS = "9" * 5_000

TABLES: dict[str, tuple[Callable[[], bytes | str], str]] = {
    "a cell of 20 MB": (lambda: HEADER.encode() + b"a" * 20 * 2**20, "line 2: more than"),
    "a header of 20 MB": (lambda: b"a" * 20 * 2**20, "line 1: more than 16,777,216 characters"),
    "a million columns": (lambda: "a," * 10**6, "line 1: 1,000,001 cells, and at most 100"),
    "a million cells": (lambda: HEADER + "a," * 10**6, "line 2: 1,000,001 cells"),
    "10,000 wide rows": (lambda: HEADER + ("," * 500 + "\n") * 10**4, "line 2: 501 cells"),
    "2 million rows": (lambda: "a\n" * 2 * 10**6, "more than 1,000,000 rows"),
    "blank rows": (lambda: HEADER + "\n" * 2 * 10**6, "more than 1,000,000 rows"),
    "a quote without an end": (lambda: HEADER + '"' + "a\n" * 10**5, ""),
    "a quoted cell of 18 MB": (lambda: HEADER + '"' + "a\n" * 9 * 2**20, "field larger than"),
    "quotes in quotes": (lambda: HEADER + '"""""","a"b"c,""\n' * 50, ""),
    "a NUL in a cell": (lambda: HEADER + "a\0b.png,1,1 1\n", "is not in"),
    "a NUL alone": (lambda: "\0" * 1000, ""),
    "Latin-1": (lambda: HEADER.encode() + b"\xe4.png,1,1 1\n", "not a readable table of UTF-8"),
    "UTF-16": (lambda: (HEADER + "a.png,1,1 1\n").encode("utf-16"), "not a readable table"),
    "every byte": (lambda: bytes(range(256)), "not a readable table"),
    "nothing": (lambda: b"", "the columns are absent"),
    "a header": (lambda: HEADER, ""),
    "carriage returns": (lambda: "a\r" * 10**5, ""),
}
RUNS = {
    "5,000 digits": (f"1 {DIGITS}", "not a pixel's number"),
    "a start of 5,000 digits": (f"{DIGITS} 1", "not a pixel's number"),
    "64 bits": ("9223372036854775807 1", "not a pixel's number"),
    "15 digits": ("999999999999999 1", "ends beyond pixel 600"),
    "a sum of 15 digits": ("999999999999999 999999999999999", "ends beyond pixel 600"),
    "a fraction": ("1.5 1", "not a pixel's number"),
    "an infinity": ("inf 1", "not a pixel's number"),
    "a NaN": ("1 nan", "not a pixel's number"),
    "an exponent": ("1e400 1", "not a pixel's number"),
    "below 1": ("-1 1", "starts before pixel 1"),
    "no length": ("1 0", "has a length below 1"),
    "an odd number of numbers": ("1 1 1", "an odd count"),
    "a million numbers": ("1 1 " * 500_000, "overlaps the run in front of it"),
    "a million spaces": ("1" + " " * 10**6 + "x", "not a pixel's number"),
    "digits of another script": ("\uff11 \uff11", "not a pixel's number"),
    "a NUL": ("1\0 1", "not a pixel's number"),
}
SPLITS = {
    "a version of 5,000 digits": (
        f"image,part,version,added\na,train,{DIGITS},x\n",
        "is not image,part,version,added",
    ),
    "an unknown part": ("image,part\na," + "x" * 10**6 + "\n", "is not image,part"),
    "a second row": ("image,part\na,train\na,val\n", "a second row for this image"),
    "100,000 wrong rows": ("image,part\n" + "a\n" * 10**5, "and 99980 more"),
    "a million columns": ("image,part" + "," * 10**6 + "\n", "cells, and at most 100"),
}


def table_set(content: Callable[[], bytes | str]) -> Callable[[Path], Path]:
    """The function that writes a set of one image and a table."""

    def make(folder: Path) -> Path:
        (folder / "train_images").mkdir()
        (folder / "train_images" / "a.png").write_bytes(saved("PNG"))
        data = content()
        (folder / "train.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
        return folder

    return make


def _split_file(text: str, folder: Path) -> Path:
    (folder / "split.csv").write_text(text)
    return folder / "split.csv"


def _in_place_of_the_table(make: Callable[[Path], object], folder: Path) -> Path:
    table_set(lambda: b"")(folder)
    (folder / "train.csv").unlink()
    make(folder / "train.csv")
    return folder


def _severstal(root: Path) -> object:
    return severstal(root=str(root))


def _csv(root: Path) -> object:
    return csv_table(root=str(root))


def _csv_from_0(root: Path) -> object:
    return csv_table(root=str(root), start=0)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


BIG = {"megabytes": 400.0, "seconds": 6.0}
LARGE = ("2 million rows", "blank rows", "a quoted cell of 18 MB")
CASES = [
    *(
        Case(f"severstal: {name}", table_set(make), _severstal, line, **BIG, is_large=name in LARGE)
        for name, (make, line) in TABLES.items()
    ),
    *(
        Case(f"csv: {name}", table_set(TABLES[name][0]), _csv, "", **BIG)
        for name in ("a cell of 20 MB", "a million columns", "a NUL in a cell", "every byte")
    ),
    *(
        Case(
            f"{form} runs: {name}",
            table_set(lambda runs=runs: HEADER + f"a.png,1,{runs}\n"),
            read,
            line,
            megabytes=400.0,
            seconds=4.0,
        )
        for form, read in (("severstal", _severstal), ("csv", _csv))
        for name, (runs, line) in RUNS.items()
    ),
    *(
        Case(
            f"csv runs from 0: {name}",
            table_set(lambda runs=RUNS[name][0]: HEADER + f"a.png,1,{runs}\n"),
            _csv_from_0,
            "not a pixel's number",
        )
        for name in (
            "5,000 digits",
            "a start of 5,000 digits",
            "64 bits",
            "digits of another script",
        )
    ),
    Case(
        "csv: a class of 5,000 digits",
        table_set(lambda: HEADER + f"a.png,{DIGITS},1 1\na.png,x,1 1\n"),
        _csv,
        "",
    ),
    Case(
        "csv: 20,000 classes",
        table_set(lambda: HEADER + "".join(f"a.png,c{i},1 1\n" for i in range(20_000))),
        _csv,
        "20000 classes (c0, c1",
        8.0,
        300.0,
    ),
    Case(
        "severstal: 20,000 classes",
        table_set(lambda: HEADER + "".join(f"a.png,c{i},1 1\n" for i in range(20_000))),
        _severstal,
        "there is no class 'c0'",
        4.0,
        300.0,
    ),
    *(
        Case(f"split: {name}", functools.partial(_split_file, text), read_table, line, 4.0, 500.0)
        for name, (text, line) in SPLITS.items()
    ),
    Case(
        "split: a pipe",
        lambda folder: os.mkfifo(folder / "split.csv") or folder / "split.csv",
        read_table,
        "not a regular file",
    ),
    Case("split: a device", lambda folder: Path("/dev/zero"), read_table, "not a regular file"),
    Case("split: a folder", lambda folder: folder, read_table, "Is a directory"),
    Case("split: a NUL", lambda folder: folder / "a\0b", read_table, "not a valid path"),
    *(
        Case(f"{form}: {name}", functools.partial(_in_place_of_the_table, make), read, line)
        for form, read in (("severstal", _severstal), ("csv", _csv))
        for name, make, line in (
            ("a pipe for a table", os.mkfifo, ""),
            ("a device for a table", lambda path: path.symlink_to("/dev/zero"), ""),
            (
                "a folder for a table",
                lambda path: shutil.copytree(path.parent, path.with_name("b")),
                "",
            ),
            ("a cell of 1 TB", _sparse, "1,099,511,627,776 bytes or more"),
        )
    ),
]
