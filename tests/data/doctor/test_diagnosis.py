import csv
import gzip
import json
import os
import shutil
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from steelexp.__main__ import main
from steelexp.command_line import python_line
from steelexp.data.dataset import DataError
from steelexp.data.doctor.diagnosis import diagnose, write
from steelexp.data.doctor.extents import black_area
from steelexp.data.duplicates import search
from steelexp.data.issue import FIXES
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.severstal import severstal
from tests.data.doctor.test_looks_whole import WHOLE
from tests.data.forms.test_issues import OF_FORMS

SIZE = (64, 96)
ROWS = ("a.jpg,1,1 200", "a.jpg,3,641 64 769 10", "c.jpg,2,3201 64", "d.jpg,4,6000 100")
HEADER = "ImageId,ClassId,EncodedPixels"


@pytest.fixture(autouse=True)
def no_duplicates(request, monkeypatch):
    """No near-duplicates, unless a test asks for the real search."""
    if "real_duplicates" not in request.fixturenames:
        set_groups(monkeypatch, np.arange)


@pytest.fixture
def real_duplicates():
    """Search for near-duplicates."""


def set_groups(monkeypatch, groups):
    def near_duplicates(image, count, *, report=None):
        for i in range(count):
            assert image(i).dtype == np.uint8
            assert image(i).ndim == 2
        return search.NearDuplicates(np.array(groups(count), np.int64), [])

    monkeypatch.setattr(search, "near_duplicates", near_duplicates)


def grey(seed, size=SIZE):
    return np.random.default_rng(seed).integers(20, 256, size, np.uint8)


def save(path, image):
    """Without loss, so that a test knows every pixel; readers go by the content."""
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())


# --- Severstal's layout


def dataset(folder, rows=ROWS, header=HEADER):
    (folder / "train_images").mkdir(parents=True)
    for seed, name in enumerate("abcd"):
        save(folder / "train_images" / f"{name}.jpg", grey(seed))
    table(folder, rows, header)
    return folder


def table(folder, rows, header=HEADER):
    (folder / "train.csv").write_text("\n".join([header, *rows, ""]))


def add_row(row):
    def damage(folder):
        table(folder, [*ROWS, row])

    return damage


def of_image(name, change):
    """Damage one image: pixels in, pixels out."""

    def damage(folder):
        path = folder / "train_images" / name
        image = change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
        save(path, image)

    return damage


def of_bytes(file, change):
    """Damage one file: bytes in, bytes out."""

    def damage(folder):
        (folder / file).write_bytes(change((folder / file).read_bytes()))

    return damage


def cut_jpeg(folder):
    path = folder / "train_images" / "b.jpg"
    path.write_bytes(cv2.imencode(".jpg", grey(1))[1].tobytes()[:-300])


def tinted(image):
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    image[30:34, 40:44] = (20, 90, 200)
    return image


def edge(image):
    image[:, :80] = 3
    return image


def four_rows(folder, without=()):
    have = dict(row.rsplit(",", 1) for row in ROWS)
    rows = [
        f"{name}.jpg_{c},{have.get(f'{name}.jpg,{c}', '')}"
        for name in "abcd"
        for c in "1234"
        if f"{name}{c}" not in without
    ]
    table(folder, rows, "ImageId_ClassId,EncodedPixels")


def copy(file, to):
    def damage(folder):
        shutil.copyfile(folder / file, folder / to)

    return damage


def rename(file, to):
    def damage(folder):
        (folder / file).rename(folder / to)

    return damage


def remove(file):
    def damage(folder):
        path = folder / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return damage


def both(*damages):
    def damage(folder):
        for each in damages:
            each(folder)

    return damage


def turn_b(folder):
    """Write the image b with the orientation of EXIF that turns it upside down."""
    exif = Image.Exif()
    exif[0x0112] = 3
    path = folder / IMAGES / "b.jpg"
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif, quality=95)


TABLE, IMAGES = "train.csv", "train_images"

