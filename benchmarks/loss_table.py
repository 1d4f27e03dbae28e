"""Print what every loss says of four predictions, on a tile with a defect and on a clean one.

    python benchmarks/loss_table.py

A Markdown table. The tile is 256 x 256 pixels with 4 classes, and its defect is 16 x 32 pixels of
one class, 0.8 % of the tile. Logits are 20 where a class is predicted and -20 elsewhere, as the
truth (perfect), its opposite (inverted) or nowhere (empty); the random ones are standard normal.
Settings are the defaults.
"""

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
    """The truth of each tile, [1, h, w, C] of 0 and 1."""
    clean, defect = np.zeros((2, *SHAPE), np.float32)
    defect[0, 100:116, 60:92, 2] = 1
    return {"defect": defect, "clean": clean}


def predictions(y_true: np.ndarray) -> dict[str, np.ndarray]:
    """Logits by the name of the prediction."""
    perfect = (2 * y_true - 1) * np.float32(CERTAIN)
    return {
        "perfect": perfect,
        "inverted": -perfect,
        "empty": np.full(SHAPE, -CERTAIN, np.float32),
        "random": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32),
    }


def values(name: str) -> list[float]:
    """One loss on every tile and prediction; on a clean tile, the empty one is the perfect one."""
    return [
        float(LOSSES[name](y_true, logits)[0])
        for tile, y_true in tiles().items()
        for kind, logits in predictions(y_true).items()
        if (tile, kind) != ("clean", "empty")
    ]


def shown(value: float) -> str:
    """Three digits; what is below half a thousandth is 0 for training."""
    return f"{value:.3f}" if value < 9.9995 else f"{value:.2f}"


def main() -> None:
    """Print the table."""
    lines = [[f"`{name}`", *map(shown, values(name))] for name in LOSSES]
    rule = ["---", *["---:"] * (len(COLUMNS) - 1)]
    print(*(f"| {' | '.join(line)} |" for line in [COLUMNS, rule, *lines]), sep="\n")


if __name__ == "__main__":
    main()
