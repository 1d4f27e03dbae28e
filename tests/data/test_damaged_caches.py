"""Caches that were damaged give the same pixels, groups and hashes, and are made again."""

import shutil

import numpy as np
import pytest

from steelexp.data import cache, file_memory
from steelexp.data.duplicates import search
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.file_memory import STORE, remembered
from tests.damages import Outcome, damages, write_table
from tests.fakes import dataset_of


def data_set(folder, seed, count=24):
    """Images of 12 x 16 with two classes, every other one clean."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (12, 16), np.uint8) for _ in range(count)]
    masks = [rng.integers(0, 4, (12, 16), np.uint8) * (i % 2) for i in range(count)]
    return dataset_of(folder, images, masks, ["1", "2"])


def pixels(dataset):
    return [(dataset.image(i).tolist(), dataset.mask(i).tolist()) for i in range(len(dataset))]


def only_folder(root):
    (file,) = root.glob("*/cache.json")
    return file.parent


def test_every_damage_of_a_cache_is_mended_with_a_line(tmp_path, capsys):
    one = data_set(tmp_path / "one", 1)
    wanted = pixels(one)
    for dataset, name in ((one, "whole"), (data_set(tmp_path / "two", 2), "other")):
        cache.cache_images(dataset, "disk", tmp_path / name)
    whole = only_folder(tmp_path / "whole")
    other = only_folder(tmp_path / "other")
    rng = np.random.default_rng(0)
    outcomes = []
    for file in sorted(whole.iterdir()):
        for damage in damages(file, rng, other=other / file.name, bits=12):
            root = tmp_path / "damaged"
            folder = root / whole.name
            shutil.copytree(whole, folder)
            damage.apply(folder / file.name)
            for mended in (False, True):
                capsys.readouterr()
                assert pixels(cache.cache_images(one, "disk", root)) == wanted, damage.name
                said = "damage" in capsys.readouterr().out
                # A changed space in cache.json changes nothing.
                assert not (said and mended)
                if not mended:
                    outcome = "mended" if said else "the same values"
                    outcomes.append(Outcome(file.name, damage.name, outcome))
            shutil.rmtree(root)
    write_table(outcomes)
    assert len(outcomes) >= 60
    assert {each.file for each in outcomes if each.outcome != "mended"} <= {"cache.json"}


def test_a_whole_cache_of_another_data_set_is_built_again(tmp_path, capsys):
    one = data_set(tmp_path / "one", 1)
    cache.cache_images(data_set(tmp_path / "two", 2), "disk", tmp_path / "cache")
    other = only_folder(tmp_path / "cache")
    other.rename(other.with_name(cache.cache_key(one)))
    assert pixels(cache.cache_images(one, "disk", tmp_path / "cache")) == pixels(one)
    assert "damaged, so it is built again" in capsys.readouterr().out


def test_every_damage_of_the_groups_is_mended_with_a_line(tmp_path, monkeypatch, capsys):
    """Those of another set, of as many images, are not believed either."""

    def by_first_pixel(image, count, *, report):
        groups = np.array([int(image(n)[0, 0]) for n in range(count)])
        return search.NearDuplicates(groups, [])

    monkeypatch.setattr(search, "near_duplicates", by_first_pixel)
    one = data_set(tmp_path / "one", 1)
    two = data_set(tmp_path / "two", 2)
    wanted = duplicate_groups(one, tmp_path / "whole").tolist()
    assert duplicate_groups(two, tmp_path / "other").tolist() != wanted
    (file,) = (tmp_path / "whole").glob("*.groups.npy")
    (other,) = (tmp_path / "other").glob("*.groups.npy")
    content = file.read_bytes()
    outcomes = []
    for damage in damages(file, np.random.default_rng(0), other=other, bits=30):
        damage.apply(file)
        capsys.readouterr()
        assert duplicate_groups(one, tmp_path / "whole").tolist() == wanted
        assert ("again" in capsys.readouterr().out) == (damage.name != "remove")
        assert file.read_bytes() == content
        outcomes.append(Outcome("groups.npy", damage.name, "mended"))
    write_table(outcomes)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The path of the store; files count as old at once."""
    monkeypatch.setenv("STEELEXP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_memory, "_RACY_NS", 0)
    return tmp_path / "cache" / STORE


def test_every_damage_of_the_memory_of_files_is_mended(tmp_path, store, monkeypatch):
    """The hashes stay right; at the third time nothing is read again."""
    paths = [tmp_path / f"{number}.png" for number in range(40)]
    others = [tmp_path / f"{number}.jpg" for number in range(40)]
    for number, path in enumerate([*paths, *others]):
        path.write_bytes(bytes([number]))
    computed = []

    def content(path):
        computed.append(path)
        return path.read_bytes().hex()

    remembered(others, "content 1", content)
    other = store.rename(tmp_path / "other.sqlite3")
    wanted = remembered(paths, "content 1", content)
    whole = store.read_bytes()
    outcomes = []
    for damage in damages(store, np.random.default_rng(0), other=other, bits=60):
        monkeypatch.setattr(file_memory, "_reported", set())
        store.write_bytes(whole)
        damage.apply(store)
        for _ in range(2):
            computed.clear()
            assert remembered(paths, "content 1", content) == wanted, damage.name
        assert remembered(paths, "content 1", content) == wanted
        computed.clear()
        assert remembered(paths, "content 1", content) == wanted
        assert not computed, damage.name
        outcomes.append(Outcome(STORE, damage.name, "mended"))
    write_table(outcomes)
