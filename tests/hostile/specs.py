"""Specs, overrides and settings that would never end, or that no file can have."""

import functools
import os
from pathlib import Path

from steelexp.commands.arguments import requests
from steelexp.plan import SpecModel
from steelexp.spec import load
from steelexp.spec.files import read_resolved
from tests.hostile.case import Case, content_of

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
NINES = "9" * 5_000
LAUGH = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)
VALUES = "more than 5,000 values"
DEEP = "nested more than 32 levels deep"
LONG = "a number of"

TEXTS = {
    "billion laughs": (LAUGH, VALUES),
    "laughs by merge": (
        "a: &a {x: 1}\n"
        + "".join(f"b{i}: &b{i} {{<<: [{','.join(['*a'] * 100)}]}}\n" for i in range(200)),
        VALUES,
    ),
    "an alias of itself": ("a: &a [*a]", "an alias that contains itself"),
    "a mapping of itself": ("a: &a {b: *a}", "an alias that contains itself"),
    "an alias to nothing": ("a: *b", "found undefined alias"),
    "two anchors of a name": ("a: &a 1\nb: &a 2", "duplicate anchor"),
    "scalars": ("a: [" + "1," * 120_000 + "]", VALUES),
    "scalars just within": ("a: [" + "1," * 4_900 + "]", "a: unknown setting"),
    "lines of a list": ("a:\n" + "- 1\n" * 60_000, VALUES),
    "anchors": ("\n".join(f"- &a{i} x" for i in range(20_000)), VALUES),
    "keys": ("".join(f"k{i}: 1\n" for i in range(2_400)), "and more problems"),
    "digits": (f"seed: {NINES}", LONG),
    "digits of an exponent": (f"seed: 1e{NINES}", LONG),
    "digits of a fraction": (f"seed: 0.{NINES}", LONG),
    "digits in base 60": ("seed: 1" + ":1" * 3_000, LONG),
    "digits in base 16": ("seed: 0x" + "f" * 5_000, LONG),
    "digits in base 2": ("seed: 0b" + "1" * 5_000, LONG),
    "digits in base 8": ("seed: 0" + "7" * 5_000, LONG),
    "digits with lines below": ("seed: 1" + "_1" * 3_000, LONG),
    "a date that is none": ("seed: 2026-99-99", "is read as a timestamp"),
    "deep lists": ("a: " + "[" * 100_000, DEEP),
    "deep mappings": ("a: " + "{a: " * 40_000, DEEP),
    "deep by lines": ("".join(" " * i + "a:\n" for i in range(400)), DEEP),
    "deep by dashes": ("- " * 50_000 + "1", DEEP),
    "deep within the limit": ("a: " + "{a: " * 30 + "1" + "}" * 30, "a: unknown setting"),
    "extends of 5,000 letters": ("extends: " + "x" * 5_000, "extends: there is no spec"),
    "extends of 3,000 folders": ("extends: " + "x/" * 3_000, "extends: there is no spec"),
    "extends itself": ("extends: spec.yaml", "inherits from this file"),
    "extends a NUL": ('extends: "a\\0b"', "a NUL is in the text"),
    "extends half a character": ('extends: "\\ud800"', "a lone surrogate"),
    "extends a device": ("extends: /dev/zero", "there is no spec /dev/zero"),
    "extends a folder": ("extends: .", "there is no spec"),
    "extends a list": ("extends: [a, b]", "the path of one spec is expected"),
    "extends a number": ("extends: 1", "the path of one spec is expected"),
    "a text": ("question: " + "x" * 200_000, "a text of 200,000 characters"),
    "a text of lines": ("question: |\n" + " x\n" * 60_000, "a text of 120,000 characters"),
    "a text of escapes": ('question: "' + "\\x41" * 50_000 + '"', "a text of 50,000 characters"),
    "variables without an end": ("question: " + "${a:-" * 1_999, "missing"),
    "variables": ("question: " + "${A}" * 2_000, "the variable A is not set"),
    "a NUL": (b"seed: 1\0", "special characters are not allowed"),
    "a NUL in a value": ('question: "a\\0b"', "question: 'a\\x00b': a NUL is in the text"),
    "a NUL in a key": ('"a\\0b": 1', "'a\\x00b': a NUL is in the text"),
    "a NUL in a name": ('name: "a\\0b"', "a NUL is in the text"),
    "a NUL in a list": ('data: {classes: ["a\\0b"]}', "data.classes[0]: 'a\\x00b': a NUL"),
    "half a character in a value": ('question: "\\udc80"', "a lone surrogate"),
    "half a character in a key": ('"\\udfff": 1', "a lone surrogate"),
    "a key of 5,000 letters": ("k" * 900 + ": 1", "a key of more than 200 characters"),
    "a list as a key": ("? [1, 2]\n: 3", "a key is one word"),
    "a tag that runs a program": (
        "question: !!python/object/apply:os.system [ls]",
        "tags are not taken",
    ),
    "directives": ("%TAG ! x:\n" * 5_000 + "--- 1", "duplicate tag handle"),
    "documents": ("a: 1\n---\n" * 10_000, "expected a single document"),
    "comments": ("#\n" * 120_000, "a mapping of settings is expected"),
    "blank lines": ("\n" * 250_000, "a mapping of settings is expected"),
    "every byte": (bytes(range(256)), "not UTF-8 text"),
    "UTF-16": ("a: 1".encode("utf-16"), "not UTF-8 text"),
    "nothing": (b"", "a mapping of settings is expected"),
    "1 MB": (b"#" * 2**20, "1,048,576 bytes or more, and at most 262,144 are read"),
}