OF_STRIPS = {
    "jpeg cut short": (cut_jpeg, "unreadable image", f"{IMAGES}/b.jpg", None),
    "png cut short": (
        of_bytes(f"{IMAGES}/a.jpg", lambda b: b[: len(b) // 2]),
        "unreadable image",
        f"{IMAGES}/a.jpg",
        None,
    ),
    "empty image": (
        of_bytes(f"{IMAGES}/b.jpg", lambda _: b""),
        "unreadable image",
        f"{IMAGES}/b.jpg",
        None,
    ),
    "login page": (
        of_bytes(f"{IMAGES}/c.jpg", lambda _: b"<html>please log in</html>"),
        "unreadable image",
        f"{IMAGES}/c.jpg",
        None,
    ),
    "another size": (of_image("b.jpg", lambda g: g[:60]), "wrong size", f"{IMAGES}/b.jpg", None),
    "coloured patch": (of_image("b.jpg", tinted), "colour image", f"{IMAGES}/b.jpg", None),
    "turned by metadata": (turn_b, "turned image", f"{IMAGES}/b.jpg", None),
    "16 bits": (
        of_image("d.jpg", lambda g: g.astype(np.uint16) * 256),
        "wrong depth",
        f"{IMAGES}/d.jpg",
        None,
    ),
    "one grey": (of_image("b.jpg", lambda g: g * 0 + 128), "blank image", f"{IMAGES}/b.jpg", None),
    "image under two names": (
        copy(f"{IMAGES}/b.jpg", f"{IMAGES}/e.jpg"),
        "duplicate image",
        f"{IMAGES}/e.jpg",
        None,
    ),
    "name in Latin-1": (
        lambda folder: shutil.copy(
            folder / IMAGES / "b.jpg", os.fsencode(folder / IMAGES) + b"/\xe4.jpg"
        ),
        "unread file",
        f"{IMAGES}/\\xe4.jpg",
        None,
    ),
    "jpeg as tiff": (
        copy(f"{IMAGES}/b.jpg", f"{IMAGES}/e.TIF"),
        "duplicate image",
        f"{IMAGES}/e.TIF",
        None,
    ),
    "row without image": (add_row("z.jpg,1,1 2"), "missing image", TABLE, 6),
    "labelled image lost": (remove(f"{IMAGES}/c.jpg"), "missing image", TABLE, 4),
    "name in capitals": (rename(f"{IMAGES}/d.jpg", f"{IMAGES}/D.JPG"), "missing image", TABLE, 5),
    "class 5": (add_row("b.jpg,5,1 2"), "unknown class", TABLE, 6),
    "no class": (add_row("b.jpg,,1 2"), "unknown class", TABLE, 6),
    "row twice": (add_row(ROWS[2]), "duplicate row", TABLE, 6),
    "two masks of a class": (add_row("c.jpg,2,1 5"), "duplicate row", TABLE, 6),
    "two columns": (add_row("b.jpg,1"), "malformed row", TABLE, 6),
    "four columns": (add_row("b.jpg,1,1 2,3 4"), "malformed row", TABLE, 6),
    "no image id": (add_row(",1,1 2"), "malformed row", TABLE, 6),
    "odd count": (add_row("b.jpg,1,1 2 3"), "invalid runs", TABLE, 6),
    "not numbers": (add_row("b.jpg,1,1 2 x 4"), "invalid runs", TABLE, 6),
    "pixel 0": (add_row("b.jpg,1,0 5"), "invalid runs", TABLE, 6),
    "no length": (add_row("b.jpg,1,5 0"), "invalid runs", TABLE, 6),
    "beyond the image": (add_row("b.jpg,1,6144 2"), "invalid runs", TABLE, 6),
    "runs overlap": (add_row("b.jpg,1,1 10 5 10"), "invalid runs", TABLE, 6),
    "runs go back": (add_row("b.jpg,1,100 10 5 10"), "invalid runs", TABLE, 6),
    "mask without runs": (add_row("b.jpg,1,"), "empty mask", TABLE, 6),
    "two classes on a pixel": (add_row("a.jpg,2,200 2"), "overlapping classes", TABLE, 6),
    "mask beyond the sheet": (of_image("c.jpg", edge), "mask on black", TABLE, 4),
    "fifth row lost": (lambda folder: four_rows(folder, ["b1"]), "missing row", TABLE, 6),
    "image without rows": (
        lambda folder: four_rows(folder, ["b1", "b2", "b3", "b4"]),
        "missing row",
        TABLE,
        None,
    ),
    "other columns": (
        lambda folder: table(folder, ROWS, "image,kind,rle"),
        "wrong header",
        TABLE,
        1,
    ),
    "one column": (lambda folder: table(folder, ROWS, "ImageId"), "wrong header", TABLE, 1),
    "compressed table": (of_bytes(TABLE, gzip.compress), "unreadable table", TABLE, None),
}


# --- images beside masks


def masks(folder, labels="masks", parts=("",)):
    for number, part in enumerate(parts):
        (folder / "images" / part).mkdir(parents=True)
        (folder / labels / part).mkdir(parents=True)
        for seed, name in enumerate("ab", start=2 * number):
            save(folder / "images" / part / f"{name}.jpg", grey(seed))
            values = np.zeros(SIZE, np.uint8)
            values[2:4, 5:9], values[10:, 85:95] = 1 + seed % 2, 3
            save(folder / labels / part / f"{name}.png", values)
    return folder


def of_mask(change):
    def damage(folder):
        path = folder / "masks" / "b.png"
        save(path, change(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))

    return damage


def of_mask_bytes(encode):
    def damage(folder):
        path = folder / "masks" / "b.png"
        path.write_bytes(encode(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))

    return damage


def edge_of_b(folder):
    path = folder / "images" / "b.jpg"
    save(path, edge(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))


M = "masks/b.png"

OF_MASKS = {
    "no mask": (remove(M), "missing mask", "images/b.jpg", None),
    "mask as jpg": (rename(M, "masks/b.jpg"), "missing mask", "images/b.jpg", None),
    "two masks of an image": (copy(M, "masks/b.tif"), "second mask", "masks/b.tif", None),
    "image lost": (remove("images/b.jpg"), "mask without image", M, None),
    "two images of a mask": (
        lambda folder: save(folder / "images" / "b.png", grey(9)),
        "shared mask",
        "images/b.png",
        None,
    ),
    "mask cut short": (of_bytes(M, lambda b: b[:-20]), "unreadable mask", M, None),
    "empty mask file": (of_bytes(M, lambda _: b""), "unreadable mask", M, None),
    "mask in colours": (of_mask(lambda m: cv2.merge([m, m, 0 * m])), "mask value", M, None),
    "mask of 16 bits": (of_mask(lambda m: m.astype(np.uint16) * 999), "mask value", M, None),
    "mask as JPEG": (
        of_mask_bytes(lambda m: cv2.imencode(".jpg", m * 9)[1].tobytes()),
        "JPEG by another name",
        M,
        None,
    ),
    "mask turned": (of_mask(lambda m: m.T), "mask size", M, None),
    "mask of 0 and 255": (of_mask(lambda m: 255 * (m > 0)), "mask value", M, None),
    "dark surroundings": (edge_of_b, "mask on black", M, None),
    "image cut short": (
        of_bytes("images/b.jpg", lambda b: b[:-500]),
        "unreadable image",
        "images/b.jpg",
        None,
    ),
    "duplicate image": (
        both(copy("images/a.jpg", "images/c.jpg"), copy("masks/a.png", "masks/c.png")),
        "duplicate image",
        "images/c.jpg",
        None,
    ),
}

OF_PARTS = {
    "masks of a part lost": (remove("masks/test"), "missing folder", "masks/test", None),
    "images of a part lost": (remove("images/test"), "missing folder", "images/test", None),
    "one mask of a part lost": (
        remove("masks/test/a.png"),
        "missing mask",
        "images/test/a.jpg",
        None,
    ),
}


def issues_of(folder, **settings):
    """Kind, file below the folder and row of everything that is wrong."""
    issues = [
        issue
        for issue in diagnose(folder, **settings).issues
        if issue.kind != "class missing from part"  # any part of four images lacks a class
    ]
    assert all(issue.fix and issue.text for issue in issues)
    return [(f.kind, f.file.relative_to(folder).as_posix(), f.row) for f in issues]


@pytest.mark.parametrize("damage", OF_STRIPS)
def test_damaged_images(tmp_path, damage):
    act, *wanted = OF_STRIPS[damage]
    act(dataset(tmp_path))
    assert issues_of(tmp_path) == [tuple(wanted)]


@pytest.mark.parametrize("damage", OF_MASKS)
def test_damaged_masks(tmp_path, damage):
    act, *wanted = OF_MASKS[damage]
    act(masks(tmp_path))
    assert issues_of(tmp_path) == [tuple(wanted)]


@pytest.mark.parametrize("damage", OF_PARTS)
def test_damaged_parts(tmp_path, damage):
    act, *wanted = OF_PARTS[damage]
    act(masks(tmp_path, parts=("training", "test")))
    assert issues_of(tmp_path) == [tuple(wanted)]


SPLIT = ["a.jpg,train", "b.jpg,train", "c.jpg,val", "d.jpg,test"]

OF_SPLITS = {
    "three columns": ([*SPLIT[:3], "d.jpg,test,1"], ["malformed split row", 5]),
    "another part": ([*SPLIT[:3], "d.jpg,validation"], ["malformed split row", 5]),
    "another image": ([*SPLIT, "e.jpg,test"], ["unknown image in split", 6]),
    "an image twice": ([*SPLIT, "", "b.jpg,test"], ["duplicate split row", 7]),
    "an image left out": (SPLIT[1:], ["image without part", None]),
}


@pytest.mark.parametrize("damage", OF_SPLITS)
def test_damaged_splits(tmp_path, damage):
    rows, wanted = OF_SPLITS[damage]
    split = dataset(tmp_path) / "split.csv"
    split.write_text("\n".join(["image,part", *rows]))
    kind, line = wanted
    output = issues_of(tmp_path, split=split)
    assert output[0] == (kind, "split.csv", line)
    # An image whose row cannot be used has no part.
    assert output[1:] == [("image without part", "split.csv", None)] * (
        kind.startswith("malformed")
    )


def test_another_header_of_a_split(tmp_path):
    split = dataset(tmp_path) / "split.csv"
    split.write_text("\n".join(["ImageId,fold", *SPLIT]))
    assert issues_of(tmp_path, split=split) == [("wrong header", "split.csv", 1)]


def test_every_kind_is_tried():
    tables = (OF_STRIPS, OF_MASKS, OF_PARTS)
    kinds = {kind for damages in tables for _, kind, _, _ in damages.values()}
    kinds |= {wanted[0] for _, wanted in OF_SPLITS.values()} | {"leak", "refused by its loader"}
    kinds |= set(OF_FORMS) | WHOLE
    assert kinds == set(FIXES)
    assert sum(map(len, tables)) >= 20


def test_all_that_is_wrong_is_found_at_once(tmp_path):
    dataset(tmp_path)
    rows = ["z.jpg,1,1 2", "b.jpg,5,1 2", ROWS[2], "b.jpg", "b.jpg,1,1 2 3", "b.jpg,2,"]
    rows += ["b.jpg,4,1", "a.jpg,2,200 2", "b.jpg,3,9999 1"]
    table(tmp_path, [*ROWS, *rows], "image,kind,rle")
    of_image("c.jpg", edge)(tmp_path)
    of_image("d.jpg", tinted)(tmp_path)
    copy(f"{IMAGES}/b.jpg", f"{IMAGES}/e.jpg")(tmp_path)
    (tmp_path / IMAGES / "f.jpg").write_bytes(b"")
    save(tmp_path / IMAGES / "g.jpg", grey(7, (10, 10)))
    split = tmp_path / "split.csv"
    split.write_text("image,part\n" + "\n".join(f"{n}.jpg,train" for n in "abcdefh"))
    assert sorted(issues_of(tmp_path, split=split), key=str) == sorted(
        [
            ("wrong header", TABLE, 1),
            ("missing image", TABLE, 6),
            ("unknown class", TABLE, 7),
            ("duplicate row", TABLE, 8),
            ("malformed row", TABLE, 9),
            ("invalid runs", TABLE, 10),
            ("empty mask", TABLE, 11),
            ("invalid runs", TABLE, 12),
            ("overlapping classes", TABLE, 13),
            ("invalid runs", TABLE, 14),
            ("mask on black", TABLE, 4),
            ("colour image", f"{IMAGES}/d.jpg", None),
            ("duplicate image", f"{IMAGES}/e.jpg", None),
            ("unreadable image", f"{IMAGES}/f.jpg", None),
            ("wrong size", f"{IMAGES}/g.jpg", None),
            ("unknown image in split", "split.csv", 8),
            ("image without part", "split.csv", None),
        ],
        key=str,
    )


def test_a_healthy_set_of_each_layout(tmp_path):
    assert issues_of(dataset(tmp_path / "short")) == []
    four_rows(dataset(tmp_path / "long"))
    assert issues_of(tmp_path / "long") == []
    assert issues_of(masks(tmp_path / "masks")) == []
    assert issues_of(masks(tmp_path / "neu", "annotations", ("training", "test"))) == []
    assert issues_of(masks(tmp_path / "other", "annotations"), classes=("x", "y", "z")) == []


def test_what_the_loaders_take_has_no_issue(tmp_path):
    folder = dataset(tmp_path / "images")
    (folder / IMAGES / "notes.txt").write_text("of the authors")
    (folder / IMAGES / ".DS_Store").write_bytes(b"\0")
    assert len(severstal(root=str(folder))) == 4
    assert issues_of(folder) == []
    folder = masks(tmp_path / "masks")
    (folder / "images" / "readme.txt").write_text("of the authors")
    (folder / "images" / "older").mkdir()
    (folder / "masks" / ".DS_Store").write_bytes(b"\0")
    assert len(mask_folder(root=str(folder), classes=("x", "y", "z"))) == 2
    assert issues_of(folder) == []


REFUSED = (
    "unread file",
    "wrong header",
    "unreadable table",
    "malformed row",
    "missing image",
    "unknown class",
    "duplicate row",
    "invalid runs",
)


@pytest.mark.parametrize("damage", [*OF_STRIPS])
def test_the_loader_refuses_in_the_same_words(tmp_path, damage):
    act, kind, *_ = OF_STRIPS[damage]
    act(dataset(tmp_path))
    (issue,) = diagnose(tmp_path).issues
    if kind in REFUSED:
        with pytest.raises(DataError) as refused:
            severstal(root=str(tmp_path))
        assert str(refused.value) == str(issue)
    elif kind != "unreadable image":  # the loader reads headers, and pixels when they are needed
        assert len(severstal(root=str(tmp_path))) >= 4


def test_two_images_that_cannot_be_read_are_not_the_same(tmp_path):
    dataset(tmp_path)
    for name in "bd":
        (tmp_path / IMAGES / f"{name}.jpg").write_bytes(b"")
    assert issues_of(tmp_path) == [
        ("unreadable image", f"{IMAGES}/{name}.jpg", None) for name in ("b", "d")
    ]


def test_two_files_of_a_length_that_no_other_has_are_compared(tmp_path):
    path = dataset(tmp_path) / IMAGES / "b.jpg"
    path.write_bytes(path.read_bytes() + b"\0" * 999)
    copy(f"{IMAGES}/b.jpg", f"{IMAGES}/e.jpg")(tmp_path)
    (issue,) = diagnose(tmp_path).issues
    assert (issue.kind, issue.text) == ("duplicate image", f"the same file as {path}")


def test_the_mask_of_an_image_that_cannot_be_read_is_checked(tmp_path):
    OF_MASKS["image cut short"][0](masks(tmp_path))
    OF_MASKS["mask of 0 and 255"][0](tmp_path)
    assert issues_of(tmp_path) == [
        ("unreadable image", "images/b.jpg", None),
        ("mask value", "masks/b.png", None),
    ]


@pytest.mark.parametrize("clean", [False, True])
def test_masks_of_0_and_255_alone_are_one_class_without_a_setting(tmp_path, clean):
    for path in sorted((masks(tmp_path) / "masks").iterdir()):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        save(path, (0 if clean and path.stem == "a" else 255) * (values > 0).astype(np.uint8))
    diagnosis = diagnose(tmp_path)
    assert (diagnosis.classes, diagnosis.issues) == (("1",), [])


def test_255_beside_class_numbers_is_an_issue_on_any_mask(tmp_path):
    path = masks(tmp_path, parts=("", "more")) / "masks" / "more" / "b.png"
    for mask in (tmp_path / "masks").rglob("*.png"):
        values = cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)
        save(mask, values if mask == path else (255 * (values > 0)).astype(np.uint8))
    assert {issue.kind for issue in diagnose(tmp_path).issues} == {"mask value"}


def test_images_may_lie_beside_their_subfolders(tmp_path):
    masks(tmp_path, parts=("", "more"))
    diagnosis = diagnose(tmp_path)
    assert diagnosis.names == ("a.jpg", "b.jpg", "more/a.jpg", "more/b.jpg")
    assert diagnosis.classes == ("1", "2", "3")
    assert diagnosis.issues == []


def test_the_file_that_may_be_meant_is_named(tmp_path):
    OF_STRIPS["name in capitals"][0](dataset(tmp_path / "images"))
    (issue,) = diagnose(tmp_path / "images").issues
    assert issue.text.endswith(
        "d.jpg is not in " + f"{tmp_path / 'images' / IMAGES}; did you mean D.JPG?"
    )
    OF_MASKS["mask as jpg"][0](masks(tmp_path / "masks"))
    (issue,) = diagnose(tmp_path / "masks").issues
    assert issue.text.endswith(
        "b.png; b.jpg is there, and JPEG changes values: save it as PNG from its source"
    )


def test_named_classes_bound_the_values_of_a_mask(tmp_path):
    masks(tmp_path)
    assert issues_of(tmp_path, classes=("x", "y")) == [
        ("mask value", "masks/a.png", None),
        ("mask value", "masks/b.png", None),
    ]


def test_an_overlap_says_how_many_pixels_and_which_rows(tmp_path):
    dataset(tmp_path, [*ROWS, "a.jpg,2,199 4"])
    (issue,) = diagnose(tmp_path).issues
    assert issue.text == "a.jpg: 2 pixels of class 2 are also of class 1 (row 2)"


@pytest.mark.parametrize(("columns", "black"), [(0, False), (40, False), (50, True), (60, True)])
def test_a_mask_is_on_black_when_over_half_of_it_is(tmp_path, columns, black):
    dataset(tmp_path, ["a.jpg,1,1 3840"])  # columns 0 to 59
    of_image("a.jpg", lambda g: np.where(np.arange(96) < columns, 3, g).astype(np.uint8))(tmp_path)
    # Columns have a black square about them as far as 12 before the edge: 27 or 37 of the 60.
    assert [kind for kind, *_ in issues_of(tmp_path)] == ["mask on black"] * black


def test_black_is_an_area_not_a_pixel():
    image = grey(0, (80, 200))
    image[::2, ::2] = 0  # a quarter of the pixels, as dark spots of a defect
    assert not black_area(image).any()
    image[:, :100] = 4
    black = black_area(image)
    assert black[:, :85].all()  # the whole square of 31 is black as far as column 84
    assert not black[:, 95:].any()


# --- the figures

TINY = ("a.jpg,1,1 2 6 1", "a.jpg,4,23 2", "c.jpg,3,5 8", "c.jpg,1,1 1 3 1")


def tiny(folder):
    """4 x 6 pixels; the labels of a.jpg: pixels 1, 2 and 6 of class 1, 23 and 24 of class 4."""
    (folder / IMAGES).mkdir(parents=True)
    for seed, name in enumerate("abcd"):
        save(folder / IMAGES / f"{name}.jpg", grey(seed, (4, 6)))
    table(folder, TINY)
    return folder


def test_the_figures_by_hand(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0, 1, 2, 1])
    folder = tiny(tmp_path / "tiny")
    path = write(diagnose(folder), tmp_path / "out")
    figures = json.loads(path.read_text())
    heatmap = figures.pop("heatmap")
    assert figures == {
        "schema_version": 3,
        "root": str(folder),
        "layout": "severstal",
        "images": 4,
        "clean": 2,
        "unreadable": 0,
        "sizes": [{"height": 4, "width": 6, "images": 4}],
        "classes": [
            row("1", images=2, components=3, pixels=5, share=5 / 15, area=5 / 48),
            row("2", images=0, components=0, pixels=0, share=0, area=None, black=None),
            row("3", images=1, components=1, pixels=8, share=8 / 15, area=8 / 24),
            row("4", images=1, components=1, pixels=2, share=2 / 15, area=2 / 24),
        ],
        "co_occurrence": [[2, 0, 1, 1], [0, 0, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]],
        "area_shares": [[0.125, 0.08333333], [], [0.33333333], [0.08333333]],
        "issues": [],
        "distinct_images": 3,
        "near_duplicates": [["b.jpg", "d.jpg"]],
        "nearest_pairs": [],
        "leaks": [],
    }
    assert heatmap[0] == [  # the mean of a.jpg and c.jpg, a pixel a cell
        [1.0, 0, 0, 0, 0, 0],
        [0.5, 0.5, 0, 0, 0, 0],
        [0.5, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert heatmap[1] == [[0.0] * 6] * 4
    assert heatmap[2] == [[0, 1, 1, 0, 0, 0]] * 4


def row(name, *, images, components, pixels, share, area, black=0.0):
    return {
        "class": name,
        "images": images,
        "components": components,
        "pixels": pixels,
        "share_of_labelled": pytest.approx(share),
        "mean_area_share": area if area is None else pytest.approx(area),
        "share_on_black": black,
    }


def test_components_touch_at_corners(tmp_path):
    dataset(tmp_path, ["a.jpg,1,1 1 66 1 131 1 200 1"])  # a diagonal of three, and one alone
    assert diagnose(tmp_path).statistics.components[0].tolist()[:4] == [2, 0, 0, 0]


def test_a_cell_holds_the_share_of_its_pixels(tmp_path):
    (tmp_path / IMAGES).mkdir()
    save(tmp_path / IMAGES / "a.jpg", grey(0, (32, 64)))
    table(tmp_path, ["a.jpg,3,1 2 33 1"])  # three of the four pixels of the first cell
    heatmap = diagnose(tmp_path).statistics.heatmap
    assert heatmap.shape == (32, 16, 32)
    assert heatmap[2, 0, 0] == 0.75
    assert heatmap.sum() == 0.75


def test_issues_are_in_the_file(tmp_path):
    add_row("b.jpg,5,1 2")(dataset(tmp_path / "set"))
    path = write(diagnose(tmp_path / "set"), tmp_path / "out")
    assert json.loads(path.read_text())["issues"] == [
        {
            "kind": "unknown class",
            "file": str(tmp_path / "set" / TABLE),
            "row": 6,
            "text": "b.jpg: there is no class '5'; allowed: 1, 2, 3, 4",
            "fix": FIXES["unknown class"],
        }
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["doctor.json"]


def test_the_real_figures_of_the_sample(tmp_path, realdata, real_duplicates):
    diagnosis = diagnose(realdata / "severstal_sample")
    assert diagnosis.issues == []
    assert (len(diagnosis.names), diagnosis.clean, diagnosis.near_duplicates) == (25, 7, [])
    assert (diagnosis.statistics.pixels > 0).sum(axis=0).tolist()[:4] == [5, 1, 11, 3]


def test_components_and_areas_are_the_published_ones(realdata):
    diagnosis = diagnose(realdata / "severstal_sample")
    stats = realdata / "severstal_labels" / "image_class_stats_12568.csv.gz"
    with gzip.open(stats, "rt") as file:
        published = {row["ImageId"]: row for row in csv.DictReader(file)}
    for image, name in enumerate(diagnosis.names):
        for c in range(4):
            objects = int(published[name][f"n_objects_{c + 1}"])
            percent = float(published[name][f"area_percent_{c + 1}"])
            assert diagnosis.statistics.components[image, c] == objects
            assert diagnosis.statistics.pixels[image, c] / 4096 == pytest.approx(
                percent, abs=0.0051
            )


@pytest.mark.slow
def test_the_official_split_of_neu_seg_leaks(tmp_path, realdata, real_duplicates):
    with zipfile.ZipFile(realdata / "neu_seg.zip") as archive:
        archive.extractall(tmp_path)
    diagnosis = diagnose(tmp_path)
    assert {issue.kind for issue in diagnosis.issues} == {"duplicate image", "leak"}
    (leak,) = diagnosis.leaks
    assert (leak.part, leak.other, leak.images) == ("test", "training", 840)
    assert 800 <= len(leak.duplicates) <= 820
    assert len(diagnosis.names) == 4470


def test_what_cannot_be_read_is_not_clean(tmp_path):
    OF_STRIPS["jpeg cut short"][0](dataset(tmp_path / "images"))  # b.jpg, the clean one
    diagnosis = diagnose(tmp_path / "images")
    assert (diagnosis.clean, diagnosis.unreadable) == (0, 1)
    OF_STRIPS["compressed table"][0](tmp_path / "images")
    diagnosis = diagnose(tmp_path / "images")
    assert (diagnosis.clean, diagnosis.unreadable) == (0, 4)
    OF_MASKS["no mask"][0](masks(tmp_path / "masks"))
    diagnosis = diagnose(tmp_path / "masks")
    assert (diagnosis.clean, diagnosis.unreadable) == (0, 1)


# --- leaks


def test_the_leak_across_subfolders(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0, 1, 2, 0, 1, 1])
    masks(tmp_path, "annotations", ("training", "test", "val"))  # in order: test, training, val
    diagnosis = diagnose(tmp_path)
    assert diagnosis.names == tuple(
        f"{p}/{n}.jpg" for p in ("test", "training", "val") for n in "ab"
    )
    assert [str(issue) for issue in diagnosis.issues] == [
        f"{tmp_path}: {text}; 3 of the 6 images are distinct"
        for text in (
            "1 of the 2 images of test are near-duplicates of images of training",
            "1 of the 2 images of test are near-duplicates of images of val",
        )
    ]
    path = write(diagnosis, tmp_path / "out")
    assert json.loads(path.read_text())["leaks"] == [
        {"part": "test", "other": "training", "images": 2, "duplicates": ["test/a.jpg"]},
        {"part": "test", "other": "val", "images": 2, "duplicates": ["test/b.jpg"]},
    ]


def test_the_leak_under_a_split(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0, 1, 0, 1])
    split = dataset(tmp_path) / "split.csv"
    split.write_text("\n".join(["image,part", *SPLIT]))
    issues = diagnose(tmp_path, split=split).issues
    assert [str(issue) for issue in issues if issue.kind == "leak"] == [
        f"{split}: 1 of the 1 images of {part} are near-duplicates of images of train; "
        "2 of the 4 images are distinct"
        for part in ("val", "test")
    ]
    split.write_text("image,part\na.jpg,train\nb.jpg,test\nc.jpg,train\nd.jpg,test\n")
    assert issues_of(tmp_path, split=split) == []
    assert issues_of(tmp_path) == []  # near-duplicates alone are not an issue


def test_an_image_without_part_leaks_nothing(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0, 1, 0, 2])
    split = dataset(tmp_path) / "split.csv"
    split.write_text("image,part\nb.jpg,train\nc.jpg,test\nd.jpg,test\n")
    assert issues_of(tmp_path, split=split) == [("image without part", "split.csv", None)]


