"""labelme: one JSON file for each image, with its shapes.

    root/images/a.png
    root/images/a.json      beside the image, or in another folder under the same name

https://github.com/wkentaro/labelme. The image itself in `imageData` is passed over.
"""

import itertools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import FailFast, PositiveInt

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.class_names import ClassBits, ClassNames, open_class_bits, unknown_class
from steelexp.data.forms.json_files import FormModel, read_json
from steelexp.data.forms.labelme_shapes import Shape, drawing, shapes_of
from steelexp.data.forms.reading import (
    Area,
    AreaImage,
    Reading,
    images_folder,
    load,
    shared_labels,
    stem_of,
)
from steelexp.data.forms.shapes import ShapeError
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    WriterReport,
    check_stems,
    class_masks,
    copy,
    new_folder,
    place_images,
    sized_images,
    written_settings,
)
from steelexp.data.image_files import list_images, similar_name
from steelexp.data.issue import Issue
from steelexp.data.survey import listing_issues
from steelexp.limits import LABEL_BYTES, Pixels, Seed

IGNORE = "__ignore__"
"""labelme's own name for areas that are neither background nor a class."""

VERSION = "5.2.0"
"""First version of labelme with shapes of the type `mask`."""


class _File(FormModel):
    shapes: Annotated[list[Shape], FailFast()]
    imageHeight: int | None = None  # noqa: N815
    imageWidth: int | None = None  # noqa: N815


