"""Whatever stands in a label file: it is read or refused with a message, never a traceback."""

import contextlib
import json
import tempfile
from pathlib import Path
from shutil import copytree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.data.dataset import DataError
from steelexp.data.sources import LOADERS

FIXTURES = Path(__file__).parent / "fixtures"
FILES = {
    "pycocotools/instances.json": "coco",
    "datumaro/annotations/instances_default.json": "coco",
    "labelme/a.json": "labelme",
    "labelme/clean.json": "labelme",
    "supervisely/meta.json": "supervisely",
    "supervisely/train/ann/a.png.json": "supervisely",
    "supervisely/train/ann/b.png.json": "supervisely",
}
NUMBERS = st.sampled_from([-1, 0, 10**30, 1e308, -0.5, 1e12])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["counts", "size", "origin", "data"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, place=()):
    """Every place of a JSON value, as the keys that lead to it."""
    if place:
        yield place
    members = dict(enumerate(value)) if isinstance(value, list) else value
    for key, each in members.items() if isinstance(members, dict) else ():
        yield from places(each, (*place, key))


def read_or_refuse(file, content):
    """Read a set with another content of one file."""
    name = Path(file).parts[0]
    with tempfile.TemporaryDirectory() as folder:
        root = copytree(FIXTURES / name, Path(folder, name))
        Path(folder, file).write_bytes(content)
        with contextlib.suppress(DataError):
            LOADERS[FILES.get(file) or LINES[file]](root=str(root))


@pytest.mark.parametrize("file", FILES)
def test_any_value_in_any_place(file):
    original = (FIXTURES / file).read_text()

    @given(st.sampled_from(list(places(json.loads(original)))), VALUES)
    @settings(max_examples=60, deadline=None)
    def check(place, value):
        content = json.loads(original)
        inner = content
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        read_or_refuse(file, json.dumps(content).encode())

    check()


LINES = {"ultralytics/labels/a.txt": "yolo_seg", "ultralytics/data.yaml": "yolo_seg"}
PIECES = st.sampled_from([b"-", b"nan", b"inf", b"1e400", b"\n", b" ", b"\0", b"\xff", b"[", b":"])


@given(st.sampled_from(list(LINES)), st.integers(0, 400), st.integers(0, 9), PIECES)
@settings(max_examples=100, deadline=None)
def test_any_piece_in_a_text_file(file, start, length, piece):
    content = (FIXTURES / file).read_bytes()
    read_or_refuse(file, content[:start] + piece + content[start + length :])


@pytest.mark.parametrize("text", ["\x80", "a", "not base64!"])
def test_a_mask_that_is_not_base64(tmp_path, text):
    root = copytree(FIXTURES / "labelme", tmp_path / "labelme")
    content = json.loads((root / "a.json").read_text())
    content["shapes"][1]["mask"] = text
    (root / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="its mask is not in base64"):
        LOADERS["labelme"](root=str(root))


def test_an_origin_that_is_infinite(tmp_path):
    root = copytree(FIXTURES / "supervisely", tmp_path / "supervisely")
    file = next(file for file in root.rglob("ann/*.json") if "bitmap" in file.read_text())
    content = json.loads(file.read_text())
    bitmap = next(each["bitmap"] for each in content["objects"] if each.get("bitmap"))
    bitmap["origin"] = [float("inf"), 0]
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="a bitmap needs data in base64, and origin as"):
        LOADERS["supervisely"](root=str(root))