def test_a_split_takes_the_place_of_the_subfolders(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0, 1, 0, 2])
    masks(tmp_path, "annotations", ("training", "test"))
    split = tmp_path / "split.csv"
    names = ["training/a.jpg", "training/b.jpg", "test/a.jpg", "test/b.jpg"]
    split.write_text("image,part\n" + "\n".join(f"{name},train" for name in names))
    assert issues_of(tmp_path, split=split) == []
    assert [kind for kind, *_ in issues_of(tmp_path)] == ["leak"]


def test_an_image_may_be_named_without_its_subfolder(tmp_path):
    masks(tmp_path, "annotations", ("training", "test"))
    rename("images/test/b.jpg", "images/test/c.jpg")(tmp_path)
    rename("annotations/test/b.png", "annotations/test/c.png")(tmp_path)
    split = tmp_path / "split.csv"
    split.write_text("image,part\nb.jpg,train\nc.jpg,test\na.jpg,test\ntest/a.jpg,train\n")
    assert issues_of(tmp_path, split=split) == [
        ("unknown image in split", "split.csv", 4),  # there are two
        ("image without part", "split.csv", None),
    ]


def test_images_that_cannot_be_read_are_not_compared(tmp_path, monkeypatch):
    set_groups(monkeypatch, lambda count: [0] * count)
    cut_jpeg(dataset(tmp_path))
    diagnosis = diagnose(tmp_path)
    assert diagnosis.near_duplicates == [[0, 2, 3]]
    assert diagnosis.distinct_images == 2
    set_groups(monkeypatch, np.arange)
    assert diagnose(tmp_path).distinct_images == 4


