"""Masks of other values, colours, folders and types; worked by hand, and written and read back."""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from steelexp.data import file_memory
from steelexp.data.dataset import DataError
from steelexp.data.mask_folder import mask_file
from steelexp.data.mask_folder.reader import mask_folder

RED = (255, 0, 0)
BLUE = (0, 0, 255)
WHITE = (255, 255, 255)
COLOURS = {"scratch": [255, 0, 0], "rust": [0, 0, 255]}
PAINTED = [[0, 0, 0], [1, 1, 2]]  # by number of the colour: black, red, blue
BITS = [[0, 0, 0], [1, 1, 2]]


@pytest.fixture
def root(tmp_path):
    """Folder of images a.jpg and b.jpg; masks are for the test to write."""
    return images_of(tmp_path, ["a", "b"])


def images_of(root, names, shape=(2, 3)):
    for seed, name in enumerate(names):
        grey = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        path = root / "images" / f"{name}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), grey)
    (root / "masks").mkdir(exist_ok=True)
    return root


def save(root, name, values, mode=None):
    path = root / "masks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).convert(mode).save(path)


def paint(numbers, *colours):
    return np.array(colours, np.uint8)[np.array(numbers)]


def read(root, **given):
    return mask_folder(root=str(root), **given)


def refusal(root, **given):
    with pytest.raises(DataError) as error:
        read(root, **given)
    return str(error.value)


# --- values


def test_numbers_by_name(root):
    save(root, "a.png", [[0, 7, 7], [9, 3, 0]])
    save(root, "b.png", [[0, 0, 0], [0, 0, 0]])
    dataset = read(root, values={"scratch": 7, "rust": [9, 3]})
    assert dataset.classes == ("scratch", "rust")
    assert dataset.mask(0).tolist() == [[0, 1, 1], [2, 2, 0]]
    assert dataset.pixels.tolist() == [[2, 2], [0, 0]]
    ordered = read(root, classes=("rust", "scratch"), values={"scratch": 7, "rust": [9, 3]})
    assert ordered.mask(0).tolist() == [[0, 2, 2], [1, 1, 0]]
    assert len({dataset.manifest, ordered.manifest}) == 2


def test_the_values_are_part_of_the_manifest(root):
    save(root, "a.png", [[0, 7, 7], [9, 9, 0]])
    save(root, "b.png", [[0, 0, 0], [0, 0, 0]])
    manifests = {
        read(root, values=values, **others).manifest
        for values, others in [
            ({"a": 7, "b": 9}, {}),
            ({"a": 9, "b": 7}, {}),
            ({"a": [7, 9], "b": 1}, {}),
            ({"a": 7, "b": 1}, {"ignore": 9}),
            ({"a": 7, "b": 1}, {"background": [0, 9]}),
        ]
    }
    assert len(manifests) == 5


def test_colours_by_name(root):
    save(root, "a.png", paint(PAINTED, (0, 0, 0), RED, BLUE))
    save(root, "b.png", paint(PAINTED, (0, 0, 0), RED, RED))
    dataset = read(root, values=COLOURS)
    assert dataset.mask(0).tolist() == BITS
    assert dataset.pixels.tolist() == [[2, 1], [3, 0]]


def test_a_background_of_another_colour(root):
    for name in ("a.png", "b.png"):
        save(root, name, paint(PAINTED, WHITE, RED, BLUE))
    assert read(root, values=COLOURS, background=[255, 255, 255]).mask(0).tolist() == BITS
    assert refusal(root, values=COLOURS).splitlines()[0] == (
        f"{root / 'masks' / 'a.png'}: value 255, but the settings name 0, [0, 0, 255], [255, 0, 0]"
        "; name it in data.values, data.ignore or data.background"
    )


def test_transparent_pixels_are_background_and_half_transparent_ones_refused(root):
    colours = paint(PAINTED, (9, 9, 9, 0), (*RED, 255), (*BLUE, 255))
    for name in ("a.png", "b.png"):
        save(root, name, colours)
    assert read(root, values=COLOURS).mask(0).tolist() == BITS
    colours[0, 0, 3] = 128
    save(root, "a.png", colours)
    assert "a.png: value half transparent, but" in refusal(root, values=COLOURS)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_with_opacity(root, suffix):
    grey = np.array([[[9, 0], [0, 255], [0, 255]], [[1, 255], [1, 255], [2, 255]]], np.uint8)
    for name in ("a", "b"):
        Image.fromarray(grey, "LA").save(root / "masks" / f"{name}{suffix}")
    assert read(root, classes=("scratch", "rust")).mask(0).tolist() == BITS


