"""COCO: one JSON file with images, categories and annotations.

    root/images/            images, in folders as `file_name` says
    root/annotations.json   polygons, or run-length codes (RLE), of each annotation

Several polygons of an annotation are one area. A polygon cannot have a hole, an RLE can.
https://cocodataset.org/#format-data
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import FailFast, PositiveInt

from steelexp.data.dataset import Dataset
from steelexp.data.forms.class_names import ClassBits, ClassNames, class_bits, unknown_class
from steelexp.data.forms.coco_files import (
    annotation_file,
    coco_files,
    folder_of_images,
    image_name,
)
from steelexp.data.forms.coco_segmentation import drawing, segmentations
from steelexp.data.forms.json_files import ClassName, FormModel, Identity, ImageName, read_json
from steelexp.data.forms.reading import (
    Area,
    AreaImage,
    Reading,
    images_folder,
    load,
    missing_image,
)
from steelexp.data.forms.shapes import ShapeError
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    WriterReport,
    area_names,
    class_masks,
    copy,
    new_folder,
    place_images,
    sized_images,
    written_settings,
)
from steelexp.data.image_files import list_images
from steelexp.data.issue import Issue
from steelexp.data.survey import listing_issues
from steelexp.limits import Seed

ANNOTATIONS = "annotations.json"


class _Image(FormModel):
    id: Identity
    file_name: ImageName
    height: int | None = None
    width: int | None = None


class _Category(FormModel):
    id: Identity
    name: ClassName


class _Annotation(FormModel):
    id: Identity = "without id"
    image_id: Identity
    category_id: Identity
    segmentation: Any = None


class _File(FormModel):
    images: Annotated[list[_Image], FailFast()]
    categories: Annotated[list[_Category], FailFast()]
    annotations: Annotated[list[_Annotation], FailFast()]


def coco(
    *,
    root: str,
    annotations: str | None = None,
    images: str | None = None,
    classes: ClassNames | None = None,
    ignore: str | None = None,
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Images and a COCO file of polygons or run-length codes.

    Images of the file without annotations are clean. Files that it does not list are no part of the
    data set. Crowd regions (`iscrowd`) are areas like any other.

    Args:
        root: Root folder of the data set.
        annotations: JSON file below the root; by default the only COCO file there or in
            annotations/.
        images: Folder below the root that `file_name` starts from; by default the one that holds
            most of them: images/, the root, or a folder in one of these.
        classes: Names of the categories in the order of the classes; by default all of the file.
        ignore: Name of the category whose areas are left out of loss and metrics.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A file is missing, or entries of the JSON file are wrong; all are listed.
    """
    reading = read_coco(
        root, annotations=annotations, images=images, classes=classes, ignore=ignore
    )
    return load(reading, subset=subset, subset_seed=subset_seed)


def is_coco(root: Path) -> bool:
    """Whether a folder has a COCO file."""
    return bool(coco_files(root))


def read_coco(
    root: str,
    *,
    annotations: str | None = None,
    images: str | None = None,
    classes: tuple[str, ...] | None = None,
    ignore: str | None = None,
) -> Reading:
    """Read a COCO file; see `coco` for the settings.

    Raises:
        DataError: A folder or the file is missing, or the class names do not fit.
    """
    folder = images_folder(root, images)
    file = annotation_file(Path(root), annotations)
    content, issues = read_json(file, _File)
    if content is None:
        return Reading("coco", file, classes or (), False, [], issues)
    if images is None:
        stated = [image_name(entry.file_name) for entry in content.images]
        folder = folder_of_images(stated, Path(root))
    names = {category.id: category.name for category in content.categories}
    class_table = class_bits(list(dict.fromkeys(names.values())), classes, ignore, file)
    by_id, image_issues = _image_entries(content.images, file, folder)
    area_issues = _add_areas(content.annotations, names, class_table, by_id, file)
    on_disk = (each for each in by_id.values() if os.path.lexists(each.path))
    present = sorted(on_disk, key=lambda image: image.name)
    return Reading(
        "coco",
        file,
        class_table.classes,
        class_table.has_ignore,
        present,
        image_issues + area_issues,
    )


def write_coco(
    dataset: Dataset, folder: Path, *, polygons: bool = False, place: PlaceImage = copy
) -> WriterReport:
    """Write images and a COCO file with one annotation for each connected component.

    Args:
        dataset: Data set.
        folder: New folder.
        polygons: Polygons instead of run-length codes. Both keep every pixel when read here.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what COCO cannot say of this data set.
    """
    annotations: list[dict[str, Any]] = []
    entries = []
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name, (height, width) in sized_images(dataset):
            entries.append({"id": row + 1, "file_name": name, "height": height, "width": width})
            for bit, mask in class_masks(dataset, row):
                for segmentation, box, area in segmentations(mask, polygons):
                    entry = {
                        "id": len(annotations) + 1,
                        "image_id": row + 1,
                        "category_id": bit + 1,
                        "segmentation": segmentation,
                        "area": area,
                        "bbox": box,
                        "iscrowd": 0,
                    }
                    annotations.append(entry)
        categories = [{"id": bit + 1, "name": name} for bit, name in enumerate(area_names(dataset))]
        content = {"images": entries, "annotations": annotations, "categories": categories}
        (partial / ANNOTATIONS).write_text(json.dumps(content) + "\n", encoding="utf-8")
    return WriterReport(written_settings("coco", dataset), [])


def _image_entries(
    entries: list[_Image], file: Path, folder: Path
) -> tuple[dict[int | str, AreaImage], list[Issue]]:
    """Images of a COCO file by id; files that are missing, and entries that occur twice."""
    listing = list_images(folder, recursive=True)
    files = listing.paths
    by_id: dict[int | str, AreaImage] = {}
    names: set[str] = set()
    issues = listing_issues(listing)
    for position, entry in enumerate(entries):
        name = image_name(entry.file_name)
        key = f"images[{position}] (id {entry.id})"
        if entry.id in by_id or name in names:
            text = f"{key}: {name}: its id or its file occurs twice"
            issues.append(Issue("duplicate entry", file, None, text))
            continue
        if name not in files:
            issues.append(missing_image(file, None, key, name, (folder, files)))
        size = (entry.height, entry.width) if entry.height and entry.width else None
        by_id[entry.id] = AreaImage(name, folder / name, file, size=size)
        names.add(name)
    return by_id, issues


def _add_areas(
    annotations: list[_Annotation],
    names: dict[int | str, str],
    class_table: ClassBits,
    by_id: dict[int | str, AreaImage],
    file: Path,
) -> list[Issue]:
    """Add every annotation to its image; return the issues of those that do not fit."""
    issues = []
    for position, annotation in enumerate(annotations):
        key = f"annotations[{position}] (id {annotation.id})"
        name = names.get(annotation.category_id)
        image = by_id.get(annotation.image_id)
        if name is None or name not in class_table.bits:
            stated = f"category_id {annotation.category_id}" if name is None else name
            issues.append(unknown_class(file, None, key, stated, class_table))
        elif image is None:
            text = f"{key}: image_id {annotation.image_id} is of no image of the file"
            issues.append(Issue("missing image", file, None, text))
        else:
            try:
                draw = drawing(annotation.segmentation)
            except ShapeError as error:
                text = f"{image.name}: {key}: {error}"
                issues.append(Issue("invalid shape", file, None, text))
                continue
            image.areas.append(Area(class_table.bits[name], key, None, draw))
    return issues
