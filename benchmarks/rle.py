"""Time a row of train.csv in steelexp's run-length codec beside pycocotools'.

    python benchmarks/rle.py TRAIN_CSV

Both go from Kaggle's text to a [256, 1600] mask and back, in one process, a row at a time in turns.
pycocotools knows neither Kaggle's text nor checks it: its side includes the shortest NumPy lines
that turn the text into its counts and its counts into the text; its own bytes are timed as well.
TRAIN_CSV may be gzipped.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pycocotools import mask as coco

from steelexp.data import rle

SHAPE = (256, 1600)
PIXELS = SHAPE[0] * SHAPE[1]
TURNS = 3
JOBS = (
    "decode: text to mask",
    "decode: text to mask; COCO bytes to mask",
    "encode: mask to text",
    "encode: mask to text; mask to COCO bytes",
)


def coco_decode(code: str) -> np.ndarray:
    """Kaggle's text -> [H, W] uint8."""
    runs = np.fromstring(code, np.int64, sep=" ").reshape(-1, 2)
    edges = np.stack([runs[:, 0] - 1, runs.sum(axis=1) - 1], axis=1).ravel()
    counts = np.diff(edges, prepend=0, append=PIXELS)
    return coco.decode(coco.frPyObjects({"counts": counts.tolist(), "size": SHAPE}, *SHAPE))


def coco_encode(mask: np.ndarray) -> str:
    """[H, W] uint8 -> Kaggle's text."""
    ends = np.cumsum(_counts(coco.encode(mask)["counts"]))
    starts = ends[:-1:2]
    ends = ends[1::2]
    return " ".join(map(str, np.stack([starts + 1, ends - starts], axis=1).ravel().tolist()))


def _counts(packed: bytes) -> list[int]:
    """COCO's compressed counts: groups of 5 bits, each count a difference from the third on.

    pycocotools has no call for it; https://github.com/cocodataset/cocoapi, `rleFrString`.
    """
    counts: list[int] = []
    value = shift = 0
    for byte in packed:
        bits = byte - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (bits & 16 and 1) << shift
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


def timed(function: Callable, argument: object) -> tuple[float, Any]:
    """Seconds one call takes, and what it returns."""
    started = time.perf_counter()
    result = function(argument)
    return time.perf_counter() - started, result


def row_times(code: str) -> list[list[float]]:
    """Seconds of each job on one row: ours, theirs."""
    ours, mask = timed(lambda code: rle.decode(code, SHAPE), code)
    theirs, their_mask = timed(coco_decode, code)
    our_encode, our_code = timed(rle.encode, mask)
    their_encode, their_code = timed(coco_encode, their_mask)
    packing, packed = timed(coco.encode, their_mask)
    unpacking, _ = timed(coco.decode, packed)
    if not np.array_equal(mask, their_mask) or not our_code == their_code == code:
        sys.exit(f"the codecs disagree on {code[:60]}")
    return [
        [ours, theirs],
        [ours, unpacking],
        [our_encode, their_encode],
        [our_encode, packing],
    ]


def main(table: Path) -> None:
    """Print median times a row, and the median of their ratios."""
    codes = pd.read_csv(table)["EncodedPixels"].dropna().tolist()
    times = np.array([row_times(code) for _ in range(TURNS) for code in codes])  # [N, jobs, 2]
    print(f"{len(codes)} rows of {table.name}, {TURNS} turns, median microseconds a row")
    for job, name in enumerate(JOBS):
        ours, theirs = np.median(times[:, job], axis=0) * 1e6
        ratio = np.median(times[:, job, 1] / times[:, job, 0])
        print(f"{name:40} steelexp {ours:6.0f}  pycocotools {theirs:6.0f}  ratio {ratio:5.2f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
