"""The architectures by name."""

from collections.abc import Callable
from typing import Any

from steelexp.model.fpn import fpn
from steelexp.model.linknet import linknet
from steelexp.model.pspnet import pspnet
from steelexp.model.unet import unet

ARCHITECTURES: dict[str, Callable[..., Any]] = {
    "unet": unet,
    "fpn": fpn,
    "linknet": linknet,
    "pspnet": pspnet,
}
