"""New images and annotations in a COCO file, and new images beside it."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.moves import Staging
from steelexp.data.forms.coco_files import annotation_file, image_name
from steelexp.data.forms.coco_segmentation import segmentations
from steelexp.data.forms.writing import class_masks, sized_images

Entry = dict[str, Any]


def stage_coco(addition: Addition, settings: Mapping[str, Any], staging: Staging) -> None:
    """Stage the COCO file, then the images. Entries of other images stay as they are.

    Args:
        addition: Images and labels.
        settings: Data section of the data set.
        staging: Files to move to their places.
    """
    file = annotation_file(addition.root, settings["annotations"])
    content = json.loads(file.read_bytes())
    changed = {addition.existing.names[other] for other in addition.changed.values()}
    ids = {image_name(entry["file_name"]): entry["id"] for entry in content["images"]}
    dropped = {ids[name] for name in changed}
    content["annotations"] = [
        entry for entry in content["annotations"] if entry["image_id"] not in dropped
    ]
    number = _next_id(content["images"])
    for _, name, (height, width) in sized_images(addition.dataset):
        if name not in ids:
            ids[name] = number
            entry = {"id": number, "file_name": name, "height": height, "width": width}
            content["images"].append(entry)
            number += 1
    names = (*addition.existing.classes, settings["ignore"])
    content["annotations"] += _annotations(addition, content, ids, names)
    target = file.relative_to(addition.root).as_posix()
    staging.add(target, keep=bool(dropped)).write_text(json.dumps(content) + "\n", "utf-8")
    for target, path in addition.images():
        shutil.copy2(path, staging.add(target))


def _annotations(
    addition: Addition,
    content: Mapping[str, list[Entry]],
    ids: Mapping[str, Any],
    names: Sequence[str],
) -> Iterator[Entry]:
    """Polygons of each connected component of each image whose labels are written.

    Args:
        addition: Images and labels.
        content: COCO file.
        ids: Id of each image by name.
        names: Category of each bit.
    """
    categories = {entry["name"]: entry["id"] for entry in content["categories"]}
    dataset = addition.dataset
    number = _next_id(content["annotations"])
    for row, name, _ in sized_images(dataset):
        for bit, mask in class_masks(dataset, row):
            for segmentation, box, area in segmentations(mask, polygons=True):
                yield {
                    "id": number,
                    "image_id": ids[name],
                    "category_id": categories[names[bit]],
                    "segmentation": segmentation,
                    "area": area,
                    "bbox": box,
                    "iscrowd": 0,
                }
                number += 1


def _next_id(entries: list[Entry]) -> int:
    """A number above all of the ids that are numbers."""
    return 1 + max((entry["id"] for entry in entries if isinstance(entry["id"], int)), default=0)
