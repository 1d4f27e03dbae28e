"""Print every loss for four predictions, on a tile with a defect and on a clean one.

    python benchmarks/loss_table.py

The output is a Markdown table. The tile has 256 x 256 pixels and 4 classes. Its defect is 16 x 32
pixels of one class, 0.8 % of the tile. A perfect prediction has logits of 20 where the ground truth
has the class and -20 elsewhere. An inverted one has the opposite logits, an empty one -20
everywhere, and a random one standard normal logits. Settings are the defaults.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from steelexp.model.losses import LOSSES

SHAPE = (1, 256, 256, 4)
CERTAIN = 20.0
COLUMNS = [
    "loss",
    *(f"defect: {name}" for name in ("perfect", "inverted", "empty", "random")),
    *(f"clean: {name}" for name in ("perfect, empty", "inverted", "random")),
]


def tiles() -> dict[str, np.ndarray]:
    """Ground truth of each tile, [1, h, w, C] of 0 and 1."""
    clean, defect = np.zeros((2, *SHAPE), np.float32)
    defect[0, 100:116, 60:92, 2] = 1
    return {"defect": defect, "clean": clean}


def predictions(y_true: np.ndarray) -> dict[str, np.ndarray]:
    """Logits of each prediction."""
    perfect = (2 * y_true - 1) * np.float32(CERTAIN)
    return {
        "perfect": perfect,
        "inverted": -perfect,
        "empty": np.full(SHAPE, -CERTAIN, np.float32),
        "random": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32),
    }


def rows() -> dict[str, Callable[..., Any]]:
    """Every loss by name, and the symmetric hinge."""
    symmetric = functools.partial(LOSSES["lovasz_hinge"], symmetric=True)
    losses = {f"`{name}`": loss for name, loss in LOSSES.items()}
    return losses | {"`lovasz_hinge`, symmetric": symmetric}


def values(loss: Callable[..., Any]) -> list[float]:
    """One loss for every tile and prediction; on a clean tile the empty one is the perfect one."""
    return [
        float(loss(y_true, logits)[0])
        for tile, y_true in tiles().items()
        for kind, logits in predictions(y_true).items()
        if (tile, kind) != ("clean", "empty")
    ]


def format_value(value: float) -> str:
    """Format with three digits; below half a thousandth a loss is 0 for training."""
    return f"{value:.3f}" if value < 9.9995 else f"{value:.2f}"


def main() -> None:
    """Print the table."""
    lines = [[name, *map(format_value, values(loss))] for name, loss in rows().items()]
    rule = ["---", *["---:"] * (len(COLUMNS) - 1)]
    print(*(f"| {' | '.join(line)} |" for line in [COLUMNS, rule, *lines]), sep="\n")


if __name__ == "__main__":
    main()
