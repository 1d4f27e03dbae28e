"""Supervisely: folders of images and of JSON files, and one file of classes.

    root/meta.json                      classes
    root/DATASET/img/a.jpg              images
    root/DATASET/ann/a.jpg.json         bitmaps and polygons of an image

A set inside a set is in DATASET/datasets/INNER/. Severstal has been published in this form.
https://docs.supervisely.com/data-organization/00_ann_format_navi
"""

import json
from pathlib import Path
from typing import Annotated

from pydantic import FailFast, PositiveInt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.class_names import ClassBits, ClassNames, class_bits, unknown_class
from steelexp.data.forms.json_files import ClassName, FormModel, read_json
from steelexp.data.forms.reading import Area, AreaImage, Reading, images_folder, load
from steelexp.data.forms.shapes import ShapeError, components
from steelexp.data.forms.supervisely_objects import Object, drawing, object_of
from steelexp.data.forms.writing import (
    PlaceImage,
    WriterReport,
    area_names,
    class_masks,
    copy,
    new_folder,
    sized_images,
    written_settings,
)
from steelexp.data.image_files import list_images, similar_name
from steelexp.data.issue import Issue
from steelexp.data.survey import listing_issues
from steelexp.limits import Seed

META = "meta.json"
DATASET = "ds"
"""Name of the dataset that the writer gives to images without a folder."""

COLOURS = ("#E6194B", "#3CB44B", "#4363D8", "#F58231", "#911EB4", "#42D4F4", "#F032E6", "#BFEF45")


class _Class(FormModel):
    title: ClassName


class _Meta(FormModel):
    classes: Annotated[list[_Class], FailFast()]


class _Size(FormModel):
    height: int
    width: int


class _File(FormModel):
    size: _Size
    objects: Annotated[list[Object], FailFast()]