def save_palette(root, name, numbers, *colours):
    picture = Image.fromarray(np.array(numbers, np.uint8))
    picture.putpalette([part for colour in colours for part in colour])
    picture.save(root / "masks" / name)


def test_a_palette_is_read_by_its_numbers_or_by_its_colours(root):
    numbers = [[3, 3, 3], [0, 0, 1]]
    palette = (RED, BLUE, (9, 9, 9), (0, 0, 0))
    for name in ("a.png", "b.tif"):
        save_palette(root, name, numbers, *palette)
    for row in (0, 1):
        assert read(root, values=COLOURS).mask(row).tolist() == BITS
        by_number = read(root, values={"scratch": 0, "rust": 1}, background=3)
        assert by_number.mask(row).tolist() == BITS
    mixed = refusal(root, values={"scratch": [255, 0, 0], "rust": 1})
    assert "name either of them in the settings, not both" in mixed


def test_masks_are_read_once_for_numbers_and_once_for_colours(root, monkeypatch):
    monkeypatch.setattr(file_memory, "_RACY_NS", 0)
    read_paths = []
    real = mask_file.read_file
    monkeypatch.setattr(
        mask_file, "read_file", lambda path: read_paths.append(path.name) or real(path)
    )
    for name in ("a.png", "b.png"):
        save_palette(root, name, PAINTED, (0, 0, 0), RED, BLUE)
    for _ in range(2):
        for values in (COLOURS, {"scratch": 1, "rust": 2}, {"scratch": 2, "rust": 1}):
            assert read(root, values=values).pixels.sum() == 6
    assert sorted(read_paths) == ["a.png", "a.png", "b.png", "b.png"]
    save_palette(root, "b.png", [[1, 1, 1], [1, 1, 2]], (0, 0, 0), RED, BLUE)
    assert read(root, values=COLOURS).pixels.tolist() == [[2, 1], [5, 1]]
    assert len(read_paths) == 5


def test_several_values_without_a_meaning_are_listed_by_their_frequency(root):
    save(root, "a.png", [[0, 1, 5], [5, 5, 6]])
    save(root, "b.png", [[4, 5, 6], [7, 8, 8]])
    way_out = "but the settings name 0, 1; name it in data.values, data.ignore or data.background"
    assert refusal(root, values={"scratch": 1}).splitlines() == [
        f"{root / 'masks' / 'a.png'}: values 5, 6, {way_out}",
        f"{root / 'masks' / 'b.png'}: values 8, 4, 5 and 2 more, {way_out}",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "data.classes: missing"),
        ({"values": {}}, "data.values names nothing"),
        ({"values": {"a": 1}, "classes": ("a", "b")}, "name the same classes"),
        ({"values": {"a": 1, "b": 1}}, "data.values.b: 1 is data.values.a, too"),
        ({"values": {"a": 0}}, "data.values.a: 0 is data.background, too"),
        ({"values": {"a": 1}, "ignore": [2, 1]}, "data.values.a: 1 is data.ignore, too"),
        ({"values": {"a": 1}, "ignore": "unsure"}, "a name is for data.class_folders"),
        ({"classes": ("a",), "ignore": 1}, "class 1: 1 is data.ignore, too"),
        ({"values": {"a": 1}, "overlaps": True}, "data.overlaps: without a meaning"),
        ({"class_folders": True, "values": {"a": 1}}, "data.values: without a meaning"),
        ({"class_folders": True, "background": 1}, "data.background: without a meaning"),
        ({"class_folders": True, "ignore": 1}, "data.ignore: 1: with data.class_folders"),
        ({"class_folders": True}, "no folder of a class"),
        ({"classes": ("a",), "masks": "images"}, "data.masks: the folder of the images"),
    ],
)
def test_settings_without_a_meaning_are_refused(root, given, message):
    assert message in refusal(root, **given)


