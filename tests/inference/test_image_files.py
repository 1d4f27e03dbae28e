from pathlib import Path

import pytest

from steelexp.data.dataset import DataError
from steelexp.inference.image_files import group_name, image_files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.jpg", "a.PNG", "notes.txt", "line/c.bmp", ".hidden/d.jpg", "raw.dat"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return Path("in")


def names(*words):
    return [image.name for image in image_files(words)]


def test_a_folder_gives_its_images_to_the_bottom(folder):
    assert names("in") == ["a.PNG", "b.jpg", "line/c.bmp"]


def test_a_file_is_taken_whatever_its_ending(folder):
    assert names("in/raw.dat") == ["raw.dat"]


def test_a_glob_gives_what_is_like_it(folder):
    assert names("in/*.jpg") == ["b.jpg"]
    assert names("in/**/*.bmp") == ["c.bmp"]


def test_an_image_that_is_named_twice_is_there_once(folder):
    assert names("in/b.jpg", "in", "in/*.jpg").count("b.jpg") == 1


def test_all_that_is_not_there_is_said_at_once(folder):
    Path("empty").mkdir()
    with pytest.raises(DataError) as caught:
        image_files(["gone.jpg", "empty", "*.tif", "in"])
    lines = str(caught.value).splitlines()
    assert lines[0] == "gone.jpg: no such file or folder"
    assert lines[1].startswith("empty: no images in this folder; images end in .apng")
    assert lines[2:] == ["*.tif: no file matches"]


def test_two_images_that_would_have_one_mask_are_refused(folder):
    Path("in/B.tif").write_bytes(b"")
    with pytest.raises(DataError, match=r"would have one mask, b\.png; predict them apart"):
        image_files(["in"])


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["in"], "in"),
        (["in/"], "in"),
        (["in/b.jpg"], "b"),
        (["in/*.jpg"], "in"),
        (["in/b.jpg", "in/a.PNG", "in"], "b_and_2_more"),
    ],
)
def test_the_name_of_a_prediction(folder, words, name):
    assert group_name(words) == name


def test_the_name_of_a_prediction_is_never_a_dot(folder, monkeypatch):
    monkeypatch.chdir("in")
    assert group_name(["."]) == group_name(["*.jpg"]) == "in"
