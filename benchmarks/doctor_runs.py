"""Tables whose runs the doctor calls counted along the rows or from 0, as they are and damaged.

    python benchmarks/doctor_runs.py TABLE ...

Each table is train.csv of Severstal's layout, plain or gzipped, of images of 256 x 1600. The
thresholds were chosen on 120 generated strips of seed 6 and the 18 labelled real strips of the
sample. A damaged table is also drawn as parts of 20, 50 and 200 masks.
"""

import csv
import gzip
import sys
from pathlib import Path

import numpy as np

from steelexp.data import rle
from steelexp.data.doctor.pixel_order import are_counted_from_zero, find_crossings, striped_by

SIZE = (256, 1600)
csv.field_size_limit(2**24)


def read_masks(path):
    """Every mask of a table, [H, W] of 0 and 1."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt") as file:
        for row in csv.DictReader(file):
            runs = row["EncodedPixels"]
            if runs:
                yield rle.decode(runs, SIZE).astype(np.uint8)


def moved(mask, by):
    """A mask whose runs are read `by` pixels later."""
    pixels = np.roll(mask.ravel("F"), by)
    if by < 0:
        pixels[by:] = 0
    return pixels.reshape(mask.shape, order="F")


def main():
    """Print how many masks, and how many parts of the table, are called wrong."""
    rng = np.random.default_rng(0)
    for path in map(Path, sys.argv[1:]):
        right, along_rows = [], []
        crossings = {"as it is": [], "counted from 0": []}
        for mask in read_masks(path):
            right.append(striped_by(mask) > 0)
            along_rows.append(striped_by(mask.ravel().reshape(SIZE, order="F")) > 0)
            crossings["as it is"].append(find_crossings(mask))
            crossings["counted from 0"].append(find_crossings(moved(mask, -1)))
        print(f"{path}: {len(right)} masks, called counted along the rows: {sum(right)}")
        print(f"  the same counted along the rows: {sum(along_rows)}")
        for name, each in crossings.items():
            print(f"  {name}: whole table called counted from 0: {are_counted_from_zero(each)}")
            for size in (20, 50, 200):
                parts = [rng.choice(len(each), size) for _ in range(200)]
                said = sum(are_counted_from_zero([each[i] for i in part]) for part in parts)
                print(f"    of 200 parts of {size} masks: {said}")


if __name__ == "__main__":
    main()
