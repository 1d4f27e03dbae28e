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
from steelexp.data.forms.labelme import IGNORE


@dataclass(frozen=True)
class Form:
    """How images are added to the data sets of one source.

    Attributes:
        stage: Function that stages labels, then images. So an image is never there without its
            labels, even if the process is killed.
        whole: Settings that read all images of a data set.
        ignore: Function from the data section to the name of ignored pixels; None for a form
            without them.
    """

    stage: Callable[[Addition, Mapping[str, Any], Staging], None]
    whole: Mapping[str, Any] = field(default_factory=lambda: {"subset": None})
    ignore: Callable[[Mapping[str, Any]], str | None] = lambda settings: None


def _mask_folder_ignore(settings: Mapping[str, Any]) -> str | None:
    return None if settings.get("ignore") is None else "ignore"


FORMS: dict[str, Form] = {
    "coco": Form(stage_coco, ignore=lambda settings: settings["ignore"]),
    "labelme": Form(stage_labelme, ignore=lambda settings: IGNORE),
    "mask_folder": Form(stage_mask_folder, ignore=_mask_folder_ignore),
    "severstal": Form(stage_severstal, {"subset": None, "images": "all"}),
}
