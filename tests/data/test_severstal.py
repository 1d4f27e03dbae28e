import csv
import shutil
from collections import Counter

import cv2
import numpy as np
import pytest

from steelexp.command_line import program
from steelexp.data.dataset import DataError
from steelexp.data.severstal import severstal

LABELS = {("a.jpg", "1"): "1 2 6 1", ("a.jpg", "4"): "23 2", ("c.jpg", "3"): "5 8"}
SIZE = (4, 6)


def grey(seed, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, size, np.uint8)


def draw(folder, names=("a.jpg", "b.jpg", "c.jpg"), labels=LABELS):
    """A tiny folder in Kaggle's layout."""
    (folder / "train_images").mkdir(parents=True)
    for seed, name in enumerate(names):
        cv2.imwrite(str(folder / "train_images" / name), grey(seed))
    write(folder, *(f"{image},{class_id},{runs}" for (image, class_id), runs in labels.items()))
    return folder


def write(folder, *rows, header="ImageId,ClassId,EncodedPixels"):
    (folder / "train.csv").write_text("\n".join([header, *rows, ""]))


def write_four_rows_an_image(folder, names=("a.jpg", "b.jpg", "c.jpg")):
    write(
        folder,
        *(f"{name}_{c},{LABELS.get((name, c), '')}" for name in names for c in "1234"),
        header="ImageId_ClassId,EncodedPixels",
    )


def refusal(folder, **settings):
    """The message, and the proof that nothing was written."""
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*"))
    with pytest.raises(DataError) as refused:
        severstal(root=str(folder), **settings)
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*")) == before
    return str(refused.value)


