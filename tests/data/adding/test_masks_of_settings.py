"""Labels that are added to a folder of masks come back by its own settings."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.data.adding.add import add
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.mask_folder.reader import mask_folder

BITS = np.array([[0, 1, 1], [2, 4, 0]], np.uint8)  # two classes and ignored pixels
BOTH = np.array([[0, 3, 1], [2, 4, 0]], np.uint8)

SETTINGS = {
    "numbers": {"classes": ("a", "b"), "ignore": 255, "suffix": "_mask"},
    "sets": {"classes": ("a", "b"), "ignore": 255, "overlaps": True},
    "values": {"values": {"a": [7, 8], "b": 300}, "ignore": 9},
    "colours": {"values": {"a": (255, 0, 0), "b": (0, 0, 255)}, "ignore": 255},
    "folders": {"class_folders": True, "classes": ("a", "b"), "ignore": "unsure"},
}
HOLD_BOTH = ("sets", "folders")


def image_of(folder: Path, name: str, seed: int) -> None:
    path = folder / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (2, 3), np.uint8))


def incoming(folder: Path, bits: np.ndarray) -> Dataset:
    """Images old.png, which is in the set, and day/new.png."""
    image_of(folder, "old.png", 1)
    image_of(folder, "day/new.png", 2)
    settings = {"class_folders": True, "classes": ("a", "b"), "ignore": "unsure"}
    for bit, name in enumerate(("a", "b", "unsure")):
        for image in ("old", "day/new"):
            path = folder / "masks" / name / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), bits >> bit & 1)
    return mask_folder(root=str(folder), **settings)


@pytest.fixture(params=SETTINGS)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, dict[str, object]]:
    """Kind of masks, a set of one clean image with a mask in BMP, its settings."""
    settings = {"root": str(tmp_path / "set"), "images": "images", "masks": "masks"}
    settings |= SETTINGS[request.param]
    image_of(tmp_path / "set", "old.png", 1)
    inner = "a" if request.param == "folders" else ""
    mask = tmp_path / "set" / "masks" / inner / f"old{settings.get('suffix', '')}.bmp"
    mask.parent.mkdir(parents=True)
    if request.param == "values":  # BMP holds no number of 16 bits
        mask = mask.with_suffix(".tif")
    cv2.imwrite(str(mask), np.zeros((2, 3), np.uint8))
    for name in ("b", "unsure") if inner else ():
        (tmp_path / "set" / "masks" / name).mkdir()
    return request.param, tmp_path / "set", settings


def put(dataset: Dataset, settings: dict[str, object]) -> Dataset:
    options = {"renamed": {}, "replace": True, "prefix": "", "dry_run": False}
    outcome = add(dataset, "mask_folder", settings, **options)
    assert (outcome.added, outcome.replaced) == (["day/new.png"], ["old.png"])
    return mask_folder(**settings)


def test_masks_come_back(case, tmp_path: Path):
    kind, root, settings = case
    dataset = put(incoming(tmp_path / "from", BITS), settings)
    assert dataset.names == ("day/new.png", "old.png")
    for row in (0, 1):
        assert dataset.mask(row).tolist() == BITS.tolist()
    old = [path.suffix for path in (root / "masks").rglob("old*")]
    assert sorted(set(old)) == (sorted({".bmp", ".png"}) if kind == "folders" else old)


def test_pixels_of_several_classes(case, tmp_path: Path):
    kind, _, settings = case
    if kind in HOLD_BOTH:
        assert put(incoming(tmp_path / "from", BOTH), settings).mask(0).tolist() == BOTH.tolist()
        return
    with pytest.raises(DataError, match="pixels of several classes"):
        put(incoming(tmp_path / "from", BOTH), settings)


def test_a_class_that_is_gone_is_removed_from_its_folder(tmp_path: Path):
    settings = {"root": str(tmp_path / "set"), "images": "images", "masks": "masks"}
    settings |= SETTINGS["folders"]
    image_of(tmp_path / "set", "old.png", 1)
    for name in ("a", "b", "unsure"):
        (tmp_path / "set" / "masks" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "set" / "masks" / name / "old.png"), np.ones((2, 3), np.uint8))
    rust = np.array([[0, 2, 0], [0, 0, 0]], np.uint8)
    assert put(incoming(tmp_path / "from", rust), settings).mask(1).tolist() == rust.tolist()
    assert not (tmp_path / "set" / "masks" / "a" / "day").exists()


def test_a_clean_image_gets_a_mask(case, tmp_path: Path):
    _, _, settings = case
    dataset = incoming(tmp_path / "from", np.zeros((2, 3), np.uint8))
    options = {"renamed": {}, "replace": True, "prefix": "", "dry_run": False}
    assert add(dataset, "mask_folder", settings, **options).added == ["day/new.png"]
    assert mask_folder(**settings).pixels.tolist() == [[0, 0], [0, 0]]
