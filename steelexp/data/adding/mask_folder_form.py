"""New images and masks for a folder of masks, in the values and folders of its settings."""

import inspect
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.moves import Staging
from steelexp.data.dataset import Bits, raise_if
from steelexp.data.forms.reading import stem_of
from steelexp.data.mask_folder.code import MaskCode, mask_code
from steelexp.data.mask_folder.pairs import pair_masks
from steelexp.data.mask_folder.stored_values import Code

_CODE_SETTINGS = [
    parameter.name
    for parameter in inspect.signature(mask_code).parameters.values()
    if parameter.kind is parameter.KEYWORD_ONLY
]


def stage_mask_folder(addition: Addition, settings: Mapping[str, Any], staging: Staging) -> None:
    """Stage the masks, then the images. A mask that is there keeps its name and type.

    Args:
        addition: Images and labels.
        settings: Data section of the data set.
        staging: Files to move to their places.

    Raises:
        DataError: Two images would share a mask, or a pixel has several classes; all are listed.
    """
    raise_if(addition.shared_stems("mask"))
    stated = {key: settings[key] for key in _CODE_SETTINGS if key in settings}
    code = mask_code(addition.root / settings["masks"], **stated)
    suffix = settings.get("suffix", "")
    pairs = pair_masks(addition.root / settings["images"], code.folders, suffix)
    problems = []
    for name, bits in addition.labels():
        present = pairs.masks.get(name, {})
        layers = _stored_layers(bits, code, set(present))
        if layers is None:
            problems.append(f"{name}: {_several_classes(settings)}")
            continue
        for folder, values in layers.items():
            path = present.get(folder, folder / f"{stem_of(name)}{suffix}.png")
            target = staging.add(path.relative_to(addition.root).as_posix())
            target.write_bytes(_encoded(values, path))
    raise_if(problems)
    for image, path in addition.images():
        shutil.copy2(path, staging.add(image))


def _stored_layers(
    bits: Bits, code: MaskCode, present: set[Path]
) -> dict[Path, npt.NDArray[Any]] | None:
    """Stored values by folder; None if a pixel has several classes and no value says so."""
    if not code.class_folders:
        ((folder, each),) = code.folders.items()
        values = each.encode(bits, 1 << len(code.classes) if code.has_ignore else 0)
        return None if values is None else {folder: values}
    layers = {folder: _draw_layer(bits, each) for folder, each in code.folders.items()}
    needed = {folder: layer for folder, layer in layers.items() if layer.any() or folder in present}
    return needed or dict(list(layers.items())[:1])  # an empty mask, so that it is labelled


def _draw_layer(bits: Bits, code: Code) -> npt.NDArray[np.uint8]:
    """The pixels of one folder as 255."""
    area = (bits & (code.else_bits or 0)) > 0
    return area.astype(np.uint8) * 255


def _encoded(values: npt.NDArray[Any], path: Path) -> bytes:
    """A mask in the type of its suffix."""
    channels = values[..., ::-1] if values.ndim > 2 else values
    return bytes(cv2.imencode(path.suffix.lower(), channels)[1])


def _several_classes(settings: Mapping[str, Any]) -> str:
    if settings.get("values") is not None:
        return "pixels of several classes, which data.values cannot say; correct its labels"
    return (
        "pixels of several classes; give a spec with data.overlaps=true as --to, or correct its "
        "labels"
    )
