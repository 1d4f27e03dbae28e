"""Dice at 99 thresholds: from histograms of the scores, and from a mask for each threshold.

    python benchmarks/thresholds.py

200 images of 256 x 1600 with 4 classes, labelled as Severstal's are: one pair of image and class
in seven, 0.8 % of the pixels. Logits are smooth noise around -9.5, higher where the class is, so
that four times as many pixels score above 0.01, in patches: the most that was seen with networks
trained on NEU-Seg by a Dice loss, with and without cross-entropy (1.7 to 4.1 times). A network
trained by focal loss has all its scores there, and its histograms take longer. Masks are made and
counted with NumPy, a class's scores lying together, as they do for the histograms. Both give the
same counts, which is checked.
"""

import sys
import time

import cv2
import numpy as np

from steelexp.counts import Counts, dice
from steelexp.evaluation.score_histograms import GRID, edges_of, histogram

STRIPS = 200
CLASSES = 4
HEIGHT = 256
WIDTH = 1600
THRESHOLDS = np.array(GRID)
EDGES = edges_of(THRESHOLDS)
MIN_RATIO = 20


def simulate_image(random):
    """Scores [C, H, W] float32 and truth [C, H, W] bool of one image."""
    truth = np.zeros((CLASSES, HEIGHT, WIDTH), bool)
    for c in np.flatnonzero(random.random(CLASSES) < 1 / 7):
        top = random.integers(0, HEIGHT // 2)
        left = random.integers(0, WIDTH - 180)
        truth[c, top : top + HEIGHT // 2, left : left + 180] = True
    logits = np.empty(truth.shape, np.float32)
    for c in range(CLASSES):
        noise = cv2.GaussianBlur(random.standard_normal((HEIGHT, WIDTH), np.float32), (0, 0), 6)
        logits[c] = -9.5 + 2.5 * noise / noise.std() + 9 * truth[c]
    return 1 / (1 + np.exp(-logits)), truth


def by_histograms(scores, truth):
    """Counts of one image at every threshold, [K, C] each."""
    bins = np.stack([histogram(s, t, EDGES) for s, t in zip(scores, truth, strict=True)])
    reaching = bins[..., ::-1].cumsum(axis=2)[..., -2::-1]  # [C, 2, K]
    fp, tp = reaching.transpose(1, 2, 0)
    return Counts(tp, fp, bins[:, 1].sum(axis=1) - tp)


def by_masks(scores, truth):
    """The same, a mask for each threshold and class."""
    counts = np.zeros((3, len(THRESHOLDS), CLASSES), np.int64)
    for c, (each, labels) in enumerate(zip(scores, truth, strict=True)):
        labelled = np.count_nonzero(labels)
        for k, threshold in enumerate(THRESHOLDS.astype(np.float32)):
            mask = each >= threshold
            tp = np.count_nonzero(mask & labels)
            counts[:, k, c] = tp, np.count_nonzero(mask) - tp, labelled - tp
    return Counts(*counts)


def main(images=STRIPS):
    """Print the seconds of both methods and their ratio; exit code 1 if it is below 20."""
    random = np.random.default_rng(0)
    seconds = {by_histograms: 0.0, by_masks: 0.0}
    for _ in range(images):
        scores, truth = simulate_image(random)
        dices = []
        for method in seconds:
            started = time.process_time()
            dices.append(dice(method(scores, truth)))
            seconds[method] += time.process_time() - started
        if not (dices[0] == dices[1]).all():
            raise SystemExit("the two methods disagree")
    for method, total in seconds.items():
        print(f"{method.__name__:14} {total:8.2f} s  {1000 * total / images:7.2f} ms an image")
    ratio = seconds[by_masks] / seconds[by_histograms]
    print(f"{ratio:.0f} times faster: {len(THRESHOLDS)} thresholds, {CLASSES} classes")
    return 0 if ratio >= MIN_RATIO else 1


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