SETTINGS = {
    "tiling.count=1000000000": "tiling.count: 1000000000: input should be less than or equal",
    f"tiling.count={NINES}": LONG,
    "tiling.count=1e9": "tiling.count",
    "tiling={kind: cover, size: 1048576}": "tiling.size: 1048576",
    "tiling={kind: cover, stride: 1000000}": "tiling.stride: 1000000",
    "data.strips=1000000000": "data.strips: 1000000000",
    "data.seed=-1": "data.seed: -1",
    "training.epochs=1000000000": "training.epochs: 1000000000",
    "training.batch_size=1000000000": "training.batch_size: 1000000000",
    "training.workers=1000000": "training.workers: 1000000",
    "training.overlays=1000000000": "training.overlays: 1000000000",
    "training.early_stopping_patience=1000000000": "training.early_stopping_patience",
    "model.decoder_filters=[1000000000, 1, 1, 1, 1]": "model.decoder_filters[0]",
    "model.decoder_filters=[" + "1," * 9_000 + "]": "model.decoder_filters",
    "split={kind: kfold, folds: 1000000}": "split.folds: 1000000",
    "split={kind: kfold, seed: -1}": "split.seed: -1",
    "loss_warm_up={name: bce, epochs: -1}": "loss_warm_up.epochs",
    "seed=4294967296": "seed: 4294967296",
    "seed=.inf": "seed",
    "optimizer.learning_rate=.nan": "optimizer.learning_rate",
    "augment.shift={pixels: 1000000000}": "augment.shift.pixels",
    "loss.name=" + "x" * 9_000: "is not known",
    "name=" + "x" * 9_000 + "/": "name: ",
    "search={tuner: {name: random}, trials: 1000000000, space: {seed: {choice: [1]}}}": (
        "search.trials: 1000000000"
    ),
    "search={tuner: {name: grid}, space: {training.epochs: {int: [0, 1000000000000]}}}": (
        "more than 10,000 whole numbers"
    ),
    "search={tuner: {name: grid, points: 1000000000}, space: "
    "{optimizer.learning_rate: {float: [0.1, 1]}}}": "search.tuner.points: 1000000000",
    "search={tuner: {name: grid}, space: {"
    + ", ".join(
        f"{name}: {{choice: {list(range(300))}"
        + (f", when: {{{before}: [1]}}}}" if before else "}")
        for before, name in (
            ("", "training.epochs"),
            ("training.epochs", "training.batch_size"),
            ("training.batch_size", "training.early_stopping_patience"),
        )
    )
    + "}}": "combinations of values",
    "": "key=value with a dotted key is expected",
    "=": "key=value with a dotted key is expected",
    "a..b=1": "key=value with a dotted key is expected",
    "k" * 9_000 + "=1": "a key has at most 200 printable",
    "a\0b=1": "a key has at most 200 printable",
    "a\udc80b=1": "a key has at most 200 printable",
    "question=a\0b": "special characters are not allowed",
    "question=a\udc80b": "special characters are not allowed",
    "question=" + "x" * 90_000: "a text of 90,000 characters",
    "question=" + "[" * 90_000: DEEP,
    "question=&a [" + "*a," * 9_000 + "]": "an alias that contains itself",
    f"seed={NINES}": LONG,
}


