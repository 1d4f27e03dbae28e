"""An audit end to end, with networks that see one pixel at a time."""

import csv
import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from steelexp.audit.audit import Audit, find
from steelexp.audit.files import PAGE, TABLE, check_replaceable, write_audit
from steelexp.audit.out_of_fold import out_of_fold
from steelexp.audit.unseen import unseen_images
from steelexp.data.splits.split import Split
from steelexp.errors import UserError
from steelexp.inference.scoring import NetworkScores
from steelexp.records.audit import FILE, read_audit
from steelexp.spreadsheet import original
from tests.fakes import dataset_of
from tests.file_schemas import check_values

CLASSES = ("bright", "dark")
COUNT = 8


def scorer(weight=1.0):
    """Bright pixels are of class 0, dark ones of class 1, with the score 0.9."""

    def score(grey):
        grey = grey[..., 0].astype(np.float32)
        scores = np.stack([np.where(grey > 200, 0.9, 0.05), np.where(grey < 50, 0.9, 0.05)], -1)
        return NetworkScores((weight * scores).astype(np.float32))

    return score


def images_and_masks():
    """Images with a bright and a dark square, and their right masks."""
    images = np.full((COUNT, 64, 64), 128, np.uint8)
    images[:, 8:24, 8:24] = 255
    images[:, 36:56, 36:56] = 0
    masks = (images == 255) * np.uint8(1) + (images == 0) * np.uint8(2)
    return images, masks.astype(np.uint8)


def missed(mask):
    mask[mask == 1] = 0


def invented(mask):
    mask[8:24, 40:56] = 1


def swapped(mask):
    mask[mask == 1] = 2


def ragged(mask):
    mask[8:24, 8:16] = 0  # half of the bright square


PLANTED = {
    "missed": (missed, "bright"),
    "invented": (invented, "bright"),
    "swapped": (swapped, "dark"),
    "ragged": (ragged, "bright"),
}


def audit_of(folder, masks, *, names=None, classes=CLASSES):
    """The audit of images by two folds: 0 to 2 by one, 3 to 5 by the other, 6 and 7 by none."""
    folder.mkdir(exist_ok=True)
    images, _ = images_and_masks()
    dataset = dataset_of(folder, images, masks, classes)
    if names is not None:
        object.__setattr__(dataset, "names", names)
    rows = np.arange(COUNT)
    splits = [
        Split(rows[3:], rows[:2], rows[2:3]),
        Split(np.array([0, 1, 2, 6, 7]), rows[3:3], rows[3:6]),
    ]
    plans = [
        SimpleNamespace(
            split=split,
            dataset=dataset,
            groups=rows,
            seen={},
            digest=f"digest{number}",
            folder=SimpleNamespace(
                path=folder / f"run{number}",
                best_weights=folder / "best.h5",
                finished_record=lambda: SimpleNamespace(weights="sha"),
            ),
        )
        for number, split in enumerate(splits)
    ]
    audit = Audit(plans, [scorer(), scorer()], unseen_images(plans), [])
    return audit._replace(findings=find(audit, min_area=16))


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_error_is_ranked_first(tmp_path, kind):
    _, masks = images_and_masks()
    plant, label = PLANTED[kind]
    plant(masks[4])
    audit = audit_of(tmp_path, masks)
    first, second = audit.findings[:2]
    assert (first.suspect.row, first.suspect.kind) == (4, kind)
    assert CLASSES[first.suspect.label] == label
    assert first.suspicion > second.suspicion
    assert first.runs == [1]
    assert {finding.suspect.row for finding in audit.findings} == set(range(6))


def test_files_tell_what_was_audited_and_what_was_not(tmp_path):
    _, masks = images_and_masks()
    missed(masks[1])
    out = tmp_path / "audit"
    contents = write_audit(out, audit_of(tmp_path / "set", masks), min_area=16, shown=3)
    check_values("audit", json.loads((out / FILE).read_text()))
    assert read_audit(out) == contents
    counts = (contents.images, contents.audited, contents.not_audited, contents.picked_epoch)
    assert counts == (8, 6, 2, 2)
    assert [run.images for run in contents.runs] == [3, 3]
    assert contents.kinds["missed"] == 1
    first = contents.shown[0]
    assert (first.image, first.kind, first.label) == ("1.png", "missed", "bright")
    assert (first.top, first.left, first.bottom, first.right) == (8, 8, 24, 24)
    assert first.picked_epoch
    assert first.runs == [1]
    with (out / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == contents.components == 12
    assert (rows[0]["image"], rows[0]["kind"], rows[0]["runs"]) == ("1.png", "missed", "1")
    pictures = sorted((out / "pictures").iterdir())
    assert [file.name for file in pictures] == ["0001.jpg", "0002.jpg", "0003.jpg"]
    assert cv2.imread(str(pictures[0])).shape == (256, 3 * 256 + 2 * 6, 3)
    text = (out / PAGE).read_text()
    assert "2 images are not audited" in text
    assert "2 images picked the epoch" in text


def test_hostile_names_stay_text(tmp_path):
    _, masks = images_and_masks()
    missed(masks[1])
    name = "=1+1<script>alert(1)</script>,\"'.png"
    names = ("a", name, *map(str, range(2, COUNT)))
    audit = audit_of(tmp_path / "set", masks, names=names, classes=("<b>", "&c"))
    out = tmp_path / "audit"
    write_audit(out, audit, min_area=16, shown=2)
    with (out / TABLE).open(newline="") as file:
        first = next(csv.DictReader(file))
    assert first["image"] == f"'{name}"
    assert original(first["image"]) == name
    text = (out / PAGE).read_text()
    assert "<script>alert" not in text
    assert "<b>" not in text


def test_an_earlier_audit_is_replaced_and_no_other_folder(tmp_path):
    _, masks = images_and_masks()
    audit = audit_of(tmp_path / "set", masks)
    out = tmp_path / "audit"
    write_audit(out, audit, min_area=16, shown=2)
    write_audit(out, audit, min_area=16, shown=1)
    assert len(list((out / "pictures").iterdir())) == 1
    with pytest.raises(UserError, match="holds files that no audit wrote; choose another folder"):
        check_replaceable(tmp_path / "set")
    with pytest.raises(UserError, match="not a folder"):
        check_replaceable(out / TABLE)


def test_scores_of_several_runs_are_averaged(tmp_path):
    _, masks = images_and_masks()
    audit = audit_of(tmp_path, masks)
    unseen = audit.unseen._replace(by=np.ones_like(audit.unseen.by))
    scored = out_of_fold([scorer(1.0), scorer(0.5)], audit.dataset, unseen, rows=np.array([3]))
    ((image, runs),) = scored
    assert (image.row, runs) == (3, [0, 1])
    assert image.scores[10, 10].tolist() == pytest.approx([0.9 * 0.75, 0.05 * 0.75])