def labelme(
    *,
    root: str,
    images: str | None = None,
    labels: str | None = None,
    classes: ClassNames | None = None,
    ignore: str | None = None,
    absent: Literal["refuse", "clean"] = "refuse",
    line_width: Pixels | None = None,
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Images and labelme's JSON files.

    Polygons, rectangles, circles and masks are read. Lines have no pixels unless `line_width` gives
    them a width. Points are refused. Flags and groups have no pixels and are passed over.

    Args:
        root: Root folder of the data set.
        images: Folder of the images below the root; by default images/ if it exists, else the root.
        labels: Folder of the JSON files below the root; by default they are beside the images.
        classes: Labels in the order of the classes; by default all labels, sorted.
        ignore: Label of areas that are left out of loss and metrics; by default labelme's own
            `__ignore__`, where it occurs.
        absent: Meaning of an image without a JSON file: an error, or an image without a defect.
        line_width: Width in pixels of the shapes line and linestrip; by default they are refused.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A folder is missing, or files or shapes are wrong; all are listed.
    """
    reading = read_labelme(
        root,
        images=images,
        labels=labels,
        classes=classes,
        ignore=ignore,
        absent=absent,
        line_width=line_width,
    )
    return load(reading, subset=subset, subset_seed=subset_seed)


def is_labelme(root: Path) -> bool:
    """Whether a folder, or its images/, has a JSON file of labelme."""
    folder = root / "images" if (root / "images").is_dir() else root
    files = itertools.islice(filter(_is_label_file, sorted(folder.rglob("*.json"))), 30)
    return any(b'"shapes"' in file.read_bytes() for file in files)


def _is_label_file(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= LABEL_BYTES


def read_labelme(
    root: str,
    *,
    images: str | None = None,
    labels: str | None = None,
    classes: tuple[str, ...] | None = None,
    ignore: str | None = None,
    absent: Literal["refuse", "clean"] = "refuse",
    line_width: int | None = None,
) -> Reading:
    """Read labelme's JSON files; see `labelme` for the settings.

    Raises:
        DataError: A folder is missing, or the class names do not fit.
    """
    images_dir = images_folder(root, images)
    labels_dir = images_dir if labels is None else Path(root) / labels
    if not labels_dir.is_dir():
        raise DataError(f"data.labels: there is no folder {labels_dir}; set data.labels")
    listing = list_images(images_dir, recursive=True)
    paths_by_name = listing.paths
    names, issues = shared_labels(paths_by_name, "JSON file")
    contents, file_issues = _read_files(labels_dir, names, images_dir)
    issues += listing_issues(listing) + file_issues
    for stem, name in names.items():
        wanted = labels_dir / f"{stem}.json"
        if absent == "refuse" and not wanted.exists():
            text = f"no labels {wanted}; draw them, or set data.absent=clean"
            issues.append(Issue("missing labels", paths_by_name[name], None, text))
    used = {shape.label for _, content in contents.values() for shape in content.shapes}
    if issues and not used and classes is None:
        return Reading("labelme", labels_dir, (), False, [], issues)
    ignored = IGNORE if ignore is None and IGNORE in used else ignore
    class_table = open_class_bits(used, classes, ignored, labels_dir)
    read = []
    for stem, name in names.items():
        path = paths_by_name[name]
        wanted = labels_dir / f"{stem}.json"
        if stem in contents:
            file, content = contents[stem]
            image, shape_issues = _image(name, path, file, content, class_table, line_width)
            issues += shape_issues
            read.append(image)
        elif not wanted.exists():
            read.append(AreaImage(name, path, wanted))
    return Reading("labelme", labels_dir, class_table.classes, class_table.has_ignore, read, issues)


def write_labelme(
    dataset: Dataset, folder: Path, *, polygons: bool = False, place: PlaceImage = copy
) -> WriterReport:
    """Write images and a JSON file beside each, with one shape for each connected component.

    Args:
        dataset: Data set.
        folder: New folder.
        polygons: Polygons, whose points can be moved in labelme, instead of shapes of the type
            mask. Both keep every pixel when read here.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what labelme cannot say of this data set.

    Raises:
        DataError: Two images differ in their suffix only.
    """
    check_stems(dataset, "JSON file")
    names = (*dataset.classes, IGNORE)
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name, (height, width) in sized_images(dataset):
            shapes = [
                shape
                for bit, mask in class_masks(dataset, row)
                for shape in shapes_of(names[bit], mask, polygons)
            ]
            content: dict[str, Any] = {
                "version": VERSION,
                "flags": {},
                "shapes": shapes,
                "imagePath": Path(name).name,
                "imageData": None,
                "imageHeight": height,
                "imageWidth": width,
            }
            target = (partial / IMAGES / name).with_suffix(".json")
            target.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return WriterReport(written_settings("labelme", dataset, IGNORE), [])


def _read_files(
    labels_dir: Path, names: dict[str, str], images_dir: Path
) -> tuple[dict[str, tuple[Path, _File]], list[Issue]]:
    """Path and content of the JSON files by stem, and the issues of files and missing images."""
    contents: dict[str, tuple[Path, _File]] = {}
    issues: list[Issue] = []
    for path in sorted(labels_dir.rglob("*.json")):
        relative = path.relative_to(labels_dir)
        if any(part.startswith(".") for part in relative.parts):
            continue
        content, file_issues = read_json(path, _File)
        issues += file_issues
        stem = stem_of(relative.as_posix())
        if stem not in names:
            text = f"there is no image {stem} in {images_dir}{similar_name(stem, names)}"
            issues.append(Issue("missing image", path, None, text))
        if content is not None:
            contents[stem] = (path, content)
    return contents, issues


def _image(
    name: str,
    path: Path,
    file: Path,
    content: _File,
    class_table: ClassBits,
    line_width: int | None,
) -> tuple[AreaImage, list[Issue]]:
    areas = []
    issues = []
    for position, shape in enumerate(content.shapes):
        key = f"shapes[{position}] ({shape.label})"
        if shape.label not in class_table.bits:
            issues.append(unknown_class(file, None, key, shape.label, class_table))
            continue
        try:
            draw = drawing(shape, line_width)
        except ShapeError as error:
            issues.append(Issue("invalid shape", file, None, f"{name}: {key}: {error}"))
            continue
        areas.append(Area(class_table.bits[shape.label], key, None, draw))
    height = content.imageHeight
    width = content.imageWidth
    size = None if height is None or width is None else (height, width)
    return AreaImage(name, path, file, areas, size), issues
