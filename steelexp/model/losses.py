"""Losses on logits, by name. The losses that combine two others are here.

Each is `(y_true [B, h, w, C], logits [B, h, w, C], class_weights [C], valid [B, h, w, 1], *,
settings) -> [B]`, one value for each tile. The training step takes the mean over the batch once.
y_true holds 0 and 1. A loss that cannot use class weights has no such argument. Pixels with a valid
of 0 are ignored: a mean is over the others, and a tile without others costs 0. All sums are float32
for any input.
"""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat

from steelexp.lazy import Tensor
from steelexp.model.loss_inputs import EmptyClass, PerClass, Reduce, Share, Smoothing
from steelexp.model.lovasz_loss import LovaszReduce, lovasz_hinge
from steelexp.model.overlap_losses import dice, focal_tversky, generalized_dice, jaccard, tversky
from steelexp.model.pixel_losses import asymmetric_focal, bce, focal, topk_bce, weighted_bce


def bce_dice(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    bce_weight: Share = 0.5,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
    positive_weights: PerClass = (1.0,),
    label_smoothing: Smoothing = 0.0,
) -> Tensor:
    """Binary cross-entropy and Dice: w bce + (1 - w) dice.

    For an empty class Dice is nearly flat; the cross-entropy still sees every false pixel.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        bce_weight: Weight w of the cross-entropy. Several medal solutions on Severstal used 0.75.
        reduce: Pixels of one Dice coefficient: each class of each tile (tile_and_class), each tile
            (tile), each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator of Dice.
        empty_class: Dice loss of a class without defect pixels: smoothed takes the formula,
            mean_score takes the mean of its probabilities, nothing takes 0.
        positive_weights: Weight of the defect pixels in the cross-entropy, one for each class or
            one for all, as in weighted_bce.
        label_smoothing: Share by which the targets of the cross-entropy move towards 1/2.

    Returns:
        Loss of each tile, [B].
    """
    overlap = dice(
        y_true, logits, class_weights, valid, reduce=reduce, smooth=smooth, empty_class=empty_class
    )
    pixels = weighted_bce(
        y_true,
        logits,
        class_weights,
        valid,
        positive_weights=positive_weights,
        label_smoothing=label_smoothing,
    )
    return bce_weight * pixels + (1.0 - bce_weight) * overlap


def focal_dice(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    focal_weight: Share = 0.5,
    gamma: NonNegativeFloat = 2.0,
    alpha: Share = 0.25,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
    empty_class: EmptyClass = "smoothed",
    positive_weights: PerClass = (1.0,),
) -> Tensor:
    """Focal and Dice: w focal + (1 - w) dice.

    Once most pixels are easy, the focal loss is small beside Dice. w decides how long it matters.
    The false pixels of an empty class cost what they cost in both.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        focal_weight: Weight w of the focal loss.
        gamma: Focusing parameter: how strongly easy pixels are down-weighted. 0 means not at all.
        alpha: Weight of defect pixels in the focal loss. Background pixels have 1 - alpha.
        reduce: Pixels of one Dice coefficient: each class of each tile (tile_and_class), each tile
            (tile), each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator of Dice.
        empty_class: Dice loss of a class without defect pixels: smoothed takes the formula,
            mean_score takes the mean of its probabilities, nothing takes 0.
        positive_weights: Further weight of the defect pixels in the focal loss, one for each class
            or one for all.

    Returns:
        Loss of each tile, [B].

    Source: Zhu et al., AnatomyNet, Medical Physics 2019, https://arxiv.org/abs/1808.05238, which
    adds the two.
    """
    overlap = dice(
        y_true, logits, class_weights, valid, reduce=reduce, smooth=smooth, empty_class=empty_class
    )
    pixels = asymmetric_focal(
        y_true,
        logits,
        class_weights,
        valid,
        defect_gamma=gamma,
        background_gamma=gamma,
        alpha=alpha,
        positive_weights=positive_weights,
    )
    return focal_weight * pixels + (1.0 - focal_weight) * overlap


