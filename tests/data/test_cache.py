import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from steelexp.data import cache
from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import DataError
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.errors import UserError
from tests.fakes import dataset_of

# Opens the set that `random_images` makes and decodes it into a cache; a slow reader where asked.
BUILD = """
import sys, time
from pathlib import Path
import numpy as np
from steelexp.data import cache, dataset
from steelexp.data.mask_folder import reader as mask_folder
root, cache_dir, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
decode = dataset.read_grey
def slow(path, white):
    time.sleep(pause)
    return decode(path, white=white)
opened = mask_folder.mask_folder(root=str(root), classes=("1", "2"))
dataset.read_grey = slow
decoded = cache.cache_images(opened, "disk", cache_dir)
same = all(np.array_equal(decoded.image(i), opened.image(i)) for i in range(0, len(decoded), 7))
print("equal" if same else "differs", flush=True)
"""


DAMAGED = re.compile("damaged, so|damage in")


def random_images(count, seed=0, shape=None):
    rng = np.random.default_rng(seed)
    shapes = [shape or (int(rng.integers(2, 9)), int(rng.integers(2, 9))) for _ in range(count)]
    images = [rng.integers(0, 256, shape, np.uint8) for shape in shapes]
    masks = [rng.integers(0, 4, shape, np.uint8) * (i % 2) for i, shape in enumerate(shapes)]
    return images, masks


@pytest.fixture
def dataset(tmp_path):
    images, masks = random_images(7)
    (tmp_path / "set").mkdir()
    return dataset_of(tmp_path / "set", images, masks, ["1", "2"])


@pytest.fixture
def folder(tmp_path):
    """A set of 60 images beside masks, in files."""
    images, masks = random_images(60, shape=(16, 20))
    values = [mask % 3 for mask in masks]
    for kind, pictures in (("images", images), ("masks", values)):
        (tmp_path / kind).mkdir()
        for i, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / kind / f"{i:03d}.png"), picture)
    return tmp_path


def contents(dataset):
    return [(dataset.image(i).tolist(), dataset.mask(i).tolist()) for i in range(len(dataset))]


@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_holds_the_pixels_of_images_of_any_size(dataset, tmp_path, kind):
    decoded = cache.cache_images(dataset, kind, tmp_path / "cache")
    assert contents(decoded) == contents(dataset)
    assert decoded.names == dataset.names
    assert decoded.labelled == [False, True, False, True, False, True, False]
    assert (tmp_path / "cache").exists() == (kind == "disk")


@pytest.mark.parametrize("kind", ["disk", "memory", "none"])
def test_masks_have_no_class_at_ignored_pixels_also_those_of_clean_images(kind, tmp_path):
    masks = [np.array([[0b000, 0b001, 0b100, 0b111]]), np.array([[0b000, 0b110, 0b100, 0b000]])]
    dataset = dataset_of(tmp_path, [np.zeros((1, 4))] * 2, masks, ["1", "2"])
    counts = np.array([[1, 0], [0, 0]])
    dataset = replace(dataset, has_ignore=True, pixels=counts)
    decoded = cache.cache_images(dataset, kind, tmp_path / "cache")
    assert decoded.mask(0).tolist() == [[0b000, 0b001, 0b100, 0b100]]
    assert decoded.mask(1).tolist() == [[0b000, 0b100, 0b100, 0b000]]


def test_images_decoded_at_every_use_are_kept_while_they_are_recent(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "IMAGES_IN_MEMORY", 2)
    reads = []
    image = type(dataset).image
    monkeypatch.setattr(
        type(dataset), "image", lambda self, row: reads.append(row) or image(self, row)
    )
    decoded = cache.cache_images(dataset, "none", tmp_path)
    for row in (0, 1, 0, 1, 2, 1, 0):
        decoded.image(row)
    assert reads == [0, 1, 2, 0]


def test_the_second_opening_reads_no_image(dataset, tmp_path, monkeypatch):
    first = contents(cache.cache_images(dataset, "disk", tmp_path))
    monkeypatch.setattr(type(dataset), "image", lambda *_: pytest.fail("read again"))
    assert contents(cache.cache_images(dataset, "disk", tmp_path)) == first


def test_cannot_be_written_to(dataset, tmp_path):
    with pytest.raises(ValueError, match="read-only"):
        cache.cache_images(dataset, "disk", tmp_path).image(0)[0, 0] = 1


def test_another_image_makes_another_cache(folder, tmp_path):
    """Same name, size in bytes and time: only the content differs."""
    pixels = np.arange(320, dtype=np.uint8).reshape(16, 20)
    for other in (pixels, 255 - pixels):
        cv2.imwrite(str(folder / "images" / "000.bmp"), other)
        (folder / "images" / "000.png").unlink(missing_ok=True)
        os.utime(folder / "images" / "000.bmp", ns=(1, 1))
        dataset = mask_folder(root=str(folder), classes=("1", "2"))
        decoded = cache.cache_images(dataset, "disk", tmp_path / "cache")
        np.testing.assert_array_equal(decoded.image(0), other)
    assert len(list((tmp_path / "cache").glob("*/cache.json"))) == 2


def test_a_copy_of_the_data_set_shares_its_cache(folder, tmp_path, monkeypatch):
    classes = ("1", "2")
    first = mask_folder(root=str(folder), classes=classes)
    cache.cache_images(first, "disk", tmp_path / "cache")
    for part in ("images", "masks"):
        shutil.copytree(folder / part, tmp_path / "copy" / part)
    copy = mask_folder(root=str(tmp_path / "copy"), classes=classes)
    monkeypatch.setattr(cache, "_build", lambda *_: pytest.fail("built again"))
    decoded = cache.cache_images(copy, "disk", tmp_path / "cache")
    np.testing.assert_array_equal(decoded.image(0), first.image(0))


