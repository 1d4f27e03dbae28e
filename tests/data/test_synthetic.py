import csv
import json
import os
import shutil
import time

import cv2
import numpy as np
import pytest

from steelexp.data import rle
from steelexp.data.dataset import DataError
from steelexp.data.generator.prevalence import choose_classes
from steelexp.data.synthetic import generate, image_name, synthetic

SETTINGS = {"strips": 6, "seed": 5, "rarity": 0.0, "defect_share": 1.0, "classes_per_strip": None}


def contents(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def rows(root):
    with (root / "train.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def six(tmp_path_factory):
    root = tmp_path_factory.mktemp("generated") / "six"
    generate(root, **SETTINGS)
    return root


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """60 strips at Severstal's own frequencies."""
    root = tmp_path_factory.mktemp("generated") / "mixed"
    return root, synthetic(root=str(root), strips=60, seed=2)


def test_the_same_settings_give_the_same_bytes(six, tmp_path):
    generate(tmp_path / "again", **SETTINGS)
    assert contents(tmp_path / "again") == contents(six)


def test_another_seed_gives_other_strips(six, tmp_path):
    generate(tmp_path / "other", **SETTINGS | {"strips": 1, "seed": 6})
    assert not set(contents(tmp_path / "other").values()) & set(contents(six).values())


def test_a_strip_does_not_depend_on_how_many_there_are(six, tmp_path):
    generate(tmp_path / "two", **SETTINGS | {"strips": 2})
    few, many = contents(tmp_path / "two"), contents(six)
    images = [name for name in few if name.endswith(".jpg")]
    assert len(images) == 3  # two to train on, one to test on
    assert all(few[name] == many[name] for name in images)
    named = {name.split("/")[1] for name in images}
    assert rows(tmp_path / "two")[1:] == [row for row in rows(six)[1:] if row[0] in named]


def test_the_layout_is_kaggles(six):
    names = sorted(path.name for path in (six / "train_images").iterdir())
    assert len(names) == 6
    assert len(list((six / "test_images").iterdir())) == 1
    image = cv2.imread(str(six / "train_images" / names[0]), cv2.IMREAD_UNCHANGED)
    assert image.shape == (256, 1600, 3)
    assert (image[..., 0] == image[..., 2]).all()
    stem, _, suffix = names[0].partition(".")
    assert len(stem) == 9
    assert int(stem, 16) >= 0
    assert suffix == "jpg"
    header, *labels = rows(six)
    assert header == ["ImageId", "ClassId", "EncodedPixels"]
    assert labels == sorted(labels)
    assert {row[0] for row in labels} == set(names)  # defect_share 1: every strip has a row


def test_no_two_strips_share_a_name():
    numbers = [*range(20000), *range(2**35, 2**35 + 2500)]
    assert len({image_name(4, number) for number in numbers}) == len(numbers)


def test_the_order_of_the_names_tells_nothing_of_the_strip():
    names = {
        image_name(0, k): choose_classes(0, k, rarity=1, defect_share=0.5) for k in range(2000)
    }
    first_half = [bool(names[name]) for name in sorted(names)[:1000]]
    runs = np.diff(first_half).sum()
    assert sum(first_half) == pytest.approx(500, abs=60)
    assert runs == pytest.approx(500, abs=60)  # neighbours differ as often as heads and tails


def test_masks_decode_and_never_overlap(six):
    covered = {}
    for name, class_id, runs in rows(six)[1:]:
        assert class_id in "1234"
        mask = rle.decode(runs, (256, 1600))
        assert mask.any()
        assert not (covered.setdefault(name, np.zeros_like(mask)) & mask).any()
        covered[name] |= mask


def test_labels_do_not_lie_on_black(mixed):
    _, strips = mixed
    black = 0
    for strip in range(len(strips)):
        edge = strips.image(strip).mean(axis=0) < 8  # [W]
        black += edge.sum() > 20
        assert not strips.mask(strip)[:, edge].any()
    assert 3 <= black <= 18  # of 60; 4 of the 25 strips of the sample show black


def test_light_and_contrast_are_within_severstals(mixed):
    _, strips = mixed
    means = [strips.image(strip).mean() for strip in range(len(strips))]
    assert 85 < np.mean(means) < 125  # 102 over the 25 strips of the sample
    assert 15 < np.std(means) < 40  # 25 there


def test_synthetic_reads_what_it_drew(mixed):
    root, strips = mixed
    assert len(strips) == 60
    assert strips.classes == ("1", "2", "3", "4")
    shown = (strips.pixels > 0).sum(axis=0)
    assert shown == pytest.approx([4.3, 1.2, 24.6, 3.8], abs=2.5)  # 60 * 0.53 * 897 / 6666, ...
    assert (strips.pixels.sum(axis=1) > 0).sum() == pytest.approx(0.53 * 60, abs=1.5)
    defects = synthetic(root=str(root), strips=60, seed=2, images="with_defects")
    assert set(defects.names) == {
        name for name, pixels in zip(strips.names, strips.pixels, strict=True) if pixels.any()
    }


def test_an_existing_set_with_the_same_settings_is_reused(six):
    before = contents(six)
    calls = []
    generate(six, **SETTINGS, report=lambda *progress: calls.append(progress))
    assert not calls
    assert contents(six) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [("strips", 7), ("seed", 1), ("rarity", 0.5), ("defect_share", 0.5), ("classes_per_strip", 2)],
)
def test_other_settings_are_refused_by_name(six, key, value):
    with pytest.raises(DataError) as refusal:
        generate(six, **SETTINGS | {key: value})
    message = str(refusal.value)
    assert f"{key} {SETTINGS[key]}, not {value}" in message
    assert "another root" in message
    assert all(f"{other} " not in message for other in SETTINGS if other != key)


@pytest.mark.parametrize("version", [0, 1, 3, None])
def test_another_version_of_the_generator_is_refused_before_its_settings(tmp_path, version):
    generate(tmp_path / "old", **SETTINGS | {"strips": 1})
    file = tmp_path / "old" / "generator.json"
    old = json.loads(file.read_text()) | {"version": version, "seed": 77}
    if version is None:
        del old["version"]
    file.write_text(json.dumps(old))
    before = contents(tmp_path)
    named = "unknown" if version is None else version
    with pytest.raises(DataError, match=f"version {named} of the generator") as refusal:
        generate(tmp_path / "old", **SETTINGS | {"strips": 1})
    assert "this is version 2; remove the folder and repeat the command" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert contents(tmp_path) == before
    shutil.rmtree(tmp_path / "old")  # as the message says
    generate(tmp_path / "old", **SETTINGS | {"strips": 1})
    assert json.loads(file.read_text())["version"] == 2


@pytest.mark.parametrize("text", [None, "", "[1, 2]", "{"])
def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path, text):
    (tmp_path / "train.csv").write_text("mine")
    if text is not None:
        (tmp_path / "generator.json").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="not generated by steelexp"):
        generate(tmp_path, **SETTINGS)
    assert contents(tmp_path) == before


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "root").write_text("mine")
    with pytest.raises(DataError, match="not generated by steelexp"):
        generate(tmp_path / "root", **SETTINGS)