def bce_lovasz(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    bce_weight: Share = 0.5,
    reduce: LovaszReduce = "tile_and_class",
    symmetric: bool = False,
    positive_weights: PerClass = (1.0,),
    label_smoothing: Smoothing = 0.0,
) -> Tensor:
    """Binary cross-entropy and Lovasz hinge: w bce + (1 - w) lovasz_hinge.

    For an empty class the cross-entropy sees every false pixel, and the hinge sees the worst one.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        bce_weight: Weight w of the cross-entropy.
        reduce: Pixels that the hinge ranks together: each class of each tile, or each class of the
            batch.
        symmetric: Whether the hinge is the mean of that of each class and of its background.
        positive_weights: Weight of the defect pixels in the cross-entropy, one for each class or
            one for all, as in weighted_bce.
        label_smoothing: Share by which the targets of the cross-entropy move towards 1/2.

    Returns:
        Loss of each tile, [B].
    """
    overlap = lovasz_hinge(y_true, logits, class_weights, valid, reduce=reduce, symmetric=symmetric)
    pixels = weighted_bce(
        y_true,
        logits,
        class_weights,
        valid,
        positive_weights=positive_weights,
        label_smoothing=label_smoothing,
    )
    return bce_weight * pixels + (1.0 - bce_weight) * overlap


def unified_focal(
    y_true: Tensor,
    logits: Tensor,
    class_weights: Tensor | None = None,
    valid: Tensor | None = None,
    *,
    focal_weight: Share = 0.5,
    delta: Share = 0.6,
    gamma: Annotated[float, Field(ge=0, lt=1)] = 0.5,
    reduce: Reduce = "tile_and_class",
    smooth: PositiveFloat = 1.0,
) -> Tensor:
    """Unified focal loss, asymmetric: w focal + (1 - w) focal Tversky.

    p = sigmoid(logits), d = delta, g = gamma, s = smooth. The focal part is -d log(p) on defect
    pixels and -(1 - d) p^g log(1 - p) on background, so only easy background is down-weighted. The
    Tversky index is TI = (tp + s) / (tp + (1 - d) fp + d fn + s). The Tversky part is the mean of
    (1 - TI)^(1 - g) of the defect and 1 - TI of its background, so only the defect is enhanced.

    Each class has its own background. An empty class costs (u / (u + s))^(1 - g) in the Tversky
    part, with u = (1 - d) m for m false pixels.

    Args:
        y_true: Ground truth, [B, h, w, C] of 0 and 1.
        logits: Logits, [B, h, w, C].
        class_weights: Weight of each class, [C] with mean one. It multiplies the loss of the class,
            or the sums of the class where `reduce` pools the classes.
        valid: 1 where a pixel counts and 0 where it is ignored, [B, h, w, 1]. None: all count.
        focal_weight: Weight w of the focal part; the paper's lambda.
        delta: Weight of defect pixels in the focal part, and of false negatives in the Tversky
            part.
        gamma: Down-weighting of easy background, and enhancement of defects.
        reduce: Pixels of one Tversky index: each class of each tile (tile_and_class), each tile
            (tile), each class of the batch (batch_and_class) or the whole batch (batch).
        smooth: Pixels added to numerator and denominator of the index. The paper has nearly 0; the
            first false pixel of an empty class is then a step.

    Returns:
        Loss of each tile, [B].

    Source: Yeung et al., Computerized Medical Imaging and Graphics 95, 2022,
    https://arxiv.org/abs/2102.04525, the asymmetric variant, averaged over defect and background as
    in its authors' code.
    """
    pixels = asymmetric_focal(
        y_true, logits, class_weights, valid, defect_gamma=0.0, background_gamma=gamma, alpha=delta
    )
    defect = focal_tversky(
        y_true,
        logits,
        class_weights,
        valid,
        gamma=1.0 / (1.0 - gamma),
        false_positives=1.0 - delta,
        false_negatives=delta,
        reduce=reduce,
        smooth=smooth,
    )
    background = tversky(
        1.0 - y_true,
        -logits,
        class_weights,
        valid,
        false_positives=1.0 - delta,
        false_negatives=delta,
        reduce=reduce,
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
