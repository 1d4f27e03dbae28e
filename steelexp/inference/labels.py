"""Predicted masks as data sets in the forms of annotation tools, for people to correct.

OUT/labels/FORM/      copies of the images, and labels
OUT/labels.json       the prediction that each was written from
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data import rle
from steelexp.data.bits import Bits, word_of
from steelexp.data.dataset import Dataset
from steelexp.data.forms.labelme import write_labelme
from steelexp.data.forms.writers import WRITERS
from steelexp.inference.image_files import ImageFile
from steelexp.inference.journal import PredictionJournal
from steelexp.progress import say
from steelexp.records.atomic import write_atomically

FORMS = ("labelme", "coco", "mask_folder")
"""Forms that keep the names of the images; `data convert` writes others."""

FOLDER = "labels"
STATE = "labels.json"


def predicted_dataset(
    journal: PredictionJournal, images: Sequence[ImageFile], classes: Sequence[str]
) -> Dataset:
    """The images of a prediction with the predicted masks as labels.

    Args:
        journal: Journal of the prediction.
        images: Images of the prediction; those that could not be predicted are left out.
        classes: [C] class names.
    """
    names = []
    paths = []
    sizes = []
    pixels = []
    image_hashes = []
    label_hashes = []
    for entry in journal.entries(images):
        if entry.size is None:
            continue
        names.append(entry.image)
        paths.append(Path(entry.path))
        sizes.append(entry.size)
        areas = dict.fromkeys(classes, 0)
        for defect in entry.defects:
            areas[defect.label] += defect.area
        pixels.append(list(areas.values()))
        image_hashes.append(entry.content or "")
        label_hashes.append(hash_bytes(json.dumps([entry.size, entry.runs]).encode()))

    def read_mask(row: int) -> Bits:
        runs = journal.entry(names[row]).runs
        bits = np.zeros(sizes[row], word_of(len(classes)))
        for c, label in enumerate(classes):
            if label in runs:
                bits[rle.decode(runs[label], sizes[row])] |= 1 << c
        return bits

    return Dataset(
        names=tuple(names),
        paths=tuple(paths),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        classes=tuple(classes),
        pixels=np.array(pixels, np.int64).reshape(-1, len(classes)),
        read_mask=read_mask,
        image_hashes=tuple(image_hashes),
        label_hashes=tuple(label_hashes),
    )


def write_labels(dataset: Dataset, forms: Sequence[str], out: Path) -> None:
    """Write a prediction in each form, unless it is there already; it may be corrected by now.

    Labels of an earlier state of the prediction are kept aside.

    Args:
        dataset: Prediction from `predicted_dataset`.
        forms: Names of the forms.
        out: Folder of the prediction.
    """
    state = dict(_read_state(out / STATE))
    for form in forms:
        folder = out / FOLDER / form
        if folder.is_dir() and state.get(form) == dataset.manifest:
            say(f"{folder}: left as it is, which may be corrected; remove it to have it anew")
            continue
        if folder.is_dir():
            aside = _set_aside(folder)
            say(f"{folder}: the predictions have changed; the earlier labels are kept as {aside}")
        # Before the labels: after a kill in between they are missing, and written anew.
        state[form] = dataset.manifest
        write_atomically(out / STATE, (json.dumps(state, indent=2) + "\n").encode())
        folder.parent.mkdir(parents=True, exist_ok=True)
        for loss in _write(form, dataset, folder):
            say(f"{folder}: not the same: {loss}")


def _write(form: str, dataset: Dataset, folder: Path) -> list[str]:
    """Write one form; return what it cannot say of the prediction."""
    if form == "labelme":  # people move the points of polygons; other forms keep the masks
        return write_labelme(dataset, folder, polygons=True).losses
    return WRITERS[form](dataset, folder).losses


def _read_state(file: Path) -> Mapping[str, str]:
    """Form -> manifest of the prediction that it was written from."""
    try:
        return dict(json.loads(file.read_text("utf-8")))
    except (OSError, ValueError, TypeError):  # then the labels are kept aside and written anew
        return {}


def _set_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.old-{number}")).exists():
        number += 1
    return folder.rename(aside)
