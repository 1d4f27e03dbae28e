import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from steelexp.data.class_sets import has_overlaps
from steelexp.data.dataset import DataError
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.mask_png import mask_png

CLASSES = ("inclusion", "patches", "scratches")
VALUES = {
    "a": [[0, 1, 1], [2, 0, 3]],
    "b": [[0, 0, 0], [0, 0, 0]],
    "c": [[3, 3, 3], [3, 3, 3]],
}


def write_set(folder, values=VALUES):
    """A tiny folder: images/NAME.jpg and masks/NAME.png."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for seed, (name, mask) in enumerate(values.items()):
        grey = np.random.default_rng(seed).integers(0, 256, np.shape(mask), np.uint8)
        cv2.imwrite(str(folder / "images" / f"{name}.jpg"), grey)
        write_mask(folder, name, np.array(mask, np.uint8))
    return folder


def write_mask(folder, name, values):
    cv2.imwrite(str(folder / "masks" / f"{name}.png"), values)


def read(folder, **settings):
    return mask_folder(root=str(folder), **{"classes": CLASSES, **settings})


def refusal(folder, **settings):
    before = sorted((path, path.lstat().st_mtime_ns) for path in folder.parent.rglob("*"))
    with pytest.raises(DataError) as refused:
        read(folder, **settings)
    assert sorted((path, path.lstat().st_mtime_ns) for path in folder.parent.rglob("*")) == before
    return str(refused.value)


@given(st.integers(1, 8), st.data())
def test_predicted_masks_are_read_pixel_by_pixel(classes, data):
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_set(Path(temporary, "set"), {"a": [[0, 0, 0], [0, 0, 0]]})
        sets = st.lists(st.integers(0, 2**classes - 1), min_size=6, max_size=6)
        bits = np.array(data.draw(sets), np.uint8).reshape(2, 3)
        (folder / "masks" / "a.png").write_bytes(mask_png(bits, classes))
        names = tuple(map(str, range(classes)))
        dataset = read(folder, classes=names, overlaps=True)
        assert (dataset.mask(0) == bits).all()
        assert dataset.pixels.tolist() == [[int((bits >> c & 1).sum()) for c in range(classes)]]
        if has_overlaps(bits):
            assert f"but data.classes names {classes}" in refusal(folder, classes=names)
        else:
            assert (read(folder, classes=names).mask(0) == bits).all()


def test_a_value_above_all_sets_and_too_many_classes_are_refused(tmp_path):
    folder = write_set(tmp_path / "set", {"a": [[0, 8]]})
    assert "value 8, but data.classes names 3" in refusal(folder, overlaps=True)
    names = tuple(map(str, range(9)))
    assert "holds the sets of up to 8 classes" in refusal(folder, classes=names, overlaps=True)


def test_the_values_of_a_palette_are_the_numbers_of_its_colours(tmp_path):
    folder = write_set(tmp_path / "set")
    for name, values in VALUES.items():
        picture = Image.fromarray(np.array(values, np.uint8))
        picture.putpalette([255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255])
        picture.save(folder / "masks" / f"{name}.png", bits=2)
    dataset = read(folder)
    assert dataset.mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]
    assert dataset.pixels.tolist() == [[2, 1, 1], [0, 0, 0], [0, 0, 6]]


def test_values_become_bits_worked_by_hand(tmp_path):
    dataset = read(write_set(tmp_path / "set"))
    assert dataset.names == ("a.jpg", "b.jpg", "c.jpg")
    assert dataset.classes == CLASSES
    assert dataset.sizes.tolist() == [[2, 3]] * 3
    assert dataset.pixels.tolist() == [[2, 1, 1], [0, 0, 0], [0, 0, 6]]
    assert dataset.mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]
    assert dataset.mask(1).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert dataset.mask(2).tolist() == [[4, 4, 4], [4, 4, 4]]
    assert dataset.mask(0).dtype == dataset.image(0).dtype == np.uint8
    assert dataset.image(0).shape == (2, 3)


def test_eight_classes_fill_the_bits(tmp_path):
    dataset = read(write_set(tmp_path / "set", {"a": [list(range(9))]}), classes=tuple("12345678"))
    assert dataset.mask(0).tolist() == [[0, 1, 2, 4, 8, 16, 32, 64, 128]]
    assert dataset.pixels.tolist() == [[1] * 8]


def test_the_folders_can_be_named(tmp_path):
    folder = write_set(tmp_path / "set")
    (folder / "images").rename(folder / "pictures")
    (folder / "masks").rename(folder / "truth")
    assert len(read(folder, images="pictures", masks="truth")) == 3


def test_what_lies_beside_the_images_is_left_alone_and_counted(tmp_path, capsys):
    folder = write_set(tmp_path / "set")
    (folder / "images" / "a.json").write_text("{}")  # as labelme saves it
    (folder / "images" / "Thumbs.db").write_bytes(b"\0")
    (folder / "images" / ".DS_Store").write_bytes(b"\0")
    (folder / "images" / "readme.txt").write_text("of the authors")
    (folder / "images" / "older").mkdir()
    (folder / "masks" / "unused.png").write_bytes(b"")
    assert read(folder).names == ("a.jpg", "b.jpg", "c.jpg")
    assert "images: passed over: 1 of .db, 1 of .json, 1 of .txt" in capsys.readouterr().out


def test_a_subset_is_drawn_by_its_seed(tmp_path):
    folder = write_set(tmp_path / "set", {f"{i}": [[i % 4]] for i in range(10)})
    subsets = [read(folder, subset=4, subset_seed=seed) for seed in (0, 0, 1, 2)]
    assert subsets[0].names == subsets[1].names
    assert len({dataset.names for dataset in subsets}) > 1
    for dataset in subsets:
        values = [int(name[0]) % 4 for name in dataset.names]
        assert [int(dataset.mask(i)[0, 0]) for i in range(4)] == [[0, 1, 2, 4][v] for v in values]


def test_images_of_one_name_size_and_time_are_told_apart(tmp_path):
    datasets = []
    for name, grey in (("line1", 0), ("line2", 255)):
        for part, pixels in (("images", grey), ("masks", 1)):
            (tmp_path / name / part).mkdir(parents=True)
            file = tmp_path / name / part / ("a.bmp" if part == "images" else "a.png")
            cv2.imwrite(str(file), np.full((4, 4), pixels, np.uint8))
            os.utime(file, ns=(1, 1))
        datasets.append(mask_folder(root=str(tmp_path / name), classes=("a",)))
    first, second = datasets
    assert first.label_hashes == second.label_hashes
    assert first.image_hashes != second.image_hashes
    assert first.manifest != second.manifest


def test_the_manifest_is_of_what_the_folder_holds(tmp_path):
    folder = write_set(tmp_path / "here")
    first = read(folder).manifest
    copy = shutil.copytree(folder, tmp_path / "there", copy_function=shutil.copyfile)
    assert read(copy).manifest == first
    manifests = {first, read(copy, classes=("a", "b", "c")).manifest, read(copy, subset=2).manifest}
    write_mask(copy, "a", np.array([[0, 1, 1], [2, 0, 2]], np.uint8))
    manifests.add(read(copy).manifest)
    image = copy / "images" / "b.jpg"
    image.write_bytes(image.read_bytes() + b"\0")
    manifests.add(read(copy).manifest)
    assert len(manifests) == 5


@pytest.mark.parametrize("key", ["images", "masks"])
def test_no_folder(tmp_path, key):
    folder = write_set(tmp_path / "set")
    shutil.rmtree(folder / key)
    assert refusal(folder) == (
        f"data.{key}: there is no folder {folder / key}; set data.root or data.{key}"
    )


def test_no_images(tmp_path):
    folder = write_set(tmp_path / "set", {})
    assert refusal(folder) == f"{folder / 'images'}: no images to train on"


def test_a_class_named_twice(tmp_path):
    message = refusal(write_set(tmp_path / "set"), classes=("pit", "oil", "pit"))
    assert message == "data.classes: pit, oil, pit: a name occurs twice"


def test_all_missing_masks_are_named(tmp_path):
    folder = write_set(tmp_path / "set")
    images, masks = folder / "images", folder / "masks"
    (masks / "a.png").unlink()
    (masks / "b.png").rename(masks / "B.png")
    (masks / "c.png").rename(masks / "c.jpg")
    clean = "add it, or set data.absent=clean if such images are clean"
    lossy = "c.jpg is there, and JPEG changes values: save it as PNG from its source"
    assert refusal(folder).splitlines() == [
        f"{images / 'a.jpg'}: no mask {masks / 'a.png'}; {clean}",
        f"{images / 'b.jpg'}: no mask {masks / 'b.png'}; did you mean B.png?",
        f"{images / 'c.jpg'}: no mask {masks / 'c.png'}; {lossy}",
    ]


def test_two_images_of_one_mask(tmp_path):
    folder = write_set(tmp_path / "set")
    images = folder / "images"
    cv2.imwrite(str(images / "b.png"), np.zeros((2, 3), np.uint8))
    assert refusal(folder) == (
        f"{images / 'b.png'}: b.jpg has the same mask; remove one of the two"
    )


def test_all_wrong_masks_are_named(tmp_path):
    folder = write_set(tmp_path / "set")
    masks = folder / "masks"
    write_mask(folder, "a", np.zeros((3, 2), np.uint8))
    write_mask(folder, "b", np.array([[0, 4, 0], [0, 0, 1]], np.uint8))
    write_mask(folder, "c", np.array([[[9, 0, 0]] * 3, [[0, 0, 0]] * 3], np.uint8))
    hint = "name the colours: data.values={CLASS: [255, 0, 0]}"
    assert refusal(folder).splitlines() == [
        f"{masks / 'a.png'}: 3 x 2, its image 2 x 3",
        f"{masks / 'b.png'}: value 4, but data.classes names 3",
        f"{masks / 'c.png'}: value [0, 0, 9], but data.classes names 3; {hint}",
    ]


def test_a_mask_of_16_bits(tmp_path):
    folder = write_set(tmp_path / "set")
    write_mask(folder, "a", np.array([[0, 1, 1], [2, 0, 3]], np.uint16))
    assert read(folder).mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]
    write_mask(folder, "a", np.array([[0, 300, 300], [65535, 0, 0]], np.uint16))
    path = folder / "masks" / "a.png"
    assert refusal(folder) == f"{path}: values 300, 65535, but data.classes names 3"


def test_grey_saved_as_rgb_is_read_as_numbers(tmp_path):
    folder = write_set(tmp_path / "set")
    write_mask(folder, "a", cv2.merge([np.array(VALUES["a"], np.uint8)] * 3))
    assert read(folder).mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]


def test_a_mask_that_cannot_be_read(tmp_path):
    folder = write_set(tmp_path / "set")
    path = folder / "masks" / "a.png"
    for code, reason in (
        (b"", "the file is empty"),
        (b"no picture", "the image is broken, or of a type that is not read"),
        (path.read_bytes()[:-20], "the image is broken or cut short; copy it"),
    ):
        path.write_bytes(code)
        assert refusal(folder).startswith(f"{path}: {reason}")


def test_an_image_that_cannot_be_read(tmp_path):
    folder = write_set(tmp_path / "set")
    path = folder / "images" / "b.jpg"
    path.write_bytes(b"no picture")
    assert refusal(folder).startswith(f"{path}: the image is broken, or of a type that is not read")


def test_all_links_to_nowhere_are_refused(tmp_path):
    folder = write_set(tmp_path / "set")
    for name in "ac":
        image = folder / "images" / f"{name}.jpg"
        image.unlink()
        image.symlink_to("../../store/gone.jpg")
    first, second = refusal(folder).splitlines()
    text = (
        "a link to ../../store/gone.jpg, which is not there; restore that file, or remove the link"
    )
    assert first == f"{folder / 'images' / 'a.jpg'}: {text}"
    assert second == f"{folder / 'images' / 'c.jpg'}: {text}"


def test_real_images_of_neu_seg(tmp_path, realdata):
    names = [f"00122{i}" for i in range(4)]
    with zipfile.ZipFile(realdata / "neu_seg.zip") as archive:
        for name in names:
            archive.extract(f"images/training/{name}.jpg", tmp_path)
            archive.extract(f"annotations/training/{name}.png", tmp_path)
    dataset = read(tmp_path, images="images/training", masks="annotations/training")
    assert dataset.names == tuple(f"{name}.jpg" for name in names)
    assert dataset.sizes.tolist() == [[200, 200]] * 4
    assert dataset.pixels.tolist() == [[0, 4313, 0], [0, 3337, 0], [0, 6296, 0], [0, 5432, 0]]
    for image in range(4):
        assert dataset.image(image).shape == (200, 200)
        values = np.asarray(Image.open(tmp_path / f"annotations/training/{names[image]}.png"))
        np.testing.assert_array_equal(dataset.mask(image), (values == 2) * 2)


ONE_CLASS = {"a": [[0, 255, 255], [0, 0, 255]], "b": [[0, 0, 0], [0, 0, 0]]}
ONE_CLASS_BITS = [[0, 1, 1], [0, 0, 1]]


def test_a_mask_of_0_and_255_is_one_class(tmp_path):
    folder = write_set(tmp_path / "set", ONE_CLASS)
    dataset = mask_folder(root=str(folder), classes=("scratch",))
    assert dataset.mask(0).tolist() == ONE_CLASS_BITS
    assert dataset.pixels.tolist() == [[3], [0]]


def test_one_bit_a_pixel_is_one_class(tmp_path):
    folder = write_set(tmp_path / "set", ONE_CLASS)
    mask = Image.fromarray(np.array(ONE_CLASS["a"], np.uint8)).convert("1")
    mask.save(folder / "masks" / "a.png", bits=1)
    assert mask_folder(root=str(folder), classes=("scratch",)).mask(0).tolist() == ONE_CLASS_BITS


def test_255_is_no_class_where_there_are_several(tmp_path):
    folder = write_set(tmp_path / "set", ONE_CLASS)
    path = folder / "masks" / "a.png"
    hint = "leave these pixels out with data.ignore=255, or name the value: data.values"
    assert refusal(folder) == f"{path}: value 255, but data.classes names 3; {hint}"
    assert read(folder, ignore=255).mask(0).tolist() == [[0, 8, 8], [0, 0, 8]]


def test_other_values_in_a_mask_of_one_class(tmp_path):
    folder = write_set(tmp_path / "set", ONE_CLASS)
    write_mask(folder, "a", np.array([[0, 128, 255], [0, 0, 0]], np.uint8))
    assert refusal(folder, classes=("scratch",)) == (
        f"{folder / 'masks' / 'a.png'}: values 128, 255, but data.classes names 1; a mask of one "
        "class has 0 and 1, or 0 and 255, and resizing or JPEG makes other values: make it anew, "
        "or name the values: data.values={CLASS: [128, 255]}"
    )
    grey = {"scratch": [128, 255]}
    assert mask_folder(root=str(folder), values=grey).mask(0).tolist() == [[0, 1, 1], [0, 0, 0]]


def test_a_suffix_of_the_masks(tmp_path):
    folder = write_set(tmp_path / "set")
    for path in list((folder / "masks").iterdir()):
        path.rename(path.with_stem(f"{path.stem}_mask"))
    missing = refusal(folder).splitlines()[0]
    assert missing.endswith(
        "no mask " + f"{folder}/masks/a.png; a_mask.png is there: set data.suffix=_mask"
    )
    dataset = mask_folder(root=str(folder), classes=CLASSES, suffix="_mask")
    assert dataset.mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]


def test_masks_beside_the_images(tmp_path):
    folder = write_set(tmp_path / "set")
    for path in list((folder / "masks").iterdir()):
        path.rename(folder / "images" / f"{path.stem}_mask.png")
    dataset = mask_folder(root=str(folder), classes=CLASSES, masks="images", suffix="_mask")
    assert dataset.names == ("a.jpg", "b.jpg", "c.jpg")
    assert dataset.mask(0).tolist() == [[0, 1, 1], [2, 0, 4]]