def test_turned_copies_are_found(tmp_path, real_duplicates, realdata):
    (tmp_path / IMAGES).mkdir()
    for name in ("0a21ce787.jpg", "0a37f0a29.jpg", "0a4ad45a5.jpg"):
        shutil.copy(realdata / "severstal_sample" / "train_images" / name, tmp_path / IMAGES)
    image = cv2.imread(str(tmp_path / IMAGES / "0a37f0a29.jpg"))
    cv2.imwrite(str(tmp_path / IMAGES / "turned.jpg"), image[::-1, ::-1])
    table(tmp_path, ["turned.jpg,1,200000 9"])
    diagnosis = diagnose(tmp_path)
    assert diagnosis.near_duplicates == [[1, 3]]
    assert diagnosis.issues == []


# --- the command


def test_the_command_on_a_healthy_set(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset(tmp_path / "healthy")
    assert main(["data", "doctor", "healthy"]) == 0
    output = capsys.readouterr().out
    assert "No issues." in output
    assert "4 images, 1 of them clean; 64 x 96: 4" in output
    assert output.splitlines()[-1] == (
        f"Plot them: {python_line('analysis/dataset_overview.py')} doctor/healthy/doctor.json "
        "--out doctor/healthy/overview.png"
    )
    assert json.loads((tmp_path / "doctor" / "healthy" / "doctor.json").read_text())["images"] == 4


def test_the_command_on_a_damaged_set(tmp_path, capsys):
    folder = dataset(tmp_path / "set", [*ROWS, *["b.jpg,5,1 2"] * 12, "b.jpg"])
    assert main(["data", "doctor", str(folder), "--out", str(tmp_path / "out")]) == 1
    output = capsys.readouterr().out.splitlines()
    where = output.index("13 issues:")
    assert output[where + 1] == f"  malformed row (1): {FIXES['malformed row']}"
    assert output[where + 2].startswith(f"    {folder / TABLE}:18: not {HEADER}: 'b.jpg'")
    assert output[where + 3] == f"  unknown class (12): {FIXES['unknown class']}"
    assert output[where + 4].startswith(f"    {folder / TABLE}:6: b.jpg: there is no class '5'")
    assert output[where + 14] == "    ... and 2 more"
    assert (tmp_path / "out" / "doctor.json").is_file()
    assert main(["data", "doctor", str(folder), "--out", "/proc/none/a"]) == 2
    assert capsys.readouterr().err == (
        "steelexp: /proc/none: cannot be written: No such file or directory; choose another folder "
        "with --out\n"
    )


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["nowhere"], "nowhere: there is no such folder"),
        (["."], ".: not a data set: it needs train.csv beside train_images/, or "),
        (["set", "--classes", "a,b"], "--classes: set names its classes itself"),
        (["set", "--split", "none.csv"], "--split none.csv: not a readable table"),
        (["masks", "--classes", "a,b,a"], "--classes a,b,a: up to 32 different names"),
        (["masks", "--classes", ",".join(map(str, range(33)))], "--classes 0,1,2,3,"),
    ],
)
def test_what_cannot_be_examined_is_refused(tmp_path, capsys, monkeypatch, arguments, output):
    monkeypatch.chdir(tmp_path)
    dataset(tmp_path / "set")
    masks(tmp_path / "masks")
    assert main(["data", "doctor", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"steelexp: {output}")
    assert not (tmp_path / "doctor").exists()


def test_a_set_without_images_or_labels(tmp_path):
    (tmp_path / "empty" / IMAGES).mkdir(parents=True)
    table(tmp_path / "empty", [])
    (tmp_path / "none" / "images").mkdir(parents=True)
    (tmp_path / "none" / "masks").mkdir()
    for name in ("empty", "none"):
        diagnosis = diagnose(tmp_path / name)
        assert (diagnosis.names, diagnosis.issues) == ((), [])
        assert json.loads(write(diagnosis, tmp_path).read_text())["images"] == 0
