from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from steelexp.data.duplicates import groups as module
from steelexp.data.duplicates import search
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.errors import UserError
from tests.fakes import dataset_of


@pytest.fixture
def dataset(tmp_path):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (4 + i, 6), np.uint8) for i in range(7)]
    (tmp_path / "set").mkdir()
    return dataset_of(tmp_path / "set", images, [np.zeros_like(i) for i in images], ["1"])


def leave_all_apart(monkeypatch):
    """A search that finds no near-duplicates."""
    monkeypatch.setattr(
        search,
        "near_duplicates",
        lambda image, count, report: search.NearDuplicates(np.arange(count), []),
    )


class TestGroups:
    def test_are_found_once_for_a_data_set(self, dataset, tmp_path, monkeypatch):
        calls = []

        def near_duplicates(image, count, *, report):
            calls.append([image(i).shape for i in range(count)])
            report(count, count)
            return search.NearDuplicates(np.array([0, 1, 0, 2, 3, 4, 5]), [])

        monkeypatch.setattr(search, "near_duplicates", near_duplicates)
        for _ in range(2):
            found = duplicate_groups(dataset, tmp_path)
            assert found.tolist() == [0, 1, 0, 2, 3, 4, 5]
        assert calls == [[tuple(size) for size in dataset.sizes.tolist()]]


def test_groups_that_another_process_finds_meanwhile_are_taken(dataset, tmp_path, monkeypatch):
    leave_all_apart(monkeypatch)
    duplicate_groups(dataset, tmp_path)
    (file,) = tmp_path.glob("*.groups.npy")
    content = file.read_bytes()
    file.unlink()

    @contextmanager
    def alone(folder):
        file.write_bytes(content)
        yield

    monkeypatch.setattr(module, "one_builder", alone)
    monkeypatch.setattr(search, "near_duplicates", None)
    assert duplicate_groups(dataset, tmp_path).tolist() == list(range(len(dataset)))


@pytest.mark.parametrize(
    "harm",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: content[:130] + bytes([content[130] ^ 1]) + content[131:],
    ],
    ids=["cut", "empty", "zeroed", "one bit"],
)
def test_damaged_groups_are_found_again(dataset, tmp_path, monkeypatch, capsys, harm):
    leave_all_apart(monkeypatch)
    duplicate_groups(dataset, tmp_path)
    (file,) = tmp_path.glob("*.groups.npy")
    file.write_bytes(harm(file.read_bytes()))
    assert duplicate_groups(dataset, tmp_path).tolist() == list(range(len(dataset)))
    assert f"{file}: damaged; the groups are found again" in capsys.readouterr().out


def test_another_label_leaves_the_groups(dataset, tmp_path, monkeypatch):
    leave_all_apart(monkeypatch)
    duplicate_groups(dataset, tmp_path)
    monkeypatch.setattr(search, "near_duplicates", None)
    corrected = replace(dataset, label_hashes=("other", *dataset.label_hashes[1:]))
    assert corrected.manifest != dataset.manifest
    assert duplicate_groups(corrected, tmp_path).tolist() == list(range(len(dataset)))


def test_says_what_it_does_and_where_before_it_begins(dataset, tmp_path, capsys, monkeypatch):
    leave_all_apart(monkeypatch)
    duplicate_groups(dataset, tmp_path)
    (file,) = tmp_path.glob("*.groups.npy")
    said = f"Looking for near-duplicates among {len(dataset)} images, once; the groups go to {file}"
    assert capsys.readouterr().out.splitlines() == [said]


def test_a_cache_that_cannot_be_written_is_named_with_its_variable(dataset):
    said = r"^/proc/none: cannot be written: No such file or directory; set STEELEXP_CACHE to "
    with pytest.raises(UserError, match=said):
        duplicate_groups(dataset, Path("/proc/none/cache"))
