"""Masks that the doctor calls interpolated: made class maps that were scaled, and real masks.

    python benchmarks/doctor_rims.py [FOLDER OF MASKS ...]

The threshold was chosen with seed 11, the figures are of seed 12.
"""

import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from steelexp.data.decoding import read_stored
from steelexp.data.doctor.rims import find_rims

KINDS = ("mosaic", "blobs", "one class", "nested", "lines")
SMOOTH = {
    "cv2 linear": cv2.INTER_LINEAR,
    "cv2 cubic": cv2.INTER_CUBIC,
    "Pillow bilinear": Image.BILINEAR,
    "Pillow bicubic": Image.BICUBIC,
}
FACTORS = (0.3, 0.5, 0.7, 0.9, 1.1, 1.5, 2, 3, 4)


def made(rng, classes, kind, size=(200, 240)):
    """A class map of one kind."""
    height, width = size
    values = np.zeros(size, np.uint8)
    if kind == "mosaic":
        count = rng.integers(5, 30)
        points = rng.random((count, 2)) * size
        y, x = np.mgrid[:height, :width]
        nearest = np.argmin([(y - a) ** 2 + (x - b) ** 2 for a, b in points], axis=0)
        return rng.integers(0, classes + 1, count).astype(np.uint8)[nearest]
    for _ in range(rng.integers(1, 12)):
        value = classes if kind == "one class" else int(rng.integers(1, classes + 1))
        at = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        if kind == "lines":
            end = (int(rng.integers(0, width)), int(rng.integers(0, height)))
            cv2.line(values, at, end, value, int(rng.integers(1, 4)))
            continue
        axes = tuple(int(z) for z in rng.integers(3, 40, 2))
        cv2.ellipse(values, at, axes, float(rng.random() * 180), 0, 360, value, -1)
        if kind == "nested":
            inner = (axes[0] // 2 + 1, axes[1] // 2 + 1)
            cv2.ellipse(values, at, inner, 0, 0, 360, int(rng.integers(1, classes + 1)), -1)
    return values


def scale(values, factor, way):
    """A class map scaled in one way."""
    size = (round(values.shape[1] * factor), round(values.shape[0] * factor))
    if way.startswith("cv2"):
        return cv2.resize(values, size, interpolation=SMOOTH[way])
    return np.asarray(Image.fromarray(values).resize(size, SMOOTH[way]))


def main(seed=12, repeats=5):
    """Print how many masks of each way are called interpolated."""
    rng = np.random.default_rng(seed)
    alarms = defaultdict(list)
    for kind in KINDS:
        for classes in (2, 3, 4, 8):
            for factor in FACTORS * repeats:
                values = made(rng, classes, kind)
                size = (round(240 * factor), round(200 * factor))
                nearest = cv2.resize(values, size, interpolation=cv2.INTER_NEAREST)
                alarms["nearest"].append(find_rims(nearest).look_interpolated)
                for way in SMOOTH:
                    alarms[way].append(find_rims(scale(values, factor, way)).look_interpolated)
    for way, said in alarms.items():
        print(f"{way}: {sum(said)} of {len(said)} made masks are called interpolated")
    for folder in map(Path, sys.argv[1:]):
        masks = [read_stored(path) for path in sorted(folder.rglob("*.png"))]
        said = sum(find_rims(mask).look_interpolated for mask in masks if mask.ndim == 2)
        print(f"{folder}: {said} of {len(masks)} masks are called interpolated")


if __name__ == "__main__":
    main()