def test_colours_of_16_bits_are_refused(root):
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(root / "masks" / name), np.full((2, 3, 3), 257, np.uint16))
    assert "a.png: colours of 16 bits a channel; save the mask with 8 bits" in refusal(
        root, values=COLOURS
    )


def test_a_suffix_with_a_dot(root):
    for name in ("a.mask.png", "b.mask.PNG"):
        save(root, name, PAINTED)
    assert "a.mask.png is there: set data.suffix=.mask" in refusal(root, classes=("a", "b"))
    assert read(root, classes=("a", "b"), suffix=".mask").mask(1).tolist() == BITS


# --- ignore


def test_ignored_pixels_have_the_bit_after_the_last_class(root):
    save(root, "a.png", [[0, 1, 2], [255, 255, 2]])
    save(root, "b.png", [[0, 0, 0], [0, 0, 0]])
    dataset = read(root, classes=("scratch", "rust"), ignore=255)
    assert dataset.has_ignore
    assert dataset.mask(0).tolist() == [[0, 1, 2], [4, 4, 2]]
    assert dataset.pixels.tolist() == [[1, 2], [0, 0]]
    assert not read(root, values={"scratch": [1, 255], "rust": 2}).has_ignore


def test_ignored_colours(root):
    for name in ("a.png", "b.png"):
        save(root, name, paint([[0, 1, 2], [3, 3, 0]], (0, 0, 0), RED, (9, 9, 0), (8, 8, 0)))
    dataset = read(root, values={"scratch": [255, 0, 0]}, ignore=[[9, 9, 0], [8, 8, 0]])
    assert dataset.mask(0).tolist() == [[0, 1, 2], [2, 2, 0]]
    assert dataset.pixels.tolist() == [[1]] * 2


def test_255_is_left_out_beside_one_class(root):
    for name in ("a.png", "b.png"):
        save(root, name, [[0, 1, 255], [0, 0, 0]])
    assert read(root, classes=("scratch",), ignore=255).mask(0).tolist() == [[0, 1, 2], [0, 0, 0]]


# --- absent


def test_an_image_without_a_mask_is_clean_if_the_settings_say_so(root, capsys):
    save(root, "b.png", [[0, 1, 1], [0, 0, 0]])
    assert "set data.absent=clean" in refusal(root, classes=("scratch",))
    dataset = read(root, classes=("scratch",), absent="clean")
    assert dataset.mask(0).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert dataset.pixels.tolist() == [[0], [2]]
    assert "1 of 2 images have no mask and are clean" in capsys.readouterr().out
    (root / "masks" / "b.png").rename(root / "masks" / "b_mask.png")
    text = f"{root / 'masks'}: no image has a mask there; set data.masks or data.suffix"
    assert refusal(root, classes=("scratch",), absent="clean") == text


# --- folders, names and types


def test_masks_in_the_subfolders_of_the_images(tmp_path):
    root = images_of(tmp_path, ["train/a", "test/a", "test/more/a"])
    for value, name in enumerate(["train/a.png", "test/a.tiff", "test/more/a.BMP"]):
        save(root, name, [[value] * 3] * 2)
    dataset = read(root, classes=("a", "b"))
    assert dataset.names == ("test/a.jpg", "test/more/a.jpg", "train/a.jpg")
    assert [int(dataset.mask(row)[0, 0]) for row in range(3)] == [1, 2, 0]
    assert dataset.pixels.tolist() == [[6, 0], [0, 6], [0, 0]]


def test_masks_below_the_images_are_no_images(tmp_path):
    root = images_of(tmp_path, ["a"])
    (root / "masks").rename(root / "images" / "masks")
    Image.fromarray(np.ones((2, 3), np.uint8)).save(root / "images" / "masks" / "a.png")
    assert read(root, classes=("a",), masks="images/masks").names == ("a.jpg",)


