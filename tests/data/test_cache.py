import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from steelexp.data import cache, duplicates
from steelexp.data.strips import DataError
from tests.fakes import strips_of

# Opens the set that `drawn` writes and decodes it into a cache; a slow reader where asked.
BUILD = """
import sys, time
from pathlib import Path
import numpy as np
from steelexp.data import cache, mask_folder, strips
root, cached, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
decode = strips.decode_image
def slow(path, flags):
    time.sleep(pause)
    return decode(path, flags)
opened = mask_folder.mask_folder(root=str(root), classes=("1", "2"))
strips.decode_image = slow
found = cache.cached(opened, "disk", cached)
same = all(np.array_equal(found.image(i), opened.image(i)) for i in range(0, len(found), 7))
print("equal" if same else "differs", flush=True)
"""


def drawn(count, seed=0, shape=None):
    draw = np.random.default_rng(seed)
    shapes = [shape or (int(draw.integers(2, 9)), int(draw.integers(2, 9))) for _ in range(count)]
    images = [draw.integers(0, 256, shape, np.uint8) for shape in shapes]
    masks = [draw.integers(0, 4, shape, np.uint8) * (i % 2) for i, shape in enumerate(shapes)]
    return images, masks


@pytest.fixture
def strips(tmp_path):
    images, masks = drawn(7)
    (tmp_path / "set").mkdir()
    return strips_of(tmp_path / "set", images, masks, ["1", "2"])


@pytest.fixture
def folder(tmp_path):
    """A set of 60 images beside masks, in files."""
    images, masks = drawn(60, shape=(16, 20))
    values = [mask % 3 for mask in masks]
    for kind, pictures in (("images", images), ("masks", values)):
        (tmp_path / kind).mkdir()
        for i, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / kind / f"{i:03d}.png"), picture)
    return tmp_path


def contents(strips):
    return [(strips.image(i).tolist(), strips.mask(i).tolist()) for i in range(len(strips))]


@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_holds_the_pixels_of_strips_of_any_size(strips, tmp_path, kind):
    found = cache.cached(strips, kind, tmp_path / "cache")
    assert contents(found) == contents(strips)
    assert found.names == strips.names
    assert found.labelled == [False, True, False, True, False, True, False]
    assert (tmp_path / "cache").exists() == (kind == "disk")


def test_strips_decoded_at_every_use_are_kept_while_they_are_recent(strips, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "RECENT", 2)
    decoded = []
    image = type(strips).image
    monkeypatch.setattr(
        type(strips), "image", lambda self, strip: decoded.append(strip) or image(self, strip)
    )
    found = cache.cached(strips, "none", tmp_path)
    for strip in (0, 1, 0, 1, 2, 1, 0):
        found.image(strip)
    assert decoded == [0, 1, 2, 0]


def test_the_second_opening_reads_no_image(strips, tmp_path, monkeypatch):
    first = contents(cache.cached(strips, "disk", tmp_path))
    monkeypatch.setattr(type(strips), "image", lambda *_: pytest.fail("read again"))
    assert contents(cache.cached(strips, "disk", tmp_path)) == first


def test_cannot_be_written_to(strips, tmp_path):
    with pytest.raises(ValueError, match="read-only"):
        cache.cached(strips, "disk", tmp_path).image(0)[0, 0] = 1


def test_another_image_makes_another_cache(strips, tmp_path):
    before = cache.cached(strips, "disk", tmp_path).image(0)
    cv2.imwrite(str(strips.paths[0]), 255 - before)
    os.utime(strips.paths[0], ns=(1, 1))
    np.testing.assert_array_equal(cache.cached(strips, "disk", tmp_path).image(0), 255 - before)


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "cache.json").unlink(),
        lambda folder: (folder / "bits.u8").unlink(),
        lambda folder: os.truncate(folder / "grey.u8", 3),
    ],
)
def test_a_damaged_cache_is_built_again(strips, tmp_path, harm):
    cache.cached(strips, "disk", tmp_path)
    (made,) = (path.parent for path in tmp_path.glob("*/cache.json"))
    harm(made)
    assert contents(cache.cached(strips, "disk", tmp_path)) == contents(strips)