def supervisely(
    *,
    root: str,
    dataset: str | None = None,
    classes: ClassNames | None = None,
    ignore: str | None = None,
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """A project of Supervisely with bitmaps, polygons and rectangles.

    The holes of a polygon are taken out with their outline, as Supervisely draws them.

    Args:
        root: Folder of meta.json.
        dataset: Name of one dataset of the project, whose images then go by their own names; by
            default all, and a name begins with the dataset's.
        classes: Class names in the order of the classes; by default all of meta.json.
        ignore: Name of the class whose areas are left out of loss and metrics.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A file is missing, or objects are wrong; all are listed.
    """
    reading = read_supervisely(root, dataset=dataset, classes=classes, ignore=ignore)
    return load(reading, subset=subset, subset_seed=subset_seed)


def is_supervisely(root: Path) -> bool:
    """Whether a folder has meta.json and a dataset."""
    return (root / META).is_file() and any(_datasets(root))


def read_supervisely(
    root: str,
    *,
    dataset: str | None = None,
    classes: tuple[str, ...] | None = None,
    ignore: str | None = None,
) -> Reading:
    """Read a project of Supervisely; see `supervisely` for the settings.

    Raises:
        DataError: A folder or meta.json is missing, or the class names do not fit.
    """
    top = images_folder(root, ".")
    meta_file = top / META
    if not meta_file.is_file():
        raise DataError(f"data.root: {top} has no {META}; set data.root to the project's folder")
    meta, issues = read_json(meta_file, _Meta)
    if meta is None:
        return Reading("supervisely", top, classes or (), False, [], issues)
    class_table = class_bits([each.title for each in meta.classes], classes, ignore, meta_file)
    folders = _datasets(top)
    if dataset is not None and dataset not in folders:
        present_names = ", ".join(folders) or "none"
        raise DataError(f"data.dataset: {top} has no dataset {dataset!r}; it has {present_names}")
    read = []
    for title, folder in folders.items():
        if dataset in (None, title):
            prefix = "" if dataset == title else f"{title}/"
            images, dataset_issues = _read_dataset(folder, prefix, class_table)
            issues += dataset_issues
            read += images
    if not folders:
        raise DataError(f"{top}: no dataset: no folder has img/ and ann/")
    ordered = sorted(read, key=lambda image: image.name)
    return Reading("supervisely", top, class_table.classes, class_table.has_ignore, ordered, issues)


def write_supervisely(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> WriterReport:
    """Write a project of Supervisely with a bitmap for each connected component.

    Args:
        dataset: Data set. The folder in a name becomes a dataset of the project.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what Supervisely cannot say of this data set.
    """
    names = area_names(dataset)
    with new_folder(folder) as partial:
        for row, name, (height, width) in sized_images(dataset):
            *parents, file_name = name.split("/")
            ds = partial.joinpath("/datasets/".join(parents or [DATASET]))
            for inner in ("img", "ann"):
                (ds / inner).mkdir(parents=True, exist_ok=True)
            place(dataset.paths[row], ds / "img" / file_name)
            objects = [
                object_of(bit, names[bit], part, left, top)
                for bit, mask in class_masks(dataset, row)
                for part, left, top in components(mask)
            ]
            size = {"height": height, "width": width}
            content = {"description": "", "tags": [], "size": size, "objects": objects}
            target = ds / "ann" / f"{file_name}.json"
            target.write_text(json.dumps(content) + "\n", encoding="utf-8")
        entries = [
            {
                "title": name,
                "shape": "bitmap",
                "color": COLOURS[bit % len(COLOURS)],
                "geometry_config": {},
                "id": bit + 1,
                "hotkey": "",
            }
            for bit, name in enumerate(names)
        ]
        meta = {"classes": entries, "tags": [], "projectType": "images"}
        (partial / META).write_text(json.dumps(meta) + "\n", encoding="utf-8")
    settings = written_settings("supervisely", dataset)
    bare = sum("/" not in name for name in dataset.names)
    if bare == len(dataset):
        return WriterReport(settings | {"dataset": DATASET}, [])
    losses = [f"images without a folder, {bare} here, are in the dataset {DATASET}"] if bare else []
    return WriterReport(settings, losses)


def _datasets(root: Path) -> dict[str, Path]:
    """Folders with img/ and ann/ by the name of the dataset, such as train or line 1/train."""
    folders = {}
    for path in sorted(root.rglob("img")):
        if path.is_dir() and path.with_name("ann").is_dir():
            parts = path.parent.relative_to(root).parts
            folders["/".join(part for part in parts if part != "datasets")] = path.parent
    return folders


def _read_dataset(
    folder: Path, prefix: str, class_table: ClassBits
) -> tuple[list[AreaImage], list[Issue]]:
    """Images of one dataset, their names after a prefix, and issues."""
    listing = list_images(folder / "img")
    paths_by_name = listing.paths
    files = {path.name.removesuffix(".json"): path for path in (folder / "ann").glob("*.json")}
    issues = listing_issues(listing)
    for name in sorted(files.keys() - paths_by_name.keys()):
        text = f"{name} is not in {folder / 'img'}{similar_name(name, paths_by_name)}"
        issues.append(Issue("missing image", files[name], None, text))
    images = []
    for name, path in paths_by_name.items():
        if name not in files:
            text = f"no labels {folder / 'ann' / name}.json; download the project again"
            issues.append(Issue("missing labels", path, None, text))
            continue
        content, file_issues = read_json(files[name], _File)
        issues += file_issues
        if content is not None:
            areas, object_issues = _areas(prefix + name, files[name], content, class_table)
            issues += object_issues
            size = (content.size.height, content.size.width)
            images.append(AreaImage(prefix + name, path, files[name], areas, size))
    return images, issues


def _areas(
    name: str, file: Path, content: _File, class_table: ClassBits
) -> tuple[list[Area], list[Issue]]:
    areas = []
    issues = []
    for position, each in enumerate(content.objects):
        key = f"objects[{position}] ({each.classTitle})"
        if each.classTitle not in class_table.bits:
            issues.append(unknown_class(file, None, key, each.classTitle, class_table))
            continue
        try:
            draw = drawing(each)
        except ShapeError as error:
            issues.append(Issue("invalid shape", file, None, f"{name}: {key}: {error}"))
            continue
        areas.append(Area(class_table.bits[each.classTitle], key, None, draw))
    return areas, issues
