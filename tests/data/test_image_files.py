import os
import unicodedata

import pytest

from steelexp.data.data_error import DataError
from steelexp.data.image_files import list_images, similar_name


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_images_are_listed_and_the_rest_is_counted(tmp_path):
    touch(tmp_path, "b.JPG", "a.jfif", "c.ppm", "notes.csv", "a.json", "b.json", "Thumbs.db")
    touch(tmp_path, ".DS_Store", "._a.jpg", "README")
    found = list_images(tmp_path)
    assert list(found.paths) == ["a.jfif", "b.JPG", "c.ppm"]
    assert found.describe_passed_over() == (
        "passed over: 1 of .csv, 1 of .db, 2 of .json, 2 hidden files, 1 of no suffix"
    )
    assert list_images(tmp_path / ".").paths == found.paths


def test_subfolders_and_links_to_folders(tmp_path):
    touch(tmp_path, "a.png", "line1/a.png", "line1/deep/b.png", ".hidden/c.png")
    (tmp_path / "line1" / "again").symlink_to(tmp_path)  # a circle
    (tmp_path / "line2").symlink_to(tmp_path / "line1" / "deep")
    assert list(list_images(tmp_path).paths) == ["a.png"]
    names = list(list_images(tmp_path, recursive=True).paths)
    assert names[:2] == ["a.png", "line1/a.png"]
    assert len(names) == 3  # deep/b.png once, under one of its two names


def test_results_are_no_input(tmp_path):
    touch(tmp_path, "a.png", "today/prediction.json", "today/masks/a.png")
    touch(tmp_path, "runs/x/record.json", "runs/x/overlays/a.png")
    found = list_images(tmp_path, recursive=True)
    assert list(found.paths) == ["a.png"]
    assert found.describe_passed_over() == "passed over: 2 folders of results"


def test_thumbnails_and_deleted_files_are_no_input(tmp_path):
    touch(tmp_path, "a.png", "@eaDir/a.png/SYNOPHOTO_THUMB_M.png", "line1/$RECYCLE.BIN/b.png")
    found = list_images(tmp_path, recursive=True)
    assert list(found.paths) == ["a.png"]
    assert found.describe_passed_over() == "passed over: 2 folders of thumbnails or deleted files"


def test_links_to_nowhere_are_listed_so_that_readers_name_them(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
    assert list(list_images(tmp_path).paths) == ["a.png"]


def test_a_name_that_is_not_utf_8_is_a_problem(tmp_path):
    name = os.fsencode(tmp_path) + b"/gr\xfcn.png"
    with open(name, "wb"):  # noqa: PTH123  # a name of bytes
        pass
    found = list_images(tmp_path)
    assert not found.paths
    [(shown, problem)] = found.problems.items()
    assert shown == f"{tmp_path}/gr\\xfcn.png"
    assert problem.startswith("the name is not UTF-8; rename it, for Latin-1: convmv")


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="the folder cannot be read: No such file"):
        list_images(tmp_path / "none")


def test_names_that_look_the_same():
    composed = unicodedata.normalize("NFC", "grün.png")
    decomposed = unicodedata.normalize("NFD", composed)
    assert similar_name(composed, [decomposed]).endswith("convmv -f utf8 -t utf8 --nfc --notest")
    assert similar_name(decomposed, [composed]).endswith("convmv -f utf8 -t utf8 --nfd --notest")
    assert similar_name("A.JPG ", ["b.jpg", "a.jpg"]) == "; did you mean a.jpg?"
    assert similar_name("line1/a.jpg", ["line1/a.png"]) == "; did you mean line1/a.png?"
    assert similar_name("a.jpg", ["b.jpg"]) == ""
