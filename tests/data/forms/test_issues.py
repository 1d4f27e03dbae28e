"""Each kind of issue of the label forms, found by the doctor in a damaged set."""

import json
from pathlib import Path

import numpy as np
import pytest

from steelexp.data.doctor import diagnosis
from steelexp.data.forms.writers import WRITERS
from tests.data.forms.random_sets import make_dataset


def change(file, edit):
    """Change the content of a JSON file in place."""

    def damage(folder):
        content = json.loads((folder / file).read_text())
        edit(content)
        (folder / file).write_text(json.dumps(content))

    return damage


def repeat_image(content):
    content["images"].append(content["images"][0])


def enlarge(content):
    content["imageHeight"] += 1


def move_out(content):
    content["shapes"][0]["points"] = [[90, 90], [95, 95]]


OF_FORMS = {
    "unreadable labels": ("labelme", lambda folder: (folder / "images/0.json").write_text("{")),
    "missing labels": ("labelme", lambda folder: (folder / "images/0.json").unlink()),
    "label size": ("labelme", change("images/0.json", enlarge)),
    "invalid shape": ("labelme", change("images/0.json", move_out)),
    "shared labels": (
        "labelme",
        lambda folder: (folder / "images/0.bmp").write_bytes(
            (folder / "images/0.png").read_bytes()
        ),
    ),
    "cut cell": (
        "csv",
        lambda folder: (folder / "train.csv").write_text(f"image,class,rle\n0,a,{'1' * 32767}\n"),
    ),
    "duplicate entry": ("coco", change("annotations.json", repeat_image)),
}
"""Form and damage, by the kind of issue."""


@pytest.mark.parametrize("kind", OF_FORMS)
def test_the_doctor_names_it(tmp_path, kind):
    form, damage = OF_FORMS[kind]
    masks = [np.eye(9, dtype=np.uint8), np.zeros((9, 9), np.uint8)]
    source = make_dataset(tmp_path / "source", masks, classes=("a",))
    WRITERS[form](source, tmp_path / "set")
    assert diagnosis.diagnose(tmp_path / "set").issues == []
    damage(tmp_path / "set")
    issues = [issue for issue in diagnosis.diagnose(tmp_path / "set").issues if issue.kind == kind]
    assert len(issues) == 1
    assert issues[0].fix
    assert Path(issues[0].file).is_relative_to(tmp_path)
