"""YOLO segmentation: one text file for each image, with a polygon on each line.

    root/data.yaml          names of the classes, by number from 0
    root/images/a.png       images, in folders such as train/ and val/
    root/labels/a.txt       lines "class x1 y1 x2 y2 ..." with x and y from 0 to 1

or, as Roboflow exports it, with images/ and labels/ in each of train/, valid/ and test/.

An image without a text file, or with an empty one, is clean.
https://docs.ultralytics.com/datasets/segment/
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import yaml
from pydantic import PositiveInt, ValidationError

from steelexp import bounded_yaml
from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.class_names import ClassNames, class_bits
from steelexp.data.forms.json_files import FormModel
from steelexp.data.forms.reading import (
    AreaImage,
    Reading,
    images_folder,
    load,
    shared_labels,
    stem_of,
)
from steelexp.data.forms.shapes import Mask, outlines
from steelexp.data.forms.writing import (
    IMAGES,
    PlaceImage,
    WriterReport,
    area_names,
    check_stems,
    class_masks,
    copy,
    new_folder,
    place_images,
    sized_images,
    written_settings,
)
from steelexp.data.forms.yolo_lines import line_of, read_lines
from steelexp.data.image_files import list_images, similar_name
from steelexp.data.issue import Issue
from steelexp.data.survey import listing_issues
from steelexp.errors import reason
from steelexp.limits import LABEL_BYTES, SPEC_BYTES, Seed
from steelexp.regular_file import read_regular_text

NAMES = "data.yaml"
CLASSES = "classes.txt"
"""File of the class names that Label Studio and LabelImg write."""

LABELS = "labels"


class _File(FormModel):
    names: dict[int, str] | list[str]

    @property
    def by_number(self) -> dict[int, str]:
        return dict(self.names.items() if isinstance(self.names, dict) else enumerate(self.names))


def yolo_seg(
    *,
    root: str,
    names: str | None = None,
    images: str | None = None,
    labels: str = LABELS,
    classes: ClassNames | None = None,
    ignore: str | None = None,
    subset: PositiveInt | None = None,
    subset_seed: Seed = 0,
) -> Dataset:
    """Images and YOLO's text files of polygons.

    Where images/ and labels/ are in folders such as train/ and valid/, all of these are read.

    Args:
        root: Root folder of the data set.
        names: File below the root with the class names: YAML, or text of a name a line; by default
            data.yaml or classes.txt. Without any, `classes` names the numbers 0, 1, ...
        images: Folder of the images below the root; by default images/ if it exists, else the root.
        labels: Folder of the text files below the root.
        classes: Class names in another order; by default the one of the file.
        ignore: Name of the class whose areas are left out of loss and metrics.
        subset: Number of images to sample without replacement; all by default.
        subset_seed: Random seed of the subset.

    Returns:
        The images, sorted by name.

    Raises:
        DataError: A folder or a file is missing, or lines are wrong; all are listed.
    """
    reading = read_yolo_seg(
        root, names=names, images=images, labels=labels, classes=classes, ignore=ignore
    )
    return load(reading, subset=subset, subset_seed=subset_seed)


def is_yolo_seg(root: Path) -> bool:
    """Whether a folder has data.yaml and labels/."""
    has_names = any((root / name).is_file() for name in (NAMES, CLASSES))
    return has_names and bool(_parts(root) or (root / LABELS).is_dir())


def read_yolo_seg(
    root: str,
    *,
    names: str | None = None,
    images: str | None = None,
    labels: str = LABELS,
    classes: tuple[str, ...] | None = None,
    ignore: str | None = None,
) -> Reading:
    """Read YOLO's text files; see `yolo_seg` for the settings.

    Raises:
        DataError: A folder or the file of the names is missing, or the names do not fit.
    """
    top = Path(root)
    folders = {"": (images_folder(root, images), top / labels)}
    if images is None and not (top / labels).is_dir():
        folders = _parts(top) or folders
    names_file = _names_file(top, names)
    if classes and names is None and not names_file.is_file():
        numbered = dict(enumerate(classes))
    else:
        numbered = _read_names(names_file)
    class_table = class_bits(list(numbered.values()), classes, ignore, names_file)
    read: list[AreaImage] = []
    issues: list[Issue] = []
    for prefix, (images_dir, labels_dir) in folders.items():
        if not labels_dir.is_dir():
            raise DataError(f"data.labels: there is no folder {labels_dir}; set data.labels")
        listing = list_images(images_dir, recursive=True)
        paths_by_name = listing.paths
        stems, stem_issues = shared_labels(paths_by_name, "text file")
        issues += [
            *listing_issues(listing),
            *stem_issues,
            *_unmatched_files(labels_dir, stems, images_dir),
        ]
        for stem, name in stems.items():
            file = labels_dir / f"{stem}.txt"
            areas, line_issues = read_lines(prefix + name, file, numbered, class_table)
            issues += line_issues
            read.append(AreaImage(prefix + name, paths_by_name[name], file, areas))
    return Reading("yolo_seg", top, class_table.classes, class_table.has_ignore, read, issues)


def write_yolo_seg(dataset: Dataset, folder: Path, *, place: PlaceImage = copy) -> WriterReport:
    """Write images, text files and data.yaml.

    A component with holes is cut into polygons without holes. All pixels are kept.

    Args:
        dataset: Data set.
        folder: New folder.
        place: Function that puts an image file into the folder.

    Returns:
        Settings that read it, and what YOLO cannot say of this data set.

    Raises:
        DataError: Two images differ in their suffix only.
    """
    check_stems(dataset, "text file")
    losses = []
    names = area_names(dataset)
    if dataset.has_ignore:
        losses.append(f"YOLO trains on ignored pixels as on a class, named {names[-1]}")
    cut = 0
    with new_folder(folder) as partial:
        place_images(dataset, partial / IMAGES, place)
        for row, name, size in sized_images(dataset):
            lines = []
            for bit, mask in class_masks(dataset, row):
                rings = list(outlines(mask))
                cut += len(rings) - _count_components(mask)
                lines += [line_of(bit, ring, size) for ring in rings]
            target = partial / LABELS / f"{stem_of(name)}.txt"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("".join(lines), encoding="utf-8")
        content = {"path": ".", "train": IMAGES, "val": IMAGES, "names": dict(enumerate(names))}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        (partial / NAMES).write_text(text, encoding="utf-8")
    if cut:
        losses.append(
            f"polygons have no holes: cutting components with holes makes {cut} more polygons, "
            "and YOLO counts each as an object"
        )
    return WriterReport(written_settings("yolo_seg", dataset), losses)


def _parts(root: Path) -> dict[str, tuple[Path, Path]]:
    """Folders of images and of labels in train/, valid/ and the like, by the start of a name."""
    parts = sorted(path for path in root.iterdir() if (path / IMAGES).is_dir())
    return {f"{part.name}/": (part / IMAGES, part / LABELS) for part in parts}


def _names_file(root: Path, names: str | None) -> Path:
    """The file of the class names: as named, else data.yaml or classes.txt."""
    if names is not None:
        return root / names
    has_only_text = (root / CLASSES).is_file() and not (root / NAMES).is_file()
    return root / (CLASSES if has_only_text else NAMES)


def _read_names(file: Path) -> dict[int, str]:
    """Class names by number.

    Raises:
        DataError: The file is missing, or has no names.
    """
    if not file.is_file():
        raise DataError(f"data.names: there is no file {file}; set data.names or data.classes")
    try:
        if file.suffix == ".txt":
            lines = read_regular_text(file, LABEL_BYTES).splitlines()
            return dict(enumerate(line.strip() for line in lines if line.strip()))
        content = bounded_yaml.load(read_regular_text(file, SPEC_BYTES))
        return _File.model_validate(content).by_number
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise DataError(
            f"{file}: no names of classes ({reason(error)}); write them as names: [a, b]"
        ) from None


def _unmatched_files(labels_dir: Path, stems: dict[str, str], images_dir: Path) -> Iterator[Issue]:
    for path in sorted(labels_dir.rglob("*.txt")):
        stem = stem_of(path.relative_to(labels_dir).as_posix())
        if stem not in stems and path.name != CLASSES:
            text = f"there is no image {stem} in {images_dir}{similar_name(stem, stems)}"
            yield Issue("missing image", path, None, text)


def _count_components(mask: Mask) -> int:
    return int(cv2.connectedComponents(mask.astype(np.uint8))[0]) - 1