def test_masks_without_an_image_are_named_in_one_line(root, capsys):
    for name in ("a.png", "b.png", "c.png", "old/a.png"):
        save(root, name, [[0, 0, 0], [0, 0, 1]])
    (root / "masks" / "a.jpg").write_bytes(b"")
    (root / "masks" / "notes.txt").write_text("of the authors")
    assert len(read(root, classes=("a",))) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"{root / 'masks'}: passed over: 1 of .txt",
        f"{root / 'masks'}: passed over: 1 images that are not named .png, .tif or .bmp",
        f"{root / 'masks'}: 2 masks without an image, which are not read: c.png, old/a.png",
    ]


def test_a_mask_of_the_name_in_another_folder_is_hinted_at(root):
    for name in ("train/a.png", "train/b.png"):
        save(root, name, [[0, 0, 0], [0, 0, 1]])
    hint = "train/a.png is there: set data.masks to the folder train in it, or move it"
    assert refusal(root, classes=("a",)).splitlines()[0].endswith(f"masks/a.png; {hint}")


def test_two_masks_of_an_image(root):
    for name in ("a.png", "a.tif", "b.png"):
        save(root, name, [[0, 0, 0], [0, 0, 1]])
    text = "a.png has the same image; remove one of the two"
    assert refusal(root, classes=("a",)) == f"{root / 'masks' / 'a.tif'}: {text}"


def test_a_jpeg_under_the_name_of_a_png(root):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((2, 3), 1, np.uint8)).save(root / "masks" / name, "JPEG")
    assert "a.png: a JPEG under the name of .png, which changes values" in refusal(
        root, classes=("a",)
    )


# --- one folder for each class


@pytest.fixture
def folders(root):
    """Classes scratch on a and b, rust on a, unsure on b."""
    save(root, "scratch/a.png", [[255, 255, 0], [0, 0, 0]])
    save(root, "rust/a.bmp", [[0, 3, 0], [0, 0, 1]])
    save(root, "scratch/b.png", [[1, 1, 0], [0, 0, 0]])
    save(root, "unsure/b.png", [[9, 0, 0], [0, 0, 9]])
    return root


def test_a_folder_for_each_class(folders):
    dataset = read(folders, class_folders=True, ignore="unsure")
    assert dataset.classes == ("rust", "scratch")
    assert dataset.mask(0).tolist() == [[2, 3, 0], [0, 0, 1]]
    assert dataset.mask(1).tolist() == [[6, 2, 0], [0, 0, 4]]
    assert dataset.pixels.tolist() == [[2, 2], [0, 1]]
    ordered = read(folders, class_folders=True, ignore="unsure", classes=("scratch", "rust"))
    assert ordered.mask(0).tolist() == [[1, 3, 0], [0, 0, 2]]


def test_folders_that_are_no_class_are_refused(folders):
    text = refusal(folders, class_folders=True, classes=("scratch", "rust"))
    assert text.startswith(f"{folders / 'masks' / 'unsure'}: no class of that name; name it in")
    text = refusal(folders, class_folders=True, classes=("scratch", "oil"))
    assert text.endswith(f"folder {folders / 'masks' / 'oil'}; folders: rust, scratch, unsure")


def test_an_image_in_no_folder_of_a_class(folders):
    images_of(folders, ["a", "b", "c"])
    text = refusal(folders, class_folders=True)
    assert text.startswith(f"{folders / 'images' / 'c.jpg'}: no mask in {folders / 'masks'}/*; add")
    dataset = read(folders, class_folders=True, absent="clean")
    assert dataset.pixels[2].tolist() == [0, 0, 0]


# --- written by Pillow and OpenCV, and read back

VALUES = st.lists(st.integers(0, 255), min_size=4, max_size=4, unique=True)
BYTE = st.integers(0, 255)
PALETTE = st.lists(st.tuples(BYTE, BYTE, BYTE), min_size=4, max_size=4, unique=True)
NUMBERS = st.lists(st.integers(0, 3), min_size=6, max_size=6).map(
    lambda numbers: np.array(numbers, np.uint8).reshape(2, 3)
)
NUMBER_BITS = np.array([0, 1, 2, 4], np.uint8)  # background, two classes, ignored pixels
NAMES = ("background", "first", "second", "ignore")


def settings_of(stated):
    background, first, second, ignore = (
        list(each) if isinstance(each, tuple) else each for each in stated
    )
    return {
        "values": {"first": first, "second": second},
        "background": background,
        "ignore": ignore,
    }


