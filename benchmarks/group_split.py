"""Deal the images of Severstal to 70/15/15 by group, ours beside scikit-learn's.

    python benchmarks/group_split.py image_class_stats_12568.csv.gz

The table has has_class_1 ... has_class_4 for each training image. No roll is published, so groups
are made up: one image in seven has a copy. StratifiedGroupKFold knows equal folds only; twenty of
them, three to tune and three to test, give 70/15/15.
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from steelexp.data.dataset import Dataset
from steelexp.data.splits.kinds import grouped
from steelexp.data.splits.split import Split, leak
from steelexp.data.splits.stratification import combinations


def labels(path):
    """A data set without pixels: which of the four classes each image holds."""
    holds = pd.read_csv(path)[[f"has_class_{c}" for c in range(1, 5)]].to_numpy(np.int64)
    return Dataset(
        names=tuple(map(str, range(len(holds)))),
        paths=(),
        sizes=np.full((len(holds), 2), (256, 1600), np.int32),
        classes=("1", "2", "3", "4"),
        pixels=holds,
        read_mask=lambda image: np.zeros((256, 1600), np.uint8),
        image_hashes=(),
        label_hashes=(),
    )


def by_scikit_learn(dataset, groups):
    """Twentieths, three by three."""
    codes = combinations(dataset.pixels > 0, 20)
    part = np.empty(len(dataset), np.int64)
    with warnings.catch_warnings():  # of classes with fewer members than folds
        warnings.simplefilter("ignore", UserWarning)
        folds = StratifiedGroupKFold(20, shuffle=True, random_state=42)
        for number, (_, rows) in enumerate(folds.split(codes, codes, groups)):
            part[rows] = number
    val = (part >= 3) & (part < 6)
    test = part < 3
    return Split(*(np.flatnonzero(rows) for rows in (part >= 6, val, test)))


def main(path):
    """Print a row for each way."""
    dataset = labels(path)
    groups = np.arange(len(dataset))
    groups[1::7] = groups[0:-1:7]
    totals = dataset.pixels.sum(axis=0)
    print(
        "| | seconds | images | " + " | ".join(f"class {c}" for c in dataset.classes) + " | leak |"
    )
    print("|---" * 8 + "|")
    for name, divide in (("ours", grouped), ("StratifiedGroupKFold", by_scikit_learn)):
        started = time.perf_counter()
        split = divide(dataset, groups)
        seconds = time.perf_counter() - started
        sizes = " / ".join(str(len(rows)) for rows in split)
        shares = [
            " / ".join(f"{share:.1%}" for share in column)
            for column in np.transpose(
                [dataset.pixels[rows].sum(axis=0) / totals for rows in split]
            )
        ]
        cells = [name, f"{seconds:.1f}", sizes, *shares, f"{leak(split, groups).groups}"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1])
