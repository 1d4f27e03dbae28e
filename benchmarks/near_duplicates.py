"""Evaluate and time the search for near-duplicates.

    python benchmarks/near_duplicates.py NEU_SEG [--synthetic FOLDER]

NEU_SEG holds images/ and near_duplicate_groups.csv (split, file, group). Printed are precision and
recall of the pairs, and the number of leaking test images that are detected. If the two disagree on
a pair, it is compared again at full size: by the normalised circular cross-correlation of both
images over all flips, rotations and shifts, without broad light.

FOLDER holds 12,000 strips of `python -m steelexp data generate FOLDER --strips 12000`. An empty
FOLDER is filled first (about 7 minutes, not counted). No two strips show one surface, so every copy
is a false one. Times are seconds by the clock / seconds of computing on all cores. A busy machine
changes the second less. The exponents are those of fitted power laws; 1 is linear.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steelexp.data import duplicates
from steelexp.data.decoding import read_grey
from steelexp.data.severstal import severstal
from steelexp.data.synthetic import generate

STRIPS = (1000, 2000, 4000, 8000, 12000)
STAGES = ("reading", "descriptors", "neighbours", "verification")
SAME = 0.7  # correlation at full size; pairs taken at random lie below 0.5


def pairs_of(labels: np.ndarray) -> set[tuple[int, int]]:
    """Every pair of one group, the lower number first."""
    members = pd.Series(range(len(labels))).groupby(labels).apply(list)
    return {(a, b) for group in members for i, b in enumerate(group) for a in group[:i]}


def full_size(a: np.ndarray, b: np.ndarray) -> float:
    """Highest circular correlation of two [200, 200] images over flips, turns and shifts."""
    spectrum = np.fft.rfft2(_flat(a))
    b = _flat(b)
    views = [view for square in (b, b.T) for view in (square, square[::-1])]
    return max(
        float(np.fft.irfft2(spectrum * np.fft.rfft2(flipped).conj()).max())
        for view in views
        for flipped in (view, view[:, ::-1])
    )


def _flat(image: np.ndarray) -> np.ndarray:
    """Without light broader than 25 pixels, of mean 0 and length 1."""
    grey = image.astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), 25)
    grey -= grey.mean()
    return grey / np.linalg.norm(grey)


def confirm(pairs: set[tuple[int, int]], image: Callable[[int], np.ndarray]) -> str:
    """How many of the pairs the comparison at full size calls copies."""
    same = sum(full_size(image(a), image(b)) >= SAME for a, b in pairs)
    return f"{len(pairs)} pairs, {same} of them alike at full size"


def evaluate(root: Path) -> None:
    """Print the figures for NEU-Seg."""
    table = pd.read_csv(root / "near_duplicate_groups.csv")
    paths = [root / "images" / row.split / row.file for row in table.itertuples()]

    def image(n: int) -> np.ndarray:
        return read_grey(paths[n])

    started = time.perf_counter()
    groups = duplicates.near_duplicates(image, len(paths))
    seconds = time.perf_counter() - started
    ours = pairs_of(groups)
    theirs = pairs_of(table["group"].to_numpy())
    leaks = leaking_images(table, groups)
    leaking = leaking_images(table, table["group"])
    both = len(ours & theirs)
    print(f"NEU-Seg: {len(paths)} images, {groups.max() + 1} groups, {seconds:.1f} s")
    print(f"  pairs: precision {both / len(ours):.4f}  recall {both / len(theirs):.4f}")
    print(f"  leaking test images: {len(leaks & leaking)} of {len(leaking)} found")
    print(f"  in the table, not found: {confirm(theirs - ours, image)}")
    print(f"  found, not in the table: {confirm(ours - theirs, image)}")


def leaking_images(table: pd.DataFrame, groups: np.ndarray) -> set[int]:
    """Test images that share a group with a training image."""
    training = table["split"] == "training"
    leaks = ~training & np.isin(groups, groups[training])
    return set(np.flatnonzero(leaks).tolist())


def stage_times(image: Callable[[int], np.ndarray], count: int) -> tuple[np.ndarray, int]:
    """Seconds and processor seconds of each stage, and how many copies were found.

    Returns:
        [stages, 2], and the copies.
    """
    clock = [_now()]
    small = np.array(list(duplicates.thumbnails(image, count, lambda done, total: None)))
    clock.append(_now())
    descriptors = duplicates.descriptors(small)
    clock.append(_now())
    pairs = duplicates.candidate_pairs(descriptors)
    clock.append(_now())
    copies = duplicates.duplicate_pairs(small, pairs)
    clock.append(_now())
    return np.diff(clock, axis=0), len(copies)


def _now() -> tuple[float, float]:
    """Seconds by the clock, and those that this process computed."""
    return time.perf_counter(), time.process_time()


def grow(root: Path) -> None:
    """Print the seconds of each stage for more and more synthetic images."""
    if not root.exists():
        generate(root, strips=STRIPS[-1], seed=0)
    dataset = severstal(root=str(root))
    stage_times(dataset.image, 200)  # the first images pay for threads and caches
    print("synthetic images" + "".join(f"{head:>14}" for head in (*STAGES, "all", "copies")))
    totals = []
    for count in STRIPS:
        seconds, copies = stage_times(dataset.image, count)
        seconds = np.vstack([seconds, seconds.sum(axis=0)])
        totals.append(seconds[-1])
        times = "".join(f"{wall:6.1f}/{cpu:5.1f} s" for wall, cpu in seconds)
        print(f"{count:12}{times}{copies:14}", flush=True)
    wall, cpu = np.polyfit(np.log(STRIPS), np.log(totals), 1)[0]
    print(f"seconds grow as images ** {wall:.2f}, processor seconds as images ** {cpu:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("neu_seg", type=Path, metavar="NEU_SEG")
    parser.add_argument("--synthetic", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    evaluate(args.neu_seg)
    if args.synthetic:
        grow(args.synthetic)
