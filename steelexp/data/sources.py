"""The data sources: what `data.source` can name, and how `data doctor` knows each.

A new source is a function from its settings to a `Dataset`, and an entry here. With a layout the
doctor recognises it, too, and takes the images and problems from the function.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from steelexp.data.dataset import DataError, Dataset
from steelexp.data.forms.coco import coco, is_coco, read_coco
from steelexp.data.forms.csv_table import csv_table, is_csv_table, read_csv
from steelexp.data.forms.labelme import is_labelme, labelme, read_labelme
from steelexp.data.forms.reading import survey
from steelexp.data.forms.supervisely import is_supervisely, read_supervisely, supervisely
from steelexp.data.forms.yolo_seg import is_yolo_seg, read_yolo_seg, yolo_seg
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.mask_folder.survey import is_mask_folder, survey_mask_folder
from steelexp.data.several_roots import several_roots
from steelexp.data.severstal import severstal
from steelexp.data.severstal_survey import is_severstal, survey_severstal
from steelexp.data.survey import Survey
from steelexp.data.synthetic import synthetic


@dataclass(frozen=True)
class Layout:
    """How the doctor recognises and reads a data source.

    Attributes:
        content: Content of the folder, for messages.
        matches: Function that tells whether a folder has this layout.
        survey: Function from the loader's settings, without the subset, to every image with its
            labels and all their problems; only `root` is needed. None to take the images from the
            loader, which refuses a data set at its first problems.
    """

    content: str
    matches: Callable[[Path], bool]
    survey: Callable[..., Survey] | None = None


@dataclass(frozen=True)
class Source:
    """One kind of data set.

    Attributes:
        load: Function that reads it; its keyword-only arguments are settings of `data:`.
        layout: Layout of its folder; None where it has the layout of another source.
        is_generated: Whether `load` generates the data set where it is missing.
    """

    load: Callable[..., Dataset]
    layout: Layout | None = None
    is_generated: bool = False


SOURCES: dict[str, Source] = {
    # Before Severstal: its table has one of Kaggle's two forms.
    "csv": Source(
        csv_table,
        Layout("train.csv beside train_images/", is_csv_table, partial(survey, read_csv)),
    ),
    "severstal": Source(
        severstal, Layout("train.csv beside train_images/", is_severstal, survey_severstal)
    ),
    # Before the folders of masks: COCO's files may lie in annotations/, beside images/.
    "coco": Source(
        coco, Layout("a COCO file in it or in annotations/", is_coco, partial(survey, read_coco))
    ),
    "mask_folder": Source(
        mask_folder,
        Layout("images/ beside masks/ or annotations/", is_mask_folder, survey_mask_folder),
    ),
    "labelme": Source(
        labelme,
        Layout(
            "JSON files of labelme beside the images", is_labelme, partial(survey, read_labelme)
        ),
    ),
    "yolo_seg": Source(
        yolo_seg,
        Layout("data.yaml beside images/ and labels/", is_yolo_seg, partial(survey, read_yolo_seg)),
    ),
    "supervisely": Source(
        supervisely,
        Layout(
            "meta.json beside datasets of img/ and ann/",
            is_supervisely,
            partial(survey, read_supervisely),
        ),
    ),
    "synthetic": Source(synthetic, is_generated=True),
}

LOADERS: dict[str, Callable[..., Dataset]] = {
    name: each.load if each.is_generated else several_roots(each.load)
    for name, each in SOURCES.items()
}
"""The functions alone, as the spec knows them: data sets that are read may have several roots."""


def source_of(root: Path) -> str:
    """Name of the source whose layout a folder has.

    Raises:
        DataError: There is no such folder, or it has no known layout.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    layouts = {name: each.layout for name, each in SOURCES.items() if each.layout is not None}
    for name, layout in layouts.items():
        if layout.matches(root):
            return name
    content = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
    expected = ", or ".join(dict.fromkeys(layout.content for layout in layouts.values()))
    raise DataError(
        f"{root}: not a data set: it needs {expected} (it holds {content}); where folders have "
        "other names, give a spec file in place of the folder"
    )
