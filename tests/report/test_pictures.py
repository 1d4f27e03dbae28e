import base64
import io

import numpy as np
import pytest
from PIL import Image

from steelexp.report.encoding import LEVELS, spread
from steelexp.report.pictures import gallery
from steelexp.report.runs import read_run
from tests.finished_runs import finished


def overlays(folder, *, epochs, images, size=(400, 80)):
    """Draw noise, which is as large as pictures get."""
    random = np.random.default_rng(0)
    for epoch in epochs:
        for image in images:
            path = folder.overlay(epoch, image)
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = random.integers(0, 255, (size[1], size[0], 3), np.uint8)
            Image.fromarray(noise).save(path, compress_level=0)


@pytest.fixture
def run(tmp_path):
    """A run of four epochs, the third best, on three images."""
    folder = finished(tmp_path / "b4_dice" / "3f9c1a7e")
    overlays(folder, epochs=(1, 2, 3, 4), images=("a.jpg", "b.jpg", "c.jpg"))
    return read_run(folder)


def size(found):
    return sum(len(p.uri) for pictures in found.images.values() for p in pictures)


class TestGallery:
    def test_holds_everything_where_there_is_room(self, run):
        found = gallery(run, 10_000_000)
        assert list(found.images) == ["a", "b", "c"]
        assert found.epochs == (1, 2, 3, 4)
        assert (found.first_epoch, found.left_out) == (3, "")

    def test_pictures_are_webp_and_not_enlarged(self, run):
        (picture, *_) = gallery(run, 10_000_000).images["a"]
        head, _, data = picture.uri.partition(",")
        with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
            assert (head, opened.format) == ("data:image/webp;base64", "WEBP")
            assert opened.size == (picture.width, picture.height) == (400, 80)

    def test_large_ones_are_shrunk(self, tmp_path):
        folder = finished(tmp_path / "b4_dice" / "3f9c1a7e")
        overlays(folder, epochs=(1,), images=("a.jpg",), size=(1600, 310))
        (picture,) = gallery(read_run(folder), 10_000_000).images["a"]
        assert picture.width * picture.height <= LEVELS[0][0] * 1.01
        assert picture.width / picture.height == pytest.approx(1600 / 310, rel=0.01)

    @pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.15])
    def test_keeps_to_its_bytes_and_says_what_is_left_out(self, run, share):
        room = round(size(gallery(run, 10_000_000)) * share * 0.6)
        found = gallery(run, room)
        assert size(found) <= room
        assert found.left_out.endswith("to keep this small")
        assert found.first_epoch in found.epochs

    def test_the_best_epoch_stays_as_long_as_two_do(self, run):
        whole = size(gallery(run, 10_000_000))
        found = gallery(run, round(whole * 0.4))
        assert 3 in found.epochs
        assert found.first_epoch == 3

    def test_without_room_or_pictures_there_is_none(self, run, tmp_path):
        assert gallery(run, 100) is None
        assert gallery(read_run(finished(tmp_path / "x" / "0")), 10_000_000) is None

    def test_a_broken_picture_is_left_out(self, run):
        run.folder.overlay(2, "b.jpg").write_bytes(b"\x89PNG\r\n\x1a\n torn")
        found = gallery(run, 10_000_000)
        assert [picture.epoch for picture in found.images["b"]] == [1, 3, 4]

    def test_keeps_to_its_bytes_where_the_largest_file_says_nothing_of_the_others(self, run):
        run.folder.overlay(4, "b.jpg").write_bytes(b"no picture" * 100_000)
        room = round(size(gallery(run, 10_000_000)) / 2)
        assert 0 < size(gallery(run, room)) <= room


class TestSpread:
    @pytest.mark.parametrize(
        ("count", "expected"),
        [(10, [1, 2, 3, 4, 5, 6, 7, 8]), (4, [1, 3, 7, 8]), (2, [3, 8]), (1, [3]), (0, [])],
    )
    def test_by_hand(self, count, expected):
        assert spread(range(1, 9), count, always=3) == expected

    def test_an_epoch_that_is_not_there_is_not_kept(self):
        assert spread([5, 6], 1, always=3) == [6]
