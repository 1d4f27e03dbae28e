"""The doctor names every bad file and ends on none."""

import contextlib
import os
import resource

import numpy as np
import pytest
from PIL import Image

from steelexp.data.dataset import DataError
from steelexp.data.doctor.diagnosis import diagnose, write
from steelexp.data.duplicates import search
from steelexp.data.forms.writers import WRITERS
from tests.data.forms.random_sets import make_dataset

MEMORY = 8 * 2**30
"""Bytes of address space, so that a device that never ends fails the test and not the machine."""


@pytest.fixture(autouse=True)
def bounded_memory(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, before[1]))
    monkeypatch.setattr(
        search,
        "near_duplicates",
        lambda image, count, **_: search.NearDuplicates(np.arange(count), []),
    )
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def content(value):
    return lambda path: path.write_bytes(value)


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path):
    values = np.frombuffer(path.read_bytes(), np.uint8).copy()
    values[np.random.default_rng(1).integers(0, len(values), 9)] ^= 0x55
    path.write_bytes(values.tobytes())


def instead(put):
    """A damage that puts something in the place of the file."""

    def damage(path):
        path.unlink()
        put(path)

    return damage


def picture(mode, kind, size=(16, 12)):
    return lambda path: Image.new(mode, size).save(path, format=kind)


DAMAGES = {
    "empty": content(b""),
    "zeros": content(bytes(500)),
    "web page": content(b"<html>please log in</html>"),
    "pointer": content(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "Latin-1": content("ä;ö\nü".encode("latin-1")),
    "deep": content(b"[" * 100_000),
    "null": content(b"null"),
    "infinite": content(b'{"shapes": [{"points": [[1e999, NaN]]}], "imageHeight": 1e400}'),
    "half": half,
    "flipped": flipped,
    "pipe": instead(os.mkfifo),
    "device": instead(lambda path: path.symlink_to("/dev/zero")),
    "dead link": instead(lambda path: path.symlink_to("nowhere")),
    "link to itself": instead(lambda path: path.symlink_to(path.name)),
    "folder": instead(lambda path: path.mkdir()),
    "CMYK": picture("CMYK", "JPEG"),
    "grey and alpha": picture("LA", "PNG"),
    "float": picture("F", "TIFF"),
    "32 bits": picture("I", "TIFF"),
    "Lab": picture("LAB", "TIFF"),
    "one pixel": picture("L", "PNG", (1, 1)),
    "one row": picture("L", "PNG", (400, 1)),
}
"""What can be in the place of a file; the pictures replace images and masks."""


def write_set(folder, form):
    """A set of one image for each damage, and one that stays whole."""
    classes = ("1", "2", "3", "4") if form == "severstal" else ("a", "b")
    masks = [np.full((12, 16), 1 + i % 2, np.uint8) for i in range(len(DAMAGES) + 1)]
    names = [f"{i:02d}.png" for i in range(len(masks))]
    dataset = make_dataset(folder / "source", masks, classes, names=names)
    WRITERS[form](dataset, folder / "set")
    return folder / "set"


def files_of(folder, suffixes, below=""):
    """One file for each damage, by the number in its name."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix in suffixes]
    return [path for path in files if below in path.as_posix() and path.stem[:2].isdigit()]


@pytest.mark.parametrize("form", WRITERS)
def test_a_folder_of_bad_images(tmp_path, form):
    root = write_set(tmp_path, form)
    images = [path for path in files_of(root, {".png"}) if "masks" not in path.parts]
    for path, damage in zip(images, DAMAGES.values(), strict=False):
        damage(path)
    diagnosis = diagnose(root)
    write(diagnosis, tmp_path / "out")
    named = {issue.file.name for issue in diagnosis.issues} | {
        word.strip(":;,") for issue in diagnosis.issues for word in issue.text.split()
    }
    # A folder is no image, and its labels tell that one is missing.
    harmless = {"folder", "link to itself"} if form in {"labelme", "yolo_seg"} else set()
    missing = [
        name
        for path, name in zip(images, DAMAGES, strict=False)
        if path.name not in named and name not in harmless
    ]
    assert missing == []
    assert any(name.endswith(images[-1].name) for name in diagnosis.names)


@pytest.mark.parametrize(
    ("form", "suffix", "below"),
    [
        ("labelme", ".json", ""),
        ("yolo_seg", ".txt", "labels"),
        ("supervisely", ".json", "ann"),
        ("mask_folder", ".png", "masks"),
    ],
)
def test_a_folder_of_bad_labels(tmp_path, form, suffix, below):
    root = write_set(tmp_path, form)
    labels = files_of(root, {suffix}, below)
    assert len(labels) == len(DAMAGES) + 1
    for path, damage in zip(labels, DAMAGES.values(), strict=False):
        damage(path)
    diagnosis = diagnose(root)
    write(diagnosis, tmp_path / "out")
    named = " ".join(f"{issue.file} {issue.text}" for issue in diagnosis.issues)
    # An empty file of YOLO is a clean image, and masks may have a size of their own.
    harmless = {"yolo_seg": {"empty"}}.get(form, set())
    missing = [
        name
        for path, name in zip(labels, DAMAGES, strict=False)
        if path.stem[:2] not in named and name not in harmless
    ]
    assert missing == []


TABLES = {
    "coco": "annotations.json",
    "csv": "train.csv",
    "severstal": "train.csv",
    "supervisely": "meta.json",
    "yolo_seg": "data.yaml",
}


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name[0].islower()][:15])
def test_a_bad_table(tmp_path, form, damage):
    root = write_set(tmp_path, form)
    DAMAGES[damage](root / TABLES[form])
    with contextlib.suppress(DataError):  # the layout is not known any more
        assert diagnose(root).issues