def test_an_empty_folder_and_missing_parents_will_do(tmp_path):
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path / "a" / "b"):
        generate(root, **SETTINGS | {"strips": 1})
        assert (root / "generator.json").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("strips", 0),
        ("seed", -1),
        ("rarity", 1.5),
        ("rarity", float("nan")),
        ("defect_share", -1),
        ("classes_per_strip", 5),
    ],
)
def test_settings_out_of_range_are_refused(tmp_path, key, value):
    with pytest.raises(DataError, match=f"{key}: {value}"):
        generate(tmp_path / "root", **SETTINGS | {key: value})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stop_at", [1, 7])
def test_an_interrupt_leaves_nothing_behind(six, tmp_path, stop_at):
    def interrupt(done, total):
        assert total == 7
        if done == stop_at:
            raise KeyboardInterrupt

    root = tmp_path / "root"
    with pytest.raises(KeyboardInterrupt):
        generate(root, **SETTINGS, report=interrupt)
    assert not list(tmp_path.iterdir())
    generate(root, **SETTINGS)
    assert contents(root) == contents(six)


def test_folders_of_killed_processes_are_removed(tmp_path):
    leftovers = [tmp_path / f".root.{name}.partial" for name in ("old", "new")]
    for folder in leftovers:
        (folder / "train_images").mkdir(parents=True)
        (folder / "train_images" / "012345678.jpg").write_text("half")
    two_hours_ago = time.time() - 7200
    os.utime(leftovers[0] / "train_images", (two_hours_ago, two_hours_ago))
    generate(tmp_path / "root", **SETTINGS | {"strips": 1})
    assert sorted(tmp_path.iterdir()) == [leftovers[1], tmp_path / "root"]


def test_two_processes_can_generate_the_same_set(six, tmp_path):
    root = tmp_path / "root"

    def the_other(done, total):
        if done == total:
            generate(root, **SETTINGS)

    generate(root, **SETTINGS, report=the_other)
    assert contents(root) == contents(six)
    assert list(tmp_path.iterdir()) == [root]


def test_a_concurrent_set_with_other_settings_is_refused(tmp_path):
    root = tmp_path / "root"

    def the_other(done, total):
        if done == total:
            generate(root, **SETTINGS | {"strips": 1, "seed": 9})

    with pytest.raises(DataError, match="seed 9, not 5"):
        generate(root, **SETTINGS | {"strips": 1}, report=the_other)
    assert json.loads((root / "generator.json").read_text())["seed"] == 9
    assert list(tmp_path.iterdir()) == [root]
