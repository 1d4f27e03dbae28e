"""The description of a run's data for its tracker."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steelexp.tracked_run import tracked_data
from steelexp.tracking.comet.tracker import comet
from steelexp.tracking.trackers import TRACKERS

MANIFEST = "ab" * 32


class Images:
    """A data set of three images."""

    manifest = MANIFEST
    classes = ("1", "2")

    def __len__(self) -> int:
        return 3


def plan_of(folder: Path, root: object, names: str = "a.png,01,02\n", split: str = "cd") -> Any:
    (folder / "images.csv").write_text(f"image,image_hash,label_hash\n{names}")
    (folder / "split.csv").write_text("image,part,group\na.png,train,0\n")
    data = SimpleNamespace(choice="mask_folder", settings={"root": root})
    return SimpleNamespace(
        folder=SimpleNamespace(path=folder),
        split=SimpleNamespace(train=[0, 1], val=[2], test=[]),
        split_summary={"parts": {"digest": split}},
        dataset=Images(),
        spec=SimpleNamespace(data=data),
    )


@pytest.fixture
def described(tmp_path: Path) -> Any:
    def describe(root: object = "some where/NEU_Seg", **kwargs: str) -> Any:
        return tracked_data(plan_of(tmp_path, root, **kwargs))

    return describe


def test_name_and_facts(described: Any, tmp_path: Path) -> None:
    data = described()
    assert data.name == "mask_folder-NEU_Seg"
    assert data.files == (tmp_path / "images.csv", tmp_path / "split.csv")
    assert data.metadata == {
        "data": MANIFEST, "split": "cd", "images": 3, "classes": "1, 2",
        "train": 2, "val": 1, "test": 0,
    }  # fmt: skip


def test_a_tracker_says_whether_it_wants_them() -> None:
    """To look for what is private in the names of 12,568 images takes seconds."""
    trackers = (comet(), comet(data="none"), TRACKERS["none"]())
    assert [tracker.wants_data for tracker in trackers] == [True, False, False]


def test_another_split_is_another_digest(described: Any) -> None:
    assert described().digest == described().digest != described(split="ef").digest


def test_several_roots_and_hostile_names(described: Any) -> None:
    assert described({"a": "/x/one", "b": "/x/two"}).name == "mask_folder-one-two"
    assert described("/x/ein Ordner/\x1b[31m").name == "mask_folder--31m"


def test_a_home_folder_in_a_name_keeps_the_data_at_home(
    described: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", "/homes/zebediah")
    assert described(names="/homes/zebediah/a.png,01,02\n") is None
    assert "images.csv: a name in it is private; the data are not" in capsys.readouterr().out
