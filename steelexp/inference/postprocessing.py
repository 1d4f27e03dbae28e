"""Post-processing of an image: from scores to masks."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from steelexp.records.postprocessing import ClassRules

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


def postprocess(scores: Scores, rules: Sequence[ClassRules]) -> Mask:
    """Apply the rules of each class to the scores of an image.

    Args:
        scores: [H, W, C] scores, sigmoid(logits), without padding.
        rules: [C] rules of each class.

    Returns:
        [H, W, C] bool masks.
    """
    masks = np.zeros(scores.shape, bool)
    for c, class_rules in enumerate(rules):
        masks[..., c] = postprocess_class(scores[..., c], class_rules)
    return masks


def postprocess_class(scores: Scores, rules: ClassRules) -> Mask:
    """Apply the rules of one class to the scores of an image: [H, W] -> [H, W] bool."""
    if rules.disabled or scores.max(initial=0) < np.float32(rules.min_peak_score):
        return np.zeros(scores.shape, bool)
    mask = scores >= np.float32(rules.threshold)
    if rules.min_component > 1 and mask.any():
        mask = remove_small(mask, rules.min_component)
    if np.count_nonzero(mask) < rules.min_area:
        mask[:] = False
    return mask


def remove_small(mask: Mask, pixels: int) -> Mask:
    """Remove connected components (8 neighbours) of fewer pixels from a mask: [H, W] bool."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    is_large = statistics[:, cv2.CC_STAT_AREA] >= pixels
    is_large[0] = False  # the background
    return np.asarray(is_large[labels], bool)
