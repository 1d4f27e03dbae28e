import json
import shutil

import pytest

from steelexp.records.thumbnails import FILE
from steelexp.report import thumbnails as module
from steelexp.report.encoding import HEAD, LEVELS, MOST, overlay_files
from steelexp.report.pictures import gallery
from steelexp.report.runs import read_run
from steelexp.report.thumbnails import keep_thumbnails, thumbnails_of
from tests.finished_runs import finished
from tests.report.test_pictures import overlays, size


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "thumbnails"


@pytest.fixture
def folder(tmp_path, cache):
    """A run of four epochs, the third best, on two images."""
    folder = finished(tmp_path / "b4_dice" / "3f9c1a7e")
    overlays(folder, epochs=(1, 2, 3, 4), images=("a.jpg", "b.jpg"), size=(440, 200))
    return folder


@pytest.fixture
def encodings(monkeypatch):
    """Files that are encoded, as they come."""
    files = []
    encode = module.encode_all

    def counted(*arguments):
        pictures = encode(*arguments)
        files.extend((image, epoch) for image, each in pictures.items() for epoch in each)
        return pictures

    monkeypatch.setattr(module, "encode_all", counted)
    return files


def files_of(folder):
    return overlay_files(folder.path / "overlays")


def small_room(folder):
    """Room for three pictures at the last level."""
    return 3 * largest(thumbnails_of(folder, files_of(folder), 3))


def largest(thumbnails):
    """Bytes of the largest thumbnail in a page."""
    pictures = (each for by_epoch in thumbnails.pictures.values() for each in by_epoch.values())
    return max(len(HEAD) + len(each.data) for each in pictures)


def test_a_run_keeps_them_and_a_page_encodes_nothing(folder, cache, encodings):
    keep_thumbnails(folder, 3)
    assert len(encodings) == 8
    pictures = gallery(read_run(folder), small_room(folder))
    assert len(encodings) == 8
    assert not cache.exists()
    assert (list(pictures.images), pictures.epochs) == (["a"], (1, 3, 4))
    (picture, *_) = pictures.images["a"]
    assert picture.width * picture.height == pytest.approx(LEVELS[-1][0], rel=0.02)


def test_they_are_what_is_encoded_without_them(folder):
    room = small_room(folder)
    without = gallery(read_run(folder), room)
    keep_thumbnails(folder, 3)
    assert gallery(read_run(folder), room) == without


def test_of_a_run_without_them_they_are_made_once_beside_the_cache(folder, cache, encodings):
    before = sorted(folder.path.rglob("*"))
    first = thumbnails_of(folder, files_of(folder), 3)
    assert len(encodings) == 8
    assert thumbnails_of(folder, files_of(folder), 3) == first
    assert len(encodings) == 8
    assert sorted(folder.path.rglob("*")) == before
    assert len(list(cache.iterdir())) == 1


def test_a_copy_of_the_run_has_the_same(folder, tmp_path, encodings):
    thumbnails_of(folder, files_of(folder), 3)
    other = type(folder)(tmp_path / "copy" / folder.path.name)
    shutil.copytree(folder.path, other.path)
    thumbnails_of(other, files_of(other), 3)
    assert len(encodings) == 8


def test_other_overlays_have_others(folder, encodings):
    keep_thumbnails(folder, 3)
    overlays(folder, epochs=(1,), images=("c.jpg",))
    assert "1/c" in thumbnails_of(folder, files_of(folder), 3).sources
    assert len(encodings) > 8


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: text[: len(text) // 2], "not thumbnails of overlays"),
        (lambda text: text.replace('"width": ', '"width": 1', 1), "damaged: its checksum"),
        (lambda text: "", "not thumbnails of overlays"),
    ],
)
def test_damage_is_said_and_they_are_made_again(folder, encodings, capsys, damage, words):
    keep_thumbnails(folder, 3)
    whole = thumbnails_of(folder, files_of(folder), 3)
    file = folder.path / FILE
    file.write_text(damage(file.read_text()))
    assert thumbnails_of(folder, files_of(folder), 3) == whole
    out = capsys.readouterr().out
    assert f"{file}: {words}" in out
    assert out.endswith("the overlays are encoded again\n")
    assert len(encodings) == 16


def test_those_of_another_version_are_made_again_without_a_word(folder, encodings, capsys):
    keep_thumbnails(folder, 3)
    file = folder.path / FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 99}))
    thumbnails_of(folder, files_of(folder), 3)
    assert (len(encodings), capsys.readouterr().out) == (16, "")


def test_a_cache_that_cannot_be_written_is_done_without(folder, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert len(thumbnails_of(folder, files_of(folder), 3).pictures) == 2


def test_a_full_disk_at_the_end_of_a_run_fails_nothing(folder, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_thumbnails", full)
    keep_thumbnails(folder, 3)
    assert not (folder.path / FILE).exists()
    assert "No thumbnails could be written (OSError: No space left" in capsys.readouterr().out


def test_without_overlays_there_is_no_file(tmp_path):
    folder = finished(tmp_path / "x" / "0")
    keep_thumbnails(folder, 1)
    assert not (folder.path / FILE).exists()


def test_of_many_epochs_as_many_are_kept_as_a_page_shows(tmp_path, cache):
    folder = finished(tmp_path / "b4_dice" / "3f9c1a7e")
    overlays(folder, epochs=range(1, 71), images=("a.jpg", "b.jpg"), size=(40, 8))
    keep_thumbnails(folder, 33)
    kept = thumbnails_of(folder, files_of(folder), 33)
    assert sum(map(len, kept.pictures.values())) == MOST
    assert 33 in kept.pictures["a"]
    room = 40 * largest(kept)
    pictures = gallery(read_run(folder), room)
    assert 0 < size(pictures) <= room
    assert pictures.left_out == "2 of 2 images and 20 of 70 epochs, to keep this small"
