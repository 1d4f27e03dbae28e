"""Losses on logits, by name; here are those made of two others.

Each is `(y_true [B, h, w, C], logits [B, h, w, C], class_weights [C], *, settings) -> [B]`, one
value a tile; the mean over the batch is taken once, by the training step. y_true holds 0 and 1. A
loss that cannot use class weights does not take them. All sums are float32, whatever comes in.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor
from steelexp.model.loss_inputs import Absent, Over, Share
from steelexp.model.lovasz_loss import Sets, lovasz_hinge
from steelexp.model.overlap_losses import dice, focal_tversky, generalized_dice, jaccard, tversky
from steelexp.model.pixel_losses import asymmetric_focal, bce, focal, topk_bce, weighted_bce


def bce_dice(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    bce_weight: Share = 0.5,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Binary cross-entropy and Dice: w bce + (1 - w) dice.

    Where a class is absent, the cross-entropy still sees every false pixel when Dice is flat.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.
        bce_weight: w. 0.75 in several medal solutions on Severstal.
        over: as for dice.
        smooth: as for dice.
        absent: as for dice.

    Returns:
        [B].
    """
    overlap = dice(y_true, logits, class_weights, over=over, smooth=smooth, absent=absent)
    return bce_weight * bce(y_true, logits, class_weights) + (1.0 - bce_weight) * overlap


def focal_dice(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    focal_weight: Share = 0.5,
    gamma: NonNegativeFloat = 2.0,
    alpha: Share = 0.25,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    absent: Absent = "smoothed",
) -> Tensor:
    """Focal and Dice: w focal + (1 - w) dice.

    Once most pixels are easy, focal loss is small beside Dice; w decides when it is still felt.
    Where a class is absent, its false pixels cost what they cost in both.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.
        focal_weight: w.
        gamma: as for focal.
        alpha: as for focal.
        over: as for dice.
        smooth: as for dice.
        absent: as for dice.

    Returns:
        [B].

    Source: Zhu et al., AnatomyNet, Medical Physics 2019, https://arxiv.org/abs/1808.05238, which
    adds the two.
    """
    overlap = dice(y_true, logits, class_weights, over=over, smooth=smooth, absent=absent)
    pixels = focal(y_true, logits, class_weights, gamma=gamma, alpha=alpha)
    return focal_weight * pixels + (1.0 - focal_weight) * overlap


def bce_lovasz(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    bce_weight: Share = 0.5,
    over: Sets = "tile_and_class",
) -> Tensor:
    """Binary cross-entropy and Lovasz hinge: w bce + (1 - w) lovasz_hinge.

    Where a class is absent, the cross-entropy sees every false pixel and the hinge the worst.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one.
        bce_weight: w.
        over: as for lovasz_hinge.

    Returns:
        [B].
    """
    overlap = lovasz_hinge(y_true, logits, class_weights, over=over)
    return bce_weight * bce(y_true, logits, class_weights) + (1.0 - bce_weight) * overlap


def unified_focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    *,
    focal_weight: Share = 0.5,
    delta: Share = 0.6,
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    over: Over = "tile_and_class",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Unified focal loss, asymmetric: w focal + (1 - w) focal Tversky.

    The focal part is -d log(p) on defect pixels and -(1 - d) p^g log(1 - p) on background, so only
    easy background is discounted. The Tversky part is the mean of (1 - TI)^(1 - g) of the defect
    and 1 - TI of its background, with TI = (hit + s) / (hit + (1 - d) false + d missed + s), so
    only the defect is enhanced. p = sigmoid(logits), d = delta, g = gamma, s = smooth.

    Each class is set against its own background. Where it is absent, m false pixels cost
    (u / (u + s))^(1 - g), u = (1 - d) m, in the Tversky part.

    Args:
        y_true: [B, h, w, C] of 0 and 1.
        logits: [B, h, w, C].
        class_weights: [C], mean one; as for focal and dice.
        focal_weight: w; the paper's lambda.
        delta: weight of defect pixels and of missed ones.
        gamma: both the discount of background and the enhancement of defects.
        over: what one Tversky index sums over; as for dice.
        smooth: pixels added above and below; the paper's is next to 0, which makes a step of the
            first false pixel of an absent class.

    Returns:
        [B].

    Source: Yeung et al., Computerized Medical Imaging and Graphics 95, 2022,
    https://arxiv.org/abs/2102.04525, the asymmetric variant, averaged over the two classes as in
    its authors' code.
    """
    pixels = asymmetric_focal(
        y_true, logits, class_weights, defect_gamma=0.0, background_gamma=gamma, alpha=delta
    )
    defect = focal_tversky(
        y_true,
        logits,
        class_weights,
        gamma=1.0 / (1.0 - gamma),
        false_positives=1.0 - delta,
        false_negatives=delta,
        over=over,
        smooth=smooth,
    )
    background = tversky(
        1.0 - y_true,
        -logits,
        class_weights,
        false_positives=1.0 - delta,
        false_negatives=delta,
        over=over,
        smooth=smooth,
    )
    return focal_weight * pixels + (1.0 - focal_weight) * (defect + background) / 2.0


LOSSES: dict[str, Callable[..., Tensor]] = {
    "bce": bce,
    "weighted_bce": weighted_bce,
    "topk_bce": topk_bce,
    "focal": focal,
    "dice": dice,
    "generalized_dice": generalized_dice,
    "jaccard": jaccard,
    "tversky": tversky,
    "focal_tversky": focal_tversky,
    "lovasz_hinge": lovasz_hinge,
    "bce_dice": bce_dice,
    "focal_dice": focal_dice,
    "bce_lovasz": bce_lovasz,
    "unified_focal": unified_focal,
}
