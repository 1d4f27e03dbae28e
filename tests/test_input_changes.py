"""Each change of a run's inputs is named, and nothing else."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from steelexp.data import rle
from steelexp.data.image_table import image_table
from steelexp.data.splits.split import split_csv
from steelexp.input_changes import input_changes, setting_changes
from steelexp.plan import Plan, SpecModel, prepare
from steelexp.privacy import public_values
from steelexp.records.record import Record
from steelexp.records.store import RunFolder
from steelexp.spec import load
from steelexp.spec.effects import effective_settings
from tests.finished_runs import record

UNPACKED = [cv2.IMWRITE_PNG_COMPRESSION, 0]
"""PNG files whose size does not depend on their pixels."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Ten images of 64 x 128 in Kaggle's layout, written an hour ago."""
    root = tmp_path / "severstal"
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    draw = np.random.default_rng(0)
    for number in range(10):
        image = draw.integers(70, 130, (64, 128), np.uint8)
        mask = np.zeros((64, 128), bool)
        mask[16:48, 8 * number + 8 : 8 * number + 40] = True
        rows.append(f"{number}.png,{number % 2 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(image_of(root, number)), image, UNPACKED)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def spec(tmp_path: Path, data: Path) -> Path:
    """A spec of these images, with a split and weights from files."""
    parts = ["image,part", *(f"{n}.png,{'train' if n < 6 else 'val'}" for n in range(10))]
    (tmp_path / "split.csv").write_text("\n".join(parts) + "\n")
    (tmp_path / "encoder.h5").write_bytes(b"one")
    path = tmp_path / "spec.yaml"
    path.write_text(f"""
        name: tiny
        question: What changed?
        data: {{source: severstal, root: {data}}}
        split: {{kind: file, path: {tmp_path / "split.csv"}}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: {tmp_path / "encoder.h5"}}}
        loss: {{name: focal, gamma: 2.0}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 3, batch_size: 3}}
        tracking: {{name: none}}
        seed: 1
    """)
    return path


def image_of(root: Path, number: int) -> Path:
    return root / "train_images" / f"{number}.png"


def planned(spec: Path, *overrides: str) -> Plan:
    return prepare(load(spec, overrides, model=SpecModel), spec.parent / "runs")


def finished(plan: Plan) -> tuple[RunFolder, Record]:
    """The folder and record of a run of a plan, as far as its inputs go."""
    plan.folder.write("images.csv", image_table(plan.dataset))
    plan.folder.write("split.csv", split_csv(plan.dataset, plan.split))
    own = record(
        digest=plan.digest,
        seed=plan.spec.seed,
        class_weights=dict.fromkeys(plan.dataset.classes, 1.0),
        data=plan.dataset.manifest,
        white=plan.dataset.white,
        split=plan.split_summary,
        provenance={
            "settings": public_values(effective_settings(plan.spec)),
            "initial_weights": plan.initial_weights,
        },
    )
    return plan.folder, Record.model_validate(json.loads(own.model_dump_json()))


def change_a_pixel(root: Path) -> None:
    """Another value of one pixel, in a file of the same size and time."""
    path = image_of(root, 3)
    before = path.stat()
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    image[5, 7] ^= 1
    cv2.imwrite(str(path), image, UNPACKED)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def change_a_label(root: Path) -> None:
    table = root / "train.csv"
    table.write_text(table.read_text().replace("4.png,1,", "4.png,2,"))


def move_an_image(root: Path) -> None:
    table = root.parent / "split.csv"
    table.write_text(table.read_text().replace("5.png,train", "5.png,val"))


def remove_an_image(root: Path) -> None:
    image_of(root, 9).unlink()
    for table in (root / "train.csv", root.parent / "split.csv"):
        lines = [line for line in table.read_text().splitlines() if not line.startswith("9.png")]
        table.write_text("\n".join(lines) + "\n")


def change_the_weights(root: Path) -> None:
    (root.parent / "encoder.h5").write_bytes(b"two")


def change_nothing(root: Path) -> None:
    """Only times change, and the place of the weights."""
    os.utime(image_of(root, 0))
    (root.parent / "split.csv").touch()


@pytest.mark.parametrize(
    ("change", "overrides", "words"),
    [
        (change_nothing, [], []),
        (change_a_pixel, [], ["data: 1 image changed: 3.png"]),
        (change_a_label, [], ["data: labels of 1 image changed: 4.png"]),
        (remove_an_image, [], ["data: 1 image removed: 9.png"]),
        (move_an_image, [], ["split: 1 image moved: 5.png train -> val"]),
        (change_the_weights, [], ["weights file {}/encoder.h5: other content"]),
        (change_nothing, ["loss.gamma=3.0"], ["setting loss.gamma 2.0 -> 3.0"]),
        (change_nothing, ["seed=2"], ["seed 1 -> 2"]),
        (change_nothing, ["question=Why?", "training.overlays=0", "name=other"], []),
        (change_nothing, ["training.batch_size=4"], ["setting training.batch_size 3 -> 4"]),
        (
            change_a_pixel,
            ["loss.gamma=3.0"],
            ["setting loss.gamma 2.0 -> 3.0", "data: 1 image changed: 3.png"],
        ),
    ],
)
def test_exactly_what_changed_is_named(
    data: Path,
    spec: Path,
    change: Callable[[Path], None],
    overrides: list[str],
    words: list[str],
) -> None:
    folder, own = finished(planned(spec))
    change(data)
    plan = planned(spec, *overrides)
    assert (plan.digest == own.digest) is (not words)
    found = input_changes(folder, own, plan)
    assert found == [each.format(data.parent) for each in words]


def test_a_record_without_settings_names_none(spec: Path) -> None:
    _, own = finished(planned(spec))
    older = own.model_copy(update={"provenance": {}})
    assert setting_changes(older, planned(spec, "loss.gamma=3.0").spec) == []


def test_a_table_that_is_gone_is_said(data: Path, spec: Path) -> None:
    folder, own = finished(planned(spec))
    (folder.path / "images.csv").unlink()
    change_a_pixel(data)
    (line,) = input_changes(folder, own, planned(spec))
    assert line.endswith("it keeps no images.csv, which would tell what changed")
