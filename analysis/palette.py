"""Colours that all figures share; colour-blind-safe."""

from __future__ import annotations

from typing import Final

# The class colours of steelexp.overlays.overlay, in the same order: a test compares them.
CLASS_COLOURS: Final = (
    "#56b4e9",
    "#e69f00",
    "#d55e00",
    "#0072b2",
    "#f0e442",
    "#332288",
    "#cc79a7",
    "#009e73",
)
RUN_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#000000")
INK: Final = "#202020"