def test_all_unreadable_images_are_named_and_nothing_is_left(strips, tmp_path):
    for number in (2, 5):
        strips.paths[number].write_bytes(b"no image")
    with pytest.raises(DataError) as refused:
        cache.cached(strips, "disk", tmp_path / "cache")
    assert [f"{number}.png" in str(refused.value) for number in range(7)] == [
        number in (2, 5) for number in range(7)
    ]
    assert not list((tmp_path / "cache").glob("**/grey.u8"))


def test_a_full_disk_is_refused_before_anything_is_written(strips, tmp_path, monkeypatch):
    free = SimpleNamespace(free=2**28 + 100)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"0\.0 GB are needed and 0\.3 GB are there; make room, or"):
        cache.cached(strips, "disk", tmp_path)
    assert not list(tmp_path.glob("*/cache.json"))
    assert not list(tmp_path.glob(".*.partial"))


def test_too_little_memory_is_refused(strips, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_memory", lambda: 2**28)
    with pytest.raises(DataError, match=r"data\.cache: memory: .* or take data\.cache=disk or"):
        cache.cached(strips, "memory", tmp_path)


def build(folder, *, pause=0.0):
    """Start a process that builds the cache of the set in a folder."""
    command = [sys.executable, "-c", BUILD, str(folder), str(folder / "cache"), str(pause)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def test_two_processes_that_start_together_build_it_once(folder):
    processes = [build(folder, pause=0.02) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert [out.splitlines()[-1] for out, _ in said] == ["equal", "equal"]
    assert sum("Decoding 60 strips" in out for out, _ in said) == 1


def killed(folder, moment):
    """Kill a build `moment` seconds after its files appeared; whether it was still at work."""
    process = build(folder, pause=0.05)
    while process.poll() is None and not list((folder / "cache").glob(".*.partial")):
        time.sleep(0.002)
    time.sleep(moment)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return alive


@pytest.mark.parametrize("moment", [0.0, 0.05])
def test_after_a_kill_the_next_build_works(folder, moment):
    assert killed(folder, moment)
    assert not list((folder / "cache").glob("*/cache.json"))
    assert build(folder).communicate(timeout=60)[0].splitlines()[-1] == "equal"
    assert not list((folder / "cache").glob(".*.partial"))


@pytest.mark.slow
def test_after_kills_at_random_moments_the_next_build_works(folder):
    draw = random.Random(0)
    hit = 0
    for _ in range(20):
        hit += killed(folder, draw.uniform(0, 0.5))
        for made in (folder / "cache").glob("*/cache.json"):
            made.unlink()  # of a build that was done before its kill
    assert hit >= 10
    assert build(folder).communicate(timeout=60)[0].splitlines()[-1] == "equal"


class TestGroups:
    def test_are_found_once_for_a_data_set(self, strips, tmp_path, monkeypatch):
        calls = []

        def near_duplicates(image, count, *, report):
            calls.append([image(i).shape for i in range(count)])
            report(count, count)
            return np.array([0, 1, 0, 2, 3, 4, 5])

        monkeypatch.setattr(duplicates, "near_duplicates", near_duplicates)
        for _ in range(2):
            found = cache.duplicate_groups(strips, tmp_path)
            assert found.tolist() == [0, 1, 0, 2, 3, 4, 5]
        assert calls == [[tuple(size) for size in strips.sizes.tolist()]]


def test_groups_that_another_process_finds_meanwhile_are_taken(strips, tmp_path, monkeypatch):
    @contextmanager
    def alone(folder):
        np.save(folder.with_name(f"{folder.name}.groups.npy"), np.arange(len(strips)))
        yield

    monkeypatch.setattr(cache, "_alone", alone)
    monkeypatch.setattr(duplicates, "near_duplicates", None)
    assert cache.duplicate_groups(strips, tmp_path).tolist() == list(range(len(strips)))


def test_lies_where_the_user_says(monkeypatch):
    monkeypatch.delenv("STEELEXP_CACHE", raising=False)
    assert cache.cache_root() == Path("data/cache")
    monkeypatch.setenv("STEELEXP_CACHE", "/elsewhere")
    assert cache.cache_root() == Path("/elsewhere")
