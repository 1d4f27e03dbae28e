"""New images and masks for a folder of masks of class numbers."""

import shutil
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import cv2

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.moves import Staging
from steelexp.data.class_sets import has_overlaps, to_values
from steelexp.data.dataset import raise_if


def stage_mask_folder(addition: Addition, settings: Mapping[str, Any], staging: Staging) -> None:
    """Stage the masks, then the images.

    Args:
        addition: Images and labels.
        settings: Data section of the data set.
        staging: Files to move to their places.

    Raises:
        DataError: Two images would share a mask, or a pixel has several classes; all are listed.
    """
    raise_if(addition.shared_stems("mask"))
    classes = len(addition.existing.classes)
    problems = []
    for name, bits in addition.labels():
        if has_overlaps(bits) and not settings["overlaps"]:
            problems.append(
                f"{name}: pixels of several classes; give a spec with data.overlaps=true as --to, "
                "or correct its labels"
            )
            continue
        mask = str(PurePosixPath(settings["masks"], name).with_suffix(".png"))
        values = to_values(bits, classes)
        staging.add(mask).write_bytes(bytes(cv2.imencode(".png", values)[1]))
    raise_if(problems)
    for target, path in addition.images():
        shutil.copy2(path, staging.add(target))