def assert_read(write, numbers, given):
    with tempfile.TemporaryDirectory() as folder:
        root = images_of(Path(folder), ["a"])
        write(str(root / "masks" / "a"))
        dataset = read(root, **given)
        bits = NUMBER_BITS[numbers]
        np.testing.assert_array_equal(dataset.mask(0), bits)
        assert dataset.pixels.tolist() == [[int((bits == 1).sum()), int((bits == 2).sum())]]


@given(NUMBERS, VALUES, st.sampled_from([".png", ".tif", ".bmp"]), st.booleans())
@settings(max_examples=100)
def test_numbers_come_back(numbers, values, suffix, by_opencv):
    stored = np.array(values, np.uint8)[numbers]

    def write(stem):
        if by_opencv:
            cv2.imwrite(stem + suffix, stored)
        else:
            Image.fromarray(stored).save(stem + suffix)

    assert_read(write, numbers, settings_of(values))


@given(NUMBERS, PALETTE, st.sampled_from([".png", ".tif", ".bmp"]), st.booleans())
@settings(max_examples=100)
def test_colours_come_back(numbers, colours, suffix, by_opencv):
    stored = np.array(colours, np.uint8)[numbers]

    def write(stem):
        if by_opencv:
            cv2.imwrite(stem + suffix, stored[..., ::-1])
        else:
            Image.fromarray(stored).save(stem + suffix)

    assert_read(write, numbers, settings_of(colours))


@given(NUMBERS, PALETTE, st.sampled_from([".png", ".tif", ".bmp"]), st.booleans())
@settings(max_examples=100)
def test_palettes_come_back(numbers, colours, suffix, by_colour):
    def write(stem):
        picture = Image.fromarray(numbers)
        picture.putpalette([part for colour in colours for part in colour])
        picture.save(stem + suffix)

    assert_read(write, numbers, settings_of(colours if by_colour else (0, 1, 2, 3)))


@given(NUMBERS, st.sampled_from([".png", ".tif", ".bmp"]))
@settings(max_examples=50)
def test_one_bit_a_pixel_comes_back(numbers, suffix):
    drawn = numbers > 1

    def write(stem):
        Image.fromarray(drawn).save(stem + suffix)

    assert_read(write, drawn.astype(int), {"classes": ("first", "second")})


# --- more than eight classes


def test_32_bits_of_classes_and_ignored_pixels(root):
    names = tuple(f"c{k}" for k in range(31))
    save(root, "a.png", [[0, 1, 9], [17, 31, 255]])
    save(root, "b.png", [[8, 8, 16], [24, 30, 0]])
    dataset = read(root, classes=names, ignore=255)
    assert dataset.mask(0).tolist() == [[0, 1, 1 << 8], [1 << 16, 1 << 30, 1 << 31]]
    assert dataset.mask(1).tolist() == [[1 << 7, 1 << 7, 1 << 15], [1 << 23, 1 << 29, 0]]
    assert dataset.pixels.sum(axis=0).tolist() == [
        [1, 7, 8, 9, 16, 17, 24, 30, 31].count(k) + (k == 8) - (k == 7) for k in range(1, 32)
    ]
    with pytest.raises(DataError, match="at most 32"):
        read(root, classes=(*names, "c31"), ignore=255)


def test_twelve_colours_and_twelve_folders(root):
    names = [f"c{k:02}" for k in range(12)]
    colours = np.array([(0, 0, 0), *((20 * k, 5, 0) for k in range(12))], np.uint8)
    numbers = np.array([[0, 1, 9], [10, 11, 12]])
    for name in ("a.png", "b.png"):
        save(root, name, colours[numbers])
    values = {name: colours[k + 1].tolist() for k, name in enumerate(names)}
    bits = [[0, 1, 256], [512, 1024, 2048]]
    assert read(root, values=values).mask(0).tolist() == bits
    for path in list((root / "masks").iterdir()):
        path.unlink()
    for k, name in enumerate(names):
        save(root, f"{name}/a.png", (numbers == k + 1) * 255)
    dataset = read(root, class_folders=True, absent="clean")
    assert dataset.mask(0).tolist() == bits
    assert dataset.mask(1).tolist() == [[0, 0, 0], [0, 0, 0]]