def flip_bit(file, position):
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("harm", "line"),
    [
        (lambda folder: (folder / "cache.json").unlink(), "built again"),
        (lambda folder: (folder / "cache.json").write_text("{"), "built again"),
        (lambda folder: (folder / "cache.json").write_text("[]"), "built again"),
        (lambda folder: change(folder / "cache.json", manifest="other"), "built again"),
        (lambda folder: change(folder / "cache.json", version=1), "built again"),
        (lambda folder: (folder / "bits.u8").unlink(), "built again"),
        (lambda folder: os.truncate(folder / "grey.u8", 3), "built again"),
        (lambda folder: os.truncate(folder / "checks.u4", 8), "built again"),
        (lambda folder: flip_bit(folder / "checks.u4", 9), "built again"),
        (lambda folder: flip_bit(folder / "grey.u8", 0), "0.png of 7 images"),
        (lambda folder: flip_bit(folder / "bits.u8", -1), "6.png of 7 images"),
        (lambda folder: flip_bit(folder / "bits.u8", 0), "0.png of 7 images"),
        (
            lambda folder: (folder / "grey.u8").write_bytes(
                bytes((folder / "grey.u8").stat().st_size)
            ),
            "0.png and 6 more of 7 images",
        ),
        (
            lambda folder: (folder / "grey.u8").write_bytes((folder / "bits.u8").read_bytes()),
            "0.png and 6 more of 7 images",
        ),
    ],
)
def test_a_damaged_cache_is_mended_with_a_line(dataset, tmp_path, harm, line, capsys):
    root = tmp_path / "cache"
    cache.cache_images(dataset, "disk", root)
    (folder_of_cache,) = (path.parent for path in root.glob("*/cache.json"))
    harm(folder_of_cache)
    capsys.readouterr()
    for _ in range(2):
        assert contents(cache.cache_images(dataset, "disk", root)) == contents(dataset)
    said = [each for each in capsys.readouterr().out.splitlines() if DAMAGED.search(each)]
    assert len(said) == 1
    assert line in said[0]


def test_damage_outside_the_sample_is_mended_at_the_first_use(tmp_path, capsys):
    images, masks = random_images(60, shape=(4, 5))
    (tmp_path / "set").mkdir()
    dataset = dataset_of(tmp_path / "set", images, masks, ["1", "2"])
    cache.cache_images(dataset, "disk", tmp_path)
    for file, row in (("grey.u8", 13), ("bits.u8", 26)):
        flip_bit(next(tmp_path.glob(f"*/{file}")), row * 20 + 7)
    opened = cache.cache_images(dataset, "disk", tmp_path)
    assert "damage in" not in capsys.readouterr().out
    assert opened.mask(26).tolist() == dataset.mask(26).tolist()
    assert "damage in 13.png and 1 more of 60 images" in capsys.readouterr().out
    assert opened.image(13).tolist() == dataset.image(13).tolist()
    assert not capsys.readouterr().out
    again = cache.cache_images(dataset, "disk", tmp_path)
    assert contents(again) == contents(dataset)
    assert not capsys.readouterr().out


def test_all_unreadable_images_are_named_and_nothing_is_left(dataset, tmp_path):
    for number in (2, 5):
        dataset.paths[number].write_bytes(b"no image")
    with pytest.raises(DataError) as refused:
        cache.cache_images(dataset, "disk", tmp_path / "cache")
    assert [f"{number}.png" in str(refused.value) for number in range(7)] == [
        number in (2, 5) for number in range(7)
    ]
    assert not list((tmp_path / "cache").glob("**/grey.u8"))


def test_a_full_disk_is_refused_before_anything_is_written(dataset, tmp_path, monkeypatch):
    free = SimpleNamespace(free=2**28 + 100)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"0\.0 GB are needed and 0\.3 GB are free; make room, or"):
        cache.cache_images(dataset, "disk", tmp_path)
    assert not list(tmp_path.glob("*/cache.json"))
    assert not list(tmp_path.glob(".*.partial"))


def test_too_little_memory_is_refused(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_total_memory", lambda: 2**28)
    with pytest.raises(DataError, match=r"data\.cache: memory: .* or set data\.cache=disk or"):
        cache.cache_images(dataset, "memory", tmp_path)


def build(folder, *, pause=0.0):
    """Start a process that builds the cache of the set in a folder."""
    command = [sys.executable, "-c", BUILD, str(folder), str(folder / "cache"), str(pause)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def test_two_processes_that_start_together_build_it_once(folder):
    processes = [build(folder, pause=0.02) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert [out.splitlines()[-1] for out, _ in outputs] == ["equal", "equal"]
    assert sum("Decoding 60 images" in out for out, _ in outputs) == 1


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
    rng = random.Random(0)
    hit = 0
    for _ in range(20):
        hit += killed(folder, rng.uniform(0, 0.5))
        for folder_of_cache in (folder / "cache").glob("*/cache.json"):
            folder_of_cache.unlink()  # of a build that was done before its kill
    assert hit >= 10
    assert build(folder).communicate(timeout=60)[0].splitlines()[-1] == "equal"


def test_lies_where_the_user_says(monkeypatch):
    monkeypatch.delenv("STEELEXP_CACHE", raising=False)
    assert cache_root() == Path("data/cache")
    monkeypatch.setenv("STEELEXP_CACHE", "/elsewhere")
    assert cache_root() == Path("/elsewhere")


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(dataset):
    outputs = r"^/proc/none: cannot be written: No such file or directory; set STEELEXP_CACHE to "
    with pytest.raises(UserError, match=outputs):
        cache.cache_images(dataset, "disk", Path("/proc/none/cache"))
