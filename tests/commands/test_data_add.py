from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.__main__ import main
from tests.commands.test_data_doctor import spec_of


def mask_set(root: Path, **values: int) -> Path:
    """A folder of images and masks: stem -> class number of a square."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for stem, value in values.items():
        mask = np.zeros((20, 30), np.uint8)
        mask[5:10, 5:10] = value
        image = np.random.default_rng(sum(map(ord, stem))).integers(0, 255, (20, 30), np.uint8)
        assert cv2.imwrite(str(root / "images" / f"{stem}.png"), image)
        assert cv2.imwrite(str(root / "masks" / f"{stem}.png"), mask)
    return root


def test_corrected_labels_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = mask_set(tmp_path / "line1", a=1, b=2)
    corrected = mask_set(tmp_path / "corrected", b=1, c=2)
    command = ["data", "add", str(corrected), "--to", str(root)]
    assert main(command) == 2
    assert "in a command --classes A,B or" in capsys.readouterr().err
    command += ["--classes", "scratch,pit"]
    assert main([*command, "--dry-run"]) == 1
    assert "1 images would be added (c.png)" in capsys.readouterr().out
    assert not (root / "images" / "c.png").exists()
    assert main(command) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        f"{root}: 1 images added (c.png), labels of 0 replaced, 0 there already with the same "
        "labels; 3 images now"
    )
    assert out[1] == (
        "1 are there with other labels, which were left as they are (b.png); take the new labels "
        "with --replace"
    )
    assert cv2.imread(str(root / "masks" / "b.png"), cv2.IMREAD_UNCHANGED).max() == 2
    assert main([*command, "--replace"]) == 0
    assert "labels of 1 replaced (b.png), 1 there already" in capsys.readouterr().out
    assert cv2.imread(str(root / "masks" / "b.png"), cv2.IMREAD_UNCHANGED).max() == 1
    kept = tmp_path / "line1.replaced-1" / "masks" / "b.png"
    assert cv2.imread(str(kept), cv2.IMREAD_UNCHANGED).max() == 2


def test_an_image_that_is_there_under_another_name_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = mask_set(tmp_path / "line1", a=1)
    corrected = mask_set(tmp_path / "corrected", a=1)
    for name in ("images", "masks"):
        (corrected / name / "a.png").rename(corrected / name / "again.png")
    assert main(["data", "add", str(corrected), "--to", str(root), "--classes", "x"]) == 0
    assert "1 are there under another name (again.png is a.png)" in capsys.readouterr().out


def test_the_source_of_the_labels_can_be_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Masks in other folders and values, into a data set of class numbers."""
    root = mask_set(tmp_path / "line1", a=1, b=2)
    corrected = mask_set(tmp_path / "corrected", c=9)
    (corrected / "images").rename(corrected / "JPEGImages")
    command = ["data", "add", str(corrected), "--to", str(root), "--classes", "scratch,pit"]
    command += ["--source", "mask_folder", "images=JPEGImages", "values={pit: 9}"]
    assert main(command) == 0
    assert "1 images added (c.png)" in capsys.readouterr().out
    assert cv2.imread(str(root / "masks" / "c.png"), cv2.IMREAD_UNCHANGED).max() == 2
    spec = tmp_path / "new.yaml"
    assert main(["data", "add", str(spec), *command[3:]]) == 2
    assert f"--source: without effect beside {spec}; leave it out" in capsys.readouterr().err


def test_class_names_without_effect_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for name in ("a", "b"):
        (tmp_path / name / "train_images").mkdir(parents=True)
        (tmp_path / name / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n")
        folders.append(str(tmp_path / name))
    assert main(["data", "add", folders[0], "--to", folders[1], "--classes", "1"]) == 2
    assert "name their classes themselves" in capsys.readouterr().err


def test_masks_of_class_numbers_come_into_a_set_of_colours(tmp_path: Path) -> None:
    root = mask_set(tmp_path / "line1")
    (root / "images" / "day").mkdir()
    (root / "masks" / "day").mkdir()
    assert cv2.imwrite(str(root / "images" / "day" / "0.png"), np.full((20, 30), 9, np.uint8))
    red = np.full((20, 30, 3), (0, 0, 255), np.uint8)  # BGR
    assert cv2.imwrite(str(root / "masks" / "day" / "0_gt.png"), red)
    settings = {"scratch": [255, 0, 0], "pit": [0, 255, 0]}
    data = {"source": "mask_folder", "root": str(root), "suffix": "_gt", "values": settings}
    spec = spec_of(tmp_path, data)
    corrected = mask_set(tmp_path / "corrected", a=1, b=2)
    for mask in (corrected / "masks").iterdir():
        mask.rename(mask.with_stem(f"{mask.stem}_gt"))
    command = ["data", "add", str(corrected), "--to", str(spec)]
    assert main(command) == 2
    assert main([*command, "--classes", "scratch,pit"]) == 0
    for name, colour in (("a", (0, 0, 255)), ("b", (0, 255, 0))):
        mask = cv2.imread(str(root / "masks" / f"{name}_gt.png"), cv2.IMREAD_UNCHANGED)
        assert tuple(mask[5, 5].tolist()) == colour
        assert not mask[0, 0].any()
