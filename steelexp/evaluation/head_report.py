"""What a classification head is worth: how it ranks images, and what its gate keeps and costs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.evaluation.detection import SIZE_CLASSES, DetectionCounts
from steelexp.evaluation.report import average_precision
from steelexp.inference.scoring import ScoredImage
from steelexp.model.classification_head import SHOWN
from steelexp.records.evaluation_report import (
    ClassHead,
    EmptyImages,
    HeadReport,
    MissedDefects,
)
from steelexp.records.postprocessing import ClassRules

Values = npt.NDArray[np.float32]
Truths = npt.NDArray[np.bool_]


class ImageRanking(NamedTuple):
    """Two scores of images for each class, and whether the image holds it.

    Attributes:
        head: Image scores of the classification head, [S, C].
        peak: Highest scores of the pixels, [S, C].
        has_class: Whether the image holds the class, [S, C].
    """

    head: Values
    peak: Values
    has_class: Truths


class RankingCounter:
    """Accumulates an ImageRanking.

    Images without image scores are left out, and those of which more than half is ignored: what
    they hold is not known, as in the training of the head.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[Values, Values, Truths]] = []

    def add(self, image: ScoredImage) -> None:
        """Count one image."""
        if image.image_scores is None or image.pixels < SHOWN * image.bits.size:
            return
        classes = range(len(image.image_scores))
        has_class = np.array([image.truth(c).any() for c in classes])
        self._rows.append((image.image_scores, image.scores.max(axis=(0, 1)), has_class))

    @property
    def ranking(self) -> ImageRanking | None:
        """The images so far, in their order; None without a classification head."""
        if not self._rows:
            return None
        return ImageRanking(*(np.stack(part) for part in zip(*self._rows, strict=True)))


class GateComparison(NamedTuple):
    """Detection on the same images with a gate and without it.

    Attributes:
        gated: Detection of the tuned rules.
        without: Detection of the rules that were tuned without a gate.
        rules_without: These rules by class.
    """

    gated: DetectionCounts
    without: DetectionCounts
    rules_without: Mapping[str, ClassRules]


def head_report(
    classes: Sequence[str],
    ranking: ImageRanking,
    val: ImageRanking | None = None,
    gates: GateComparison | None = None,
) -> HeadReport:
    """The head in evaluation.json.

    Args:
        classes: Names of the classes, [C].
        ranking: Images of the reported part.
        val: Validation images, where the reported part is another one.
        gates: Effect of the gate on the reported part; None without post-processing.
    """
    return HeadReport(
        clean=None if gates is None else _empty(gates, slice(None)),
        rules_without_gate={} if gates is None else dict(gates.rules_without),
        classes={
            name: ClassHead(
                average_precision=_image_precision(ranking.head, ranking.has_class, c),
                peak_average_precision=_image_precision(ranking.peak, ranking.has_class, c),
                val_average_precision=val and _image_precision(val.head, val.has_class, c),
                val_peak_average_precision=val and _image_precision(val.peak, val.has_class, c),
                empty=None if gates is None else _empty(gates, slice(c, c + 1)),
                missed={} if gates is None else _missed(gates, c),
            )
            for c, name in enumerate(classes)
        },
    )


def _image_precision(scores: Values, has_class: Truths, c: int) -> float | None:
    """Average precision of the images that hold class c, ranked by a score."""
    levels = np.unique(scores[:, c], return_inverse=True)[1]
    positive, negative = (
        np.bincount(levels[kind], minlength=levels.max() + 1)
        for kind in (has_class[:, c], ~has_class[:, c])
    )
    return average_precision(positive, negative)


def _empty(gates: GateComparison, classes: slice) -> EmptyImages:
    """Images without some classes, and how many stay without a prediction of them."""
    counts = gates.gated.counts
    empty = (counts.tp + counts.fn)[:, classes].sum(axis=1) == 0
    kept = [
        int((empty & (each.counts.fp[:, classes].sum(axis=1) == 0)).sum())
        for each in (gates.gated, gates.without)
    ]
    return EmptyImages(images=int(empty.sum()), kept=kept[0], kept_without_gate=kept[1])


def _missed(gates: GateComparison, c: int) -> dict[str, MissedDefects]:
    """Labelled components of a class, and how many are not detected, by size."""
    gated, without = (each.components[c] for each in (gates.gated, gates.without))
    return {
        size: MissedDefects(
            labelled=int(gated.labelled[k]),
            missed=int(gated.labelled[k] - gated.detected[k]),
            missed_without_gate=int(without.labelled[k] - without.detected[k]),
        )
        for k, size in enumerate(SIZE_CLASSES)
    }
