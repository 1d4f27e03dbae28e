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
        decisions: [C].

    Returns:
        [H, W, C] bool.
    """
    post = np.zeros(scores.shape, bool)
    for c, rules in enumerate(rules):
        post[..., c] = postprocess_class(scores[..., c], rules)
    return post


def postprocess_class(scores: Scores, rules: ClassRules) -> Mask:
    """What is of one class on a whole image: [H, W] scores -> [H, W] bool."""
    if rules.never or scores.max(initial=0) < np.float32(rules.gate):
        return np.zeros(scores.shape, bool)
    mask = scores >= np.float32(rules.threshold)
    if rules.component > 1 and mask.any():
        mask = remove_small(mask, rules.component)
    if np.count_nonzero(mask) < rules.area:
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