def test_strips_worked_by_hand(tmp_path):
    strips = severstal(root=str(draw(tmp_path / "set")))
    assert strips.names == ("a.jpg", "b.jpg", "c.jpg")
    assert strips.classes == ("1", "2", "3", "4")
    assert strips.sizes.tolist() == [[4, 6]] * 3
    assert strips.pixels.tolist() == [[3, 0, 0, 2], [0, 0, 0, 0], [0, 0, 8, 0]]
    assert strips.mask(0).tolist() == [  # pixels 1, 2 and 6 are class 1; 23 and 24 are class 4
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 8],
        [0, 0, 0, 0, 0, 8],
    ]
    assert not strips.mask(1).any()
    assert strips.mask(2).tolist() == [[0, 4, 4, 0, 0, 0]] * 4
    assert strips.mask(2).dtype == strips.image(2).dtype == np.uint8
    stored = cv2.imread(str(strips.paths[2]), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(strips.image(2), stored)


def test_classes_may_share_a_pixel(tmp_path):
    folder = draw(tmp_path / "set", labels={("a.jpg", "1"): "1 1", ("a.jpg", "2"): "1 2"})
    assert severstal(root=str(folder)).mask(0)[:2, 0].tolist() == [3, 2]


def test_both_published_forms_are_the_same_strips(tmp_path):
    folder = draw(tmp_path / "set")
    one = severstal(root=str(folder))
    write_four_rows_an_image(folder)
    other = severstal(root=str(folder))
    assert (one.names, one.paths, one.manifest) == (other.names, other.paths, other.manifest)
    np.testing.assert_array_equal(one.pixels, other.pixels)
    np.testing.assert_array_equal(one.sizes, other.sizes)
    for strip in range(3):
        np.testing.assert_array_equal(one.mask(strip), other.mask(strip))


@pytest.mark.parametrize("text", ["\ufeff{}", "{}\n\n", "{}"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_what_editors_do_to_a_table_does_not_matter(tmp_path, text, newline):
    folder = draw(tmp_path / "set")
    wanted = severstal(root=str(folder)).manifest
    rows = (folder / "train.csv").read_text().replace("\n", newline)
    (folder / "train.csv").write_bytes(text.format(rows).encode())
    assert severstal(root=str(folder)).manifest == wanted


def test_a_mask_of_many_runs_is_read(tmp_path):
    size = (256, 600)
    folder = draw(tmp_path / "set", names=["a.png"], labels={})
    cv2.imwrite(str(folder / "train_images" / "a.png"), grey(0, size))
    write(folder, "a.png,1," + " ".join(f"{start} 1" for start in range(1, 256 * 600, 2)))
    assert (folder / "train.csv").stat().st_size > 131072  # where Python's csv gives up by itself
    assert severstal(root=str(folder)).mask(0)[:4, 7].tolist() == [1, 0, 1, 0]


def test_with_defects_drops_the_clean(tmp_path):
    strips = severstal(root=str(draw(tmp_path / "set")), images="with_defects")
    assert strips.names == ("a.jpg", "c.jpg")
    assert strips.pixels.tolist() == [[3, 0, 0, 2], [0, 0, 8, 0]]
    assert strips.mask(1).tolist() == [[0, 4, 4, 0, 0, 0]] * 4


def test_a_subset_is_drawn_by_its_seed(tmp_path):
    names = [f"{i}.jpg" for i in range(10)]
    folder = str(draw(tmp_path / "set", names, {("7.jpg", "2"): "1 3"}))
    subsets = [severstal(root=folder, subset=9, subset_seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert subsets[0].names == subsets[1].names
    assert subsets[0].manifest == subsets[1].manifest
    assert len({strips.names for strips in subsets}) > 1
    for strips in subsets:
        assert len(strips) == len(set(strips.names)) == 9
        assert list(strips.names) == sorted(strips.names)
        labelled = [strips.mask(i).any() for i in range(9)]
        assert labelled == [name == "7.jpg" for name in strips.names]


def test_a_subset_of_everything_is_everything(tmp_path):
    folder = str(draw(tmp_path / "set"))
    assert severstal(root=folder, subset=3).manifest == severstal(root=folder).manifest


def test_the_manifest_is_the_same_wherever_the_folder_lies(tmp_path):
    folder = draw(tmp_path / "here")
    (folder / "train_images" / "notes.txt").write_text("no image")
    copy = shutil.copytree(folder, tmp_path / "there", copy_function=shutil.copyfile)
    assert severstal(root=str(folder)).manifest == severstal(root=str(copy)).manifest


def test_the_manifest_changes_with_a_label_an_image_or_a_name(tmp_path):
    folder = draw(tmp_path / "set")
    image = folder / "train_images" / "b.jpg"
    manifests = [severstal(root=str(folder)).manifest]
    write(folder, "a.jpg,1,1 2 6 1", "a.jpg,4,23 2", "c.jpg,3,5 7")
    manifests.append(severstal(root=str(folder)).manifest)
    image.write_bytes(image.read_bytes() + b"\0")
    manifests.append(severstal(root=str(folder)).manifest)
    image.rename(image.with_name("bb.jpg"))
    manifests.append(severstal(root=str(folder)).manifest)
    assert len(set(manifests)) == 4


def test_no_folder(tmp_path):
    message = refusal(tmp_path / "nowhere")
    assert message.startswith(f"data.root: there is no folder {tmp_path / 'nowhere'}; download")
    assert f"{program()} data generate FOLDER" in message


def test_a_folder_without_a_table(tmp_path):
    folder = draw(tmp_path / "set")
    (folder / "train.csv").unlink()
    assert refusal(folder) == (
        f"data.root: {folder} is not Severstal's folder: it lacks train.csv (it holds train_images)"
    )


def test_a_folder_of_something_else(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    assert refusal(folder).endswith("it lacks train.csv and train_images (it holds nothing)")
    (folder / "train_images").write_text("a file")
    (folder / "train.csv").mkdir()
    assert refusal(folder).endswith(
        "it lacks train.csv and train_images (it holds train.csv, train_images)"
    )


@pytest.mark.parametrize(
    ("header", "shown"),
    [("ImageId,EncodedPixels", "ImageId,EncodedPixels"), ("", "absent"), ("a" * 999, "a" * 80)],
)
def test_another_header(tmp_path, header, shown):
    folder = draw(tmp_path / "set")
    (folder / "train.csv").write_text(header)
    assert refusal(folder) == (
        f"{folder / 'train.csv'}:1: the columns are {shown}; Kaggle's are "
        "ImageId,ClassId,EncodedPixels or ImageId_ClassId,EncodedPixels; for a table in another "
        "form, set data.source=csv"
    )


def test_a_table_that_is_no_text(tmp_path):
    folder = draw(tmp_path / "set")
    (folder / "train.csv").write_bytes(b"\x1f\x8b\x08\x00")
    assert refusal(folder).startswith(f"{folder / 'train.csv'}: not a readable table of UTF-8 text")


ROWS = [
    ("a.jpg,1,1 2", None),
    ("z.jpg,1,1 2", "z.jpg is not in {images}"),
    ("A.JPG,1,1 2", "A.JPG is not in {images}; did you mean a.jpg?"),
    ("a.jpg,5,1 2", "a.jpg: there is no class '5'; allowed: 1, 2, 3, 4"),
    ("a.jpg,,1 2", "a.jpg: there is no class ''; allowed: 1, 2, 3, 4"),
    ("a.jpg,2,1 2 3", "a.jpg: class 2: 3 numbers, an odd count: the last start has no length"),
    ("b.jpg,2,24 2", "b.jpg: class 2: run 1 (24 2) ends beyond pixel 24, the last"),
    ("b.jpg,3,1 1 9 x", "b.jpg: class 3: number 4 of the code is 'x', not a pixel's number"),
    ("a.jpg,1,9 1", "a.jpg: a second row for class 1"),
    ("c.jpg,1", "not ImageId,ClassId,EncodedPixels: 'c.jpg,1'"),
    ("c.jpg", "not ImageId,ClassId,EncodedPixels: 'c.jpg'"),
    ("c.jpg,1,1 2,3 4", "not ImageId,ClassId,EncodedPixels: 'c.jpg,1,1 2,3 4'"),
    (",1,1 2", "not ImageId,ClassId,EncodedPixels: ',1,1 2'"),
]


@pytest.mark.parametrize("number", range(1, len(ROWS)))
def test_a_wrong_row_is_named(tmp_path, number):
    folder = draw(tmp_path / "set")
    write(folder, ROWS[0][0], ROWS[number][0])
    message = ROWS[number][1].format(images=folder / "train_images")
    assert refusal(folder) == f"{folder / 'train.csv'}:3: {message}"


def test_all_wrong_rows_are_named_at_once(tmp_path):
    folder = draw(tmp_path / "set")
    write(folder, *(row for row, _ in ROWS))
    message = refusal(folder).splitlines()
    wanted = [
        f"{folder / 'train.csv'}:{line}: {what.format(images=folder / 'train_images')}"
        for line, (_, what) in enumerate(ROWS, start=2)
        if what
    ]
    assert sorted(message) == sorted(wanted)


def test_wrong_rows_of_four_an_image(tmp_path):
    folder = draw(tmp_path / "set")
    rows = ["a.jpg_1,1 2", "a.jpg_5,1 2", "a.jpg,1 2", "a.jpg_2", "b.jpg_1,"]
    write(folder, *rows, header="ImageId_ClassId,EncodedPixels")
    assert sorted(refusal(folder).splitlines()) == [
        f"{folder / 'train.csv'}:3: a.jpg: there is no class '5'; allowed: 1, 2, 3, 4",
        f"{folder / 'train.csv'}:4: not ImageId_ClassId,EncodedPixels: 'a.jpg,1 2'",
        f"{folder / 'train.csv'}:5: not ImageId_ClassId,EncodedPixels: 'a.jpg_2'",
    ]


def test_blank_lines_do_not_shift_the_line_that_is_named(tmp_path):
    folder = draw(tmp_path / "set")
    write(folder, "", "", "a.jpg,5,1 2")
    assert refusal(folder).startswith(f"{folder / 'train.csv'}:4: ")


def test_many_wrong_rows_are_counted(tmp_path):
    folder = draw(tmp_path / "set")
    write(folder, *["a.jpg,5,1 2"] * 25)
    message = refusal(folder).splitlines()
    assert len(message) == 21
    assert message[-1] == "... and 5 more"


def test_no_images(tmp_path):
    folder = draw(tmp_path / "set", names=[], labels={})
    assert refusal(folder) == f"{folder}: no images to train on"


def test_no_defects_where_only_those_are_wanted(tmp_path):
    folder = draw(tmp_path / "set", labels={})
    assert refusal(folder, images="with_defects") == f"{folder}: no images to train on"


def test_a_subset_larger_than_the_set(tmp_path):
    folder = draw(tmp_path / "set")
    assert refusal(folder, subset=4) == f"data.subset: 4 of 3 images in {folder}; ask for fewer"


def test_headers_that_cannot_be_read_are_all_named(tmp_path):
    folder = draw(tmp_path / "set")
    images = folder / "train_images"
    (images / "a.jpg").write_bytes(b"")
    (images / "c.jpg").write_bytes(b"<html>please log in</html>")
    message = refusal(folder).splitlines()
    assert len(message) == 2
    assert message[0].startswith(f"{images / 'a.jpg'}: the file is empty")
    assert message[1].startswith(f"{images / 'c.jpg'}: a web page or XML and not an image")


def broken(path):
    return f"{path}: the image is broken or cut short; copy it again from its source, or remove it"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("fraction", [0.5, 0.9, 0.99])
def test_an_image_cut_short_is_refused_when_it_is_read(tmp_path, suffix, fraction):
    folder = draw(tmp_path / "set", names=["a" + suffix], labels={})
    path = folder / "train_images" / f"a{suffix}"
    cv2.imwrite(str(path), grey(0, (64, 96)))
    whole = path.read_bytes()
    strips = severstal(root=str(folder))
    assert strips.image(0).shape == (64, 96)
    path.write_bytes(whole[: int(len(whole) * fraction)])
    if suffix != ".png":  # whose chunks tell their sizes
        assert severstal(root=str(folder)).sizes.tolist() == [[64, 96]]
    with pytest.raises(DataError) as refused:
        severstal(root=str(folder)).image(0)
    assert str(refused.value).startswith(broken(path))


@pytest.mark.parametrize("flag", [cv2.IMWRITE_JPEG_PROGRESSIVE, cv2.IMWRITE_JPEG_RST_INTERVAL])
def test_jpegs_of_other_kinds_cut_short_are_refused(tmp_path, flag):
    folder = draw(tmp_path / "set", names=["a.jpg"], labels={})
    path = folder / "train_images" / "a.jpg"
    cv2.imwrite(str(path), grey(0, (64, 96)), [flag, 1])
    whole = path.read_bytes()
    strips = severstal(root=str(folder))
    assert strips.image(0).shape == (64, 96)
    for missing in range(50, len(whole) // 2, 97):
        path.write_bytes(whole[:-missing])
        with pytest.raises(DataError) as refused:
            strips.image(0)
        assert str(refused.value).startswith(broken(path))


def test_bytes_behind_the_end_of_a_jpeg_do_not_matter(tmp_path):
    folder = draw(tmp_path / "set")
    path = folder / "train_images" / "a.jpg"
    wanted = severstal(root=str(folder)).image(0)
    path.write_bytes(path.read_bytes() + b"\0" * 100)
    np.testing.assert_array_equal(severstal(root=str(folder)).image(0), wanted)


def test_an_image_that_goes_or_changes_after_the_set_was_opened(tmp_path):
    folder = draw(tmp_path / "set")
    strips = severstal(root=str(folder))
    cv2.imwrite(str(strips.paths[0]), grey(0, (4, 7)))
    strips.paths[1].write_bytes(b"")
    strips.paths[2].unlink()
    message = []
    for strip in range(3):
        with pytest.raises(DataError) as refused:
            strips.image(strip)
        message.append(str(refused.value))
    assert message[0] == (
        f"{strips.paths[0]}: the image is 4 x 7 and was 4 x 6 when the data set was opened; "
        "leave it unchanged during a run"
    )
    assert message[1].startswith(f"{strips.paths[1]}: the file is empty")
    assert message[2] == f"{strips.paths[2]}: the image cannot be read: No such file or directory"


def test_the_sample_of_real_strips(realdata):
    root = realdata / "severstal_sample"
    strips = severstal(root=str(root))
    assert len(strips) == 25
    assert strips.sizes.tolist() == [[256, 1600]] * 25
    assert (strips.pixels > 0).sum(axis=0).tolist() == [5, 1, 11, 3]
    assert (strips.pixels.sum(axis=1) > 0).sum() == 18
    with (root / "train.csv").open() as file:
        rows = list(csv.DictReader(file))
    areas = Counter()
    for row in rows:
        areas[row["ImageId"], row["ClassId"]] = sum(map(int, row["EncodedPixels"].split()[1::2]))
    for strip, name in enumerate(strips.names):
        wanted = [areas[name, class_name] for class_name in strips.classes]
        assert strips.pixels[strip].tolist() == wanted
        mask = strips.mask(strip)
        assert [int((mask >> c & 1).sum()) for c in range(4)] == wanted
        assert strips.image(strip).shape == mask.shape == (256, 1600)
    assert len(severstal(root=str(root), images="with_defects")) == 18
