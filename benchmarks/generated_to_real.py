"""Evaluate networks that were trained on synthetic strips on real ones, against chance.

    python benchmarks/generated_to_real.py SAMPLE RUN...

SAMPLE is a folder of real strips in Kaggle's layout. RUN is the folder of a finished run of
experiments/generated_to_real.yaml. Whole strips with a defect are predicted at the threshold of the
run. Chance: the predictions of a network are dealt to the strips at random, 10,000 times. The
evaluated value has to be above the 95th percentile of these.
"""

import argparse
from pathlib import Path

import numpy as np

from steelexp.data.severstal import severstal
from steelexp.inference.scoring import build_scorer, score_images
from steelexp.records.store import RunFolder
from steelexp.run_model import load_model

DEALS = 10_000
THRESHOLD = 0.5
PIXELS_PER_BATCH = 2**20


def masks(folder: Path, sample: Path) -> tuple[np.ndarray, np.ndarray]:
    """Predicted and true masks of the strips with a defect, [S, C, H * W] bool each."""
    dataset = severstal(root=str(sample), images="with_defects")
    scorer = build_scorer(load_model(RunFolder(folder)))
    rows = np.arange(len(dataset))
    predicted = []
    true = []
    for image in score_images(scorer, dataset, rows, max_pixels=PIXELS_PER_BATCH):
        predicted.append((image.scores > THRESHOLD).reshape(-1, len(dataset.classes)).T)
        true.append([image.truth(c).ravel() for c in range(len(dataset.classes))])
    return np.array(predicted), np.array(true)


def dice_of_pairs(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Dice of the prediction of every strip with the labels of every strip, [C, S, S]."""
    a = predicted.transpose(1, 0, 2).astype(np.float32)  # [C, S, H * W]
    b = true.transpose(1, 0, 2).astype(np.float32)
    sizes = a.sum(axis=2)[:, :, None] + b.sum(axis=2)[:, None, :]
    return np.asarray(2 * a @ b.transpose(0, 2, 1) / np.maximum(sizes, 1))


def dice_positive(dice: np.ndarray, labelled: np.ndarray, order: np.ndarray) -> list[float]:
    """Mean Dice of each class over the strips that hold it, if strip s has prediction order[s]."""
    own = dice[:, order, np.arange(len(order))]  # [C, S]
    return [float(values[shown].mean()) for values, shown in zip(own, labelled, strict=True)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sample", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    args = parser.parse_args()
    print("| run | class 1 | 2 | 3 | 4 | dice_positive | by chance: mean | 95th percentile | p |")
    print("|---|---|---|---|---|---|---|---|---|")
    for folder in args.runs:
        predicted, true = masks(folder, args.sample)
        labelled = true.any(axis=2).T  # [C, S]
        dice = dice_of_pairs(predicted, true)
        strips = np.arange(len(true))
        by_class = dice_positive(dice, labelled, strips)
        rng = np.random.default_rng(0)
        dealt = [
            np.mean(dice_positive(dice, labelled, rng.permutation(strips))) for _ in range(DEALS)
        ]
        value = np.mean(by_class)
        p = (1 + np.sum(dealt >= value)) / (1 + DEALS)
        cells = [*by_class, value, np.mean(dealt), np.percentile(dealt, 95), p]
        print(f"| {folder.name} | " + " | ".join(f"{cell:.4f}" for cell in cells) + " |")


if __name__ == "__main__":
    main()
