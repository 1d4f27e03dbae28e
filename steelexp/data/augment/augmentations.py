"""What changes a training tile: image and labels together, a batch at a time.

An augmentation is a function of (grey [B, h, w] uint8, bits [B, h, w] uint8, draw, donors) and its
settings. It leaves what it is given as it was, draws from `draw` only, and so gives the same bytes
wherever it runs and on however many threads; what it does not change it may hand on.
"""

from collections.abc import Callable, Sequence

import numpy as np

from steelexp.data.augment.copy_paste import copy_paste
from steelexp.data.augment.donors import Donors, Grey
from steelexp.data.augment.geometry import flips, shift
from steelexp.data.augment.occlusion import blackout, sheet_edge
from steelexp.data.augment.photometry import brightness, contrast, gamma, noise
from steelexp.data.dataset import Bits

Augmentation = Callable[[Grey, Bits, np.random.Generator, Donors], tuple[Grey, Bits]]
"""With its settings filled in."""


def augment(
    grey: Grey,
    bits: Bits,
    draw: np.random.Generator,
    donors: Donors,
    chain: Sequence[Augmentation],
) -> tuple[Grey, Bits]:
    """Apply a chain, each augmentation to what the one before it gave.

    Args:
        grey: [B, h, w].
        bits: [B, h, w], bit c set where class c is.
        draw: the source of every choice.
        donors: where pasted defects come from.
        chain: augmentations with their settings.

    Returns:
        grey [B, h, w], bits [B, h, w]; new arrays, or those given where nothing was changed.
    """
    for change in chain:
        grey, bits = change(grey, bits, draw, donors)
    return grey, bits


# A chain is applied in this order. A pasted defect goes first, to be turned, lit and covered like
# the tile's own. What makes the picture darker or lighter comes before what is black, which has to
# stay black, and the camera's noise lies over all.
AUGMENTATIONS: dict[str, Callable[..., tuple[Grey, Bits]]] = {
    "copy_paste": copy_paste,
    "flips": flips,
    "shift": shift,
    "brightness": brightness,
    "contrast": contrast,
    "gamma": gamma,
    "sheet_edge": sheet_edge,
    "blackout": blackout,
    "noise": noise,
}