def _circle(folder: Path) -> Path:
    for number in range(3):
        (folder / f"{number}.yaml").write_text(f"extends: {(number + 1) % 3}.yaml\n")
    return folder / "0.yaml"


def _chain(folder: Path) -> Path:
    for number in range(30):
        (folder / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    return folder / "0.yaml"


def _pipe(folder: Path) -> Path:
    os.mkfifo(folder / "spec.yaml")
    return folder / "spec.yaml"


def _inherited_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.yaml")
    return content_of("extends: pipe.yaml", "spec.yaml")(folder)


def _sparse(folder: Path) -> Path:
    with (folder / "spec.yaml").open("wb") as file:
        file.truncate(2**40)
    return folder / "spec.yaml"


def _link_to_itself(folder: Path) -> Path:
    (folder / "spec.yaml").symlink_to("spec.yaml")
    return folder / "spec.yaml"


_load = functools.partial(load, model=SpecModel)


def _load_with(override: str, path: Path) -> object:
    return _load(QUICKSTART, [override])


def _requested(*words: str, seeds: str | None = None) -> object:
    return lambda path: requests([*(words or [str(path)])], seeds)


def _nothing(folder: Path) -> Path:
    return folder


PLACES = [
    ("a circle of specs", _circle, _load, "inherits from this file"),
    ("30 ancestors", _chain, _load, "more than 20 specs inherit"),
    ("a pipe", _pipe, _load, "not a regular file"),
    ("a pipe that is inherited", _inherited_pipe, _load, "there is no spec"),
    ("1 TB", _sparse, _load, "1,099,511,627,776 bytes or more"),
    ("a link to itself", _link_to_itself, _load, "cannot be read"),
    ("a device", lambda folder: Path("/dev/zero"), _load, "not a regular file"),
    ("a folder", _nothing, _load, "Is a directory"),
    ("a name with a NUL", lambda folder: folder / "a\0b.yaml", _load, "not a valid path"),
    ("half a name", lambda folder: folder / "a\ud800b.yaml", _load, "not a valid path"),
    ("a long name", lambda folder: folder / ("x" * 300), _load, "File name too long"),
    ("run a pipe", _pipe, _requested(), "not a regular file"),
    ("run a device", _nothing, _requested("/dev/zero"), "not a regular file"),
    ("run a long name", _nothing, _requested("x" * 5_000), "no such spec or folder"),
    ("run a long override", _nothing, _requested("seed=" + NINES), "no spec was named"),
    ("run a NUL", _nothing, _requested("a\0b"), "no such spec or folder"),
    (
        "a million seeds",
        _nothing,
        _requested(str(QUICKSTART), seeds="1," * 10**6),
        "1,000,001 seeds; at most 1,000",
    ),
]

RESOLVED = ["billion laughs", "an alias of itself", "scalars", "digits", "deep lists", "UTF-16"]

CASES = [
    *(
        Case(f"spec: {name}", content_of(text, "spec.yaml"), _load, line)
        for name, (text, line) in TEXTS.items()
    ),
    *(
        Case(
            f"setting {number}: {text[:40]!a}", _nothing, functools.partial(_load_with, text), line
        )
        for number, (text, line) in enumerate(SETTINGS.items())
    ),
    *(Case(f"spec: {name}", make, read, line) for name, make, read, line in PLACES),
    *(
        Case(
            f"resolved spec: {name}",
            content_of(TEXTS[name][0], "spec.yaml"),
            read_resolved,
            "not a spec that this version wrote",
        )
        for name in RESOLVED
    ),
]
