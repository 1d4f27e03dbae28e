"""The forms in which a data set can be written."""

import inspect
from collections.abc import Callable

from steelexp.data.forms.coco import write_coco
from steelexp.data.forms.csv_table import write_csv, write_severstal
from steelexp.data.forms.labelme import write_labelme
from steelexp.data.forms.mask_pngs import write_mask_folder
from steelexp.data.forms.supervisely import write_supervisely
from steelexp.data.forms.writing import WriterReport
from steelexp.data.forms.yolo_seg import write_yolo_seg

WRITERS: dict[str, Callable[..., WriterReport]] = {
    "coco": write_coco,
    "labelme": write_labelme,
    "yolo_seg": write_yolo_seg,
    "supervisely": write_supervisely,
    "mask_folder": write_mask_folder,
    "csv": write_csv,
    "severstal": write_severstal,
}
"""Functions (data set, new folder, place=copy or link) -> `WriterReport`, by form."""


def has_polygons(form: str) -> bool:
    """Whether a form leaves the choice between masks and polygons (`polygons=True`)."""
    return "polygons" in inspect.signature(WRITERS[form]).parameters
