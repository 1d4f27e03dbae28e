"""Compare synthetic strips with real strips of Severstal.

    python benchmarks/generated_beside_real.py SAMPLE TRAIN_CSV STATISTICS FOLDER...

SAMPLE is a folder of real strips in Kaggle's layout. TRAIN_CSV has more real label rows, without
images. STATISTICS is image_class_stats_12568.csv, with count and area of all training strips. Each
FOLDER is a set of `python -m steelexp data generate`. TRAIN_CSV and STATISTICS may be gzipped.

A component is a connected component of a class. Contrast is the mean grey value of a component
minus that of its ring, in standard deviations of the ring. The ring is the steel up to 15 pixels
away that has no label and is not black; the median over the components is printed. `bright` and
`dark` are the shares of a component's pixels above the ring's mean plus three standard deviations
and below it minus two. A strip shows a black edge if the mean of more than 20 columns is below 12.
It shows spatter if more than 0.2 % of its pixels without a label are above 250.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steelexp.data import rle

SHAPE = (256, 1600)
CLASSES = range(4)
RING = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31))


def read_masks(path: Path) -> pd.DataFrame:
    """Rows of a label file: ImageId, c (from 0) and mask [H, W] as uint8."""
    rows = pd.read_csv(path)
    rows["c"] = rows["ClassId"] - 1
    rows["mask"] = [rle.decode(runs, SHAPE).astype(np.uint8) for runs in rows["EncodedPixels"]]
    return rows


def geometry(rows: pd.DataFrame) -> pd.DataFrame:
    """Class, area and borders of every component."""
    components = [
        (c, area, top == 0 or top + height == SHAPE[0], height == SHAPE[0])
        for c, mask in zip(rows["c"], rows["mask"], strict=True)
        for _, top, _, height, area in cv2.connectedComponentsWithStats(mask)[2][1:]
    ]
    return pd.DataFrame(components, columns=["c", "area", "border", "full"])


def extent(rows: pd.DataFrame) -> pd.DataFrame:
    """Class, number of components and area in percent of every mask."""
    counts = [cv2.connectedComponents(mask)[0] - 1 for mask in rows["mask"]]
    percent = [100 * mask.mean() for mask in rows["mask"]]
    return pd.DataFrame({"c": rows["c"], "count": counts, "percent": percent})


def statistics_extent(path: Path) -> pd.DataFrame:
    """The same from the table of all training strips."""
    table = pd.read_csv(path)
    parts = []
    for c in CLASSES:
        part = table[[f"n_objects_{c + 1}", f"area_percent_{c + 1}"]][
            table[f"has_class_{c + 1}"] == 1
        ]
        part.columns = pd.Index(["count", "percent"])
        parts.append(part.assign(c=c))
    return pd.concat(parts)


def contrasts(root: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """Class, contrast, bright and dark share of every component with a ring."""
    found = []
    for name, strip in rows.groupby("ImageId"):
        grey = read_grey(root / "train_images" / str(name))
        steel = (cv2.blur(grey, (31, 31)) >= 12) & (np.sum(list(strip["mask"]), axis=0) == 0)
        for c, mask in zip(strip["c"], strip["mask"], strict=True):
            found += [(c, *values) for values in _contrasts(grey, steel, mask)]
    return pd.DataFrame(found, columns=["c", "contrast", "bright", "dark"])


def _contrasts(
    grey: np.ndarray, steel: np.ndarray, mask: np.ndarray
) -> Iterator[tuple[float, float, float]]:
    count, numbers = cv2.connectedComponents(mask)
    for number in range(1, count):
        component = numbers == number
        ring = grey[cv2.dilate(component.astype(np.uint8), RING).astype(bool) & steel]
        if ring.size < 50:
            continue
        relative = (grey[component] - ring.mean()) / ring.std()
        yield float(relative.mean()), float((relative > 3).mean()), float((relative < -2).mean())


def surfaces(paths: Iterable[Path], rows: pd.DataFrame) -> pd.DataFrame:
    """Whether a strip has labels, a black edge and spatter."""
    labelled = {name: np.sum(list(part["mask"]), axis=0) for name, part in rows.groupby("ImageId")}
    found = []
    for path in paths:
        grey = read_grey(path)
        label = labelled.get(path.name, np.zeros(SHAPE))
        black = (grey.mean(axis=0) < 12).sum() > 20
        spatter = ((grey > 250) & (label == 0)).mean() > 0.002
        found.append((path.name in labelled, black, spatter))
    return pd.DataFrame(found, columns=["labelled", "black", "spatter"])


def read_grey(path: Path) -> np.ndarray:
    """Grey values [H, W] as float32."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.float32)


def by_class(table: pd.DataFrame, column: str, statistic: str) -> list[float]:
    """A statistic of a column for classes 1 to 4."""
    values = table.groupby("c")[column].agg(statistic)
    return [float(values.get(c, np.nan)) for c in CLASSES]


def print_row(name: str, values: Iterable[float], digits: int) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in values) + " |")


def print_set(root: Path, rows: pd.DataFrame, shapes: pd.DataFrame, extents: pd.DataFrame) -> None:
    """Print the figures of one set of strips."""
    contrast = contrasts(root, rows)
    print_row("components with a ring", by_class(contrast, "contrast", "count"), 0)
    print_row("contrast, median", by_class(contrast, "contrast", "median"), 2)
    print_row("bright, % of pixels", 100 * np.array(by_class(contrast, "bright", "mean")), 1)
    print_row("dark, % of pixels", 100 * np.array(by_class(contrast, "dark", "mean")), 1)
    print_row("components", by_class(shapes, "area", "count"), 0)
    print_row("at the border, %", 100 * np.array(by_class(shapes, "border", "mean")), 0)
    print_row("of full height, %", 100 * np.array(by_class(shapes, "full", "mean")), 0)
    print_row("area, median pixels", by_class(shapes, "area", "median"), 0)
    print_row("components per strip, mean", by_class(extents, "count", "mean"), 2)
    print_row("area, mean % of the strip", by_class(extents, "percent", "mean"), 2)
    surface = surfaces(sorted((root / "train_images").iterdir()), rows)
    clean = surface[~surface["labelled"]]
    print(
        f"\nBlack edges on {surface['black'].mean():.0%} of {len(surface)} strips. Spatter on ",
        end="",
    )
    print(f"{clean['spatter'].mean():.0%} of {len(clean)} strips without a defect, ", end="")
    print(f"{surface[surface['labelled']]['spatter'].mean():.0%} of the others.")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sample", type=Path)
    parser.add_argument("train_csv", type=Path)
    parser.add_argument("statistics", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    for root in (args.sample, *args.folders):
        print(f"\n{root.name}\n\n| class | 1 | 2 | 3 | 4 |\n|---|---|---|---|---|")
        rows = read_masks(root / "train.csv")
        real = root == args.sample
        shapes = geometry(read_masks(args.train_csv) if real else rows)
        extents = statistics_extent(args.statistics) if real else extent(rows)
        print_set(root, rows, shapes, extents)


if __name__ == "__main__":
    main()
