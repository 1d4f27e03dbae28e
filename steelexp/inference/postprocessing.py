"""From scores to masks: the rules of a run's decision, applied to one image."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.records.postprocessing import ClassRules

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


def postprocess(scores: Scores, rules: Sequence[ClassRules]) -> Mask:
    """What is of which class on a whole image.

    Args:
        scores: [H, W, C], sigmoid(logits), without padding.
        rules: [C] rules of each class.

    Returns:
        [H, W, C] bool.
    """
    masks = np.zeros(scores.shape, bool)
    for c, class_rules in enumerate(rules):
        masks[..., c] = postprocess_class(scores[..., c], class_rules)
    return masks


def postprocess_class(scores: Scores, rules: ClassRules) -> Mask:
    """What is of one class on a whole image: [H, W] scores -> [H, W] bool."""
    if rules.disabled or scores.max(initial=0) < np.float32(rules.min_peak_score):
        return np.zeros(scores.shape, bool)
    mask = scores >= np.float32(rules.threshold)
    if rules.min_component > 1 and mask.any():
        mask = remove_small(mask, rules.min_component)
    if np.count_nonzero(mask) < rules.min_area:
        mask[:] = False
    return mask


def remove_small(mask: Mask, pixels: int) -> Mask:
    """The mask without connected components (8 neighbours) of fewer pixels: [H, W] bool."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    kept = statistics[:, cv2.CC_STAT_AREA] >= pixels
    kept[0] = False  # the background
    return np.asarray(kept[labels], bool)
