"""The architectures by name."""

from collections.abc import Callable
from typing import Any

from steelexp.model.unet import unet

ARCHITECTURES: dict[str, Callable[..., Any]] = {"unet": unet}
