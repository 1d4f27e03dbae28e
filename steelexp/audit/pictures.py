"""Pictures of findings: the bare image, its labels and the prediction, side by side."""

import io
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.audit.audit import Audit, Finding
from steelexp.audit.components import LEVEL, region_of
from steelexp.audit.out_of_fold import out_of_fold
from steelexp.data.bits import Bits, pack_bits
from steelexp.evaluation.review import window_of
from steelexp.inference.scoring import ScoredImage
from steelexp.overlays.painting import paint

SIDE = 256
"""Pixels of the longer side of each of the three parts."""

GAP = 6  # white pixels between them
QUALITY = 85  # of JPEG files

Picture = npt.NDArray[np.uint8]


def pictures(audit: Audit, findings: Sequence[Finding]) -> Iterator[tuple[int, bytes]]:
    """The number of each finding, in the order of the images, and its JPEG file.

    Args:
        audit: Audit of the findings.
        findings: Findings to show.
    """
    numbers: dict[int, list[int]] = {}
    for number, finding in enumerate(findings):
        numbers.setdefault(finding.suspect.row, []).append(number)
    rows = np.array(sorted(numbers), np.int64)
    scored = out_of_fold(
        audit.scorers, audit.dataset, audit.unseen, rows=rows, networks=audit.networks
    )
    for image, _ in scored:
        grey = audit.dataset.image(image.row)
        for number in numbers[image.row]:
            yield number, _jpeg(picture(grey, image, findings[number]))


def picture(grey: Picture, image: ScoredImage, finding: Finding) -> Picture:
    """Image, labels and prediction around a finding, [h, w, 3].

    Labels and prediction are fills. The outline in both is the component that was found.

    Args:
        grey: Grey values of the image, [H, W].
        image: The image with its scores and labels.
        finding: Finding on it.
    """
    suspect = finding.suspect
    classes = image.scores.shape[2]
    predicted = pack_bits(image.scores >= np.float32(LEVEL))
    outline = region_of(image, suspect).astype(predicted.dtype) << predicted.dtype.type(
        suspect.label
    )
    top, left, bottom, right = window_of(suspect.box, grey.shape)
    part = np.s_[top:bottom, left:right]
    empty = np.zeros_like(predicted)
    panels = (
        (empty, empty),
        (outline, image.bits),
        (outline, predicted),
    )
    return _beside([_panel(grey[part], a[part], b[part], classes) for a, b in panels])


def _panel(grey: Picture, outline: Bits, fill: Bits, classes: int) -> Picture:
    factor = SIDE / max(grey.shape)
    size = (max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor)))
    large = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    masks = [
        cv2.resize(mask.astype(np.float64), size, interpolation=cv2.INTER_NEAREST).astype(
            mask.dtype
        )
        for mask in (outline, fill)
    ]
    return paint(np.asarray(large, np.uint8), *masks, class_count=classes).rgb()


def _beside(panels: Sequence[Picture]) -> Picture:
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    pieces = [piece for panel in panels for piece in (panel, gap)]
    return np.concatenate(pieces[:-1], axis=1)


def _jpeg(content: Picture) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(content).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
