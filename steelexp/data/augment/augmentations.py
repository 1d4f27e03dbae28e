"""Augmentations of training tiles: image and mask together, a batch at a time.

An augmentation is a function of (grey [B, h, w] uint8, bits [B, h, w], rng, donors) and its
settings. It does not modify its arguments, but may return them where nothing changes. It uses no
other randomness than `rng`, so its result does not depend on the machine or on threads.
"""

from collections.abc import Callable, Sequence

import numpy as np

from steelexp.data.augment.copy_paste import copy_paste
from steelexp.data.augment.deformation import elastic, grid_distortion, rotation, scale
from steelexp.data.augment.donors import Donors, Grey
from steelexp.data.augment.geometry import flips, shift
from steelexp.data.augment.occlusion import blackout, cut_out, sheet_edge
from steelexp.data.augment.photometry import blur, brightness, contrast, gamma, noise
from steelexp.data.dataset import Bits

Augmentation = Callable[[Grey, Bits, np.random.Generator, Donors], tuple[Grey, Bits]]
"""An augmentation with its settings bound."""


def augment(
    grey: Grey,
    bits: Bits,
    rng: np.random.Generator,
    donors: Donors,
    augmentations: Sequence[Augmentation],
) -> tuple[Grey, Bits]:
    """Apply augmentations one after another.

    Args:
        grey: [B, h, w] tiles.
        bits: [B, h, w] masks, bit c set where class c is.
        rng: Random generator.
        donors: Source of defects to paste.
        augmentations: Augmentations in the order of application.

    Returns:
        grey [B, h, w], bits [B, h, w]; the arguments themselves where nothing changes.
    """
    for augmentation in augmentations:
        grey, bits = augmentation(grey, bits, rng, donors)
    return grey, bits


# The order of application. Pasted defects come first, to be flipped, lit and covered like the
# tile's own. Light comes before black areas, which have to stay black. Camera noise comes last.
AUGMENTATIONS: dict[str, Callable[..., tuple[Grey, Bits]]] = {
    "copy_paste": copy_paste,
    "flips": flips,
    "rotation": rotation,
    "scale": scale,
    "elastic": elastic,
    "grid_distortion": grid_distortion,
    "shift": shift,
    "brightness": brightness,
    "contrast": contrast,
    "gamma": gamma,
    "blur": blur,
    "sheet_edge": sheet_edge,
    "blackout": blackout,
    "cut_out": cut_out,
    "noise": noise,
}
