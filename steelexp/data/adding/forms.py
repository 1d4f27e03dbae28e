"""The forms of data sets that images can be added to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.coco_form import stage_coco
from steelexp.data.adding.labelme_form import stage_labelme
from steelexp.data.adding.mask_folder_form import stage_mask_folder
from steelexp.data.adding.moves import Staging
from steelexp.data.adding.severstal_form import stage_severstal


@dataclass(frozen=True)
class Form:
    """How images are added to the data sets of one source.

    Attributes:
        stage: Function that stages labels, then images. So an image is never there without its
            labels, even if the process is killed.
        whole: Settings that read all images of a data set.
    """

    stage: Callable[[Addition, Mapping[str, Any], Staging], None]
    whole: Mapping[str, Any] = field(default_factory=lambda: {"subset": None})


FORMS: dict[str, Form] = {
    "coco": Form(stage_coco),
    "labelme": Form(stage_labelme),
    "mask_folder": Form(stage_mask_folder),
    "severstal": Form(stage_severstal, {"subset": None, "images": "all"}),
}
