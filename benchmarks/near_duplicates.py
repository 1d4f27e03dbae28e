"""Evaluate and time the search for near-duplicates.

    python benchmarks/near_duplicates.py DATA [--half 0] [--strips FOLDER] [--sheet FILE]

DATA holds neu_seg.zip and severstal_sample/. Surfaces that are not alike are taken from both: one
image of each group of NEU-Seg's near_duplicate_groups.csv with at most four images, windows of
256 x 256 of Severstal's strips, and whole strips. From each, up to three copies are made with other
crops of up to 8 pixels a side, scales of 0.9 to 1.1, flips, turns, exposures, noise and JPEG. The
thresholds in `steelexp/data/duplicates` were chosen on half 0 of the surfaces. The published
figures are those of half 1, the default, and of NEU-Seg as a whole.

For NEU-Seg as a whole each pair on which the search and the table disagree is compared again at
full size: by the normalised circular cross-correlation of both images over all flips, turns and
shifts, without broad light. --sheet writes such pairs as a picture.

FOLDER holds 12,500 strips of `python -m steelexp data generate FOLDER --strips 12500`. Windows of
200 x 200 are cut from them, eight of each. No two show one surface, so every copy is a false one.
Seconds are those of computing on all cores, which a busy machine changes less than the clock. The
exponents are those of fitted power laws. 1 is linear.
"""

import argparse
import functools
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import scipy.fft
from scipy.cluster.hierarchy import DisjointSet

from steelexp.data.dataset import Dataset
from steelexp.data.decoding import read_grey
from steelexp.data.duplicates.alignment import DUPLICATE
from steelexp.data.duplicates.search import near_duplicates
from steelexp.data.splits.kinds import grouped

WINDOWS = (3000, 12500, 50000, 100000)
THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)
SAME = 0.5  # agreement at full size; of 200 pairs taken at random the highest is 0.26
SPLITS = 20


def neu_seg(data):
    """NEU-Seg's images, and the table of their groups."""
    with zipfile.ZipFile(data / "neu_seg.zip") as archive:
        table = pd.read_csv(archive.open("near_duplicate_groups.csv"))
        images = [
            decode(archive.read(f"images/{row.split}/{row.file}")) for row in table.itertuples()
        ]
    return images, table


def decode(data):
    """An image of a file's content, grey."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def surfaces(images, table, strips, half):
    """Name -> images of different surfaces, of one half."""
    sizes = table["group"].map(table["group"].value_counts())
    first = table[sizes <= 4].drop_duplicates("group").index
    plates = unlike([images[n] for n in first if table["group"][n] % 2 == half])
    half_strips = strips[half::2]
    windows = [strip[:, x : x + 256] for strip in half_strips for x in range(32, 1568, 256)]
    lit = [np.ascontiguousarray(window) for window in windows if (window > 20).mean() > 0.7]
    return {"NEU-Seg": plates, "windows": lit, "strips": half_strips}


def unlike(images):
    """Images of which no two are alike at a quarter of the size."""
    flat = np.array([light_removed(image, 64) for image in images])
    spectra = scipy.fft.rfft2(flat)
    most = np.zeros((len(flat), len(flat)))
    for turned in (flat, flat.transpose(0, 2, 1)):
        for down, right in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            views = scipy.fft.rfft2(turned[:, ::down, ::right]).conj()
            for n in range(len(flat)):
                values = scipy.fft.irfft2(spectra[n] * views, s=(64, 64), workers=2)
                most[n] = np.maximum(most[n], values.max(axis=(1, 2)))
    np.fill_diagonal(most, 0)
    return [image for image, value in zip(images, most.max(axis=1), strict=True) if value < 0.6]


def light_removed(image, side):
    """[side, side] without light broader than an eighth of the image, of mean 0 and length 1."""
    grey = cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    grey -= cv2.GaussianBlur(grey, (0, 0), side / 8)
    grey -= grey.mean()
    return grey / np.linalg.norm(grey)


def copies(images, rng):
    """The images with up to three copies of each, shuffled, and the number of each surface."""
    numbers = np.repeat(np.arange(len(images)), 1 + rng.integers(0, 4, len(images)))
    made = [
        images[n] if first else copy(images[n], rng)
        for n, first in zip(numbers, np.diff(numbers, prepend=-1) > 0, strict=True)
    ]
    order = rng.permutation(len(made))
    return [made[n] for n in order], numbers[order]


def copy(image, rng):
    """Flip, turn, crop, scale, expose and save an image anew."""
    turns = rng.integers(4) if image.shape[0] == image.shape[1] else 2 * rng.integers(2)
    grey = np.rot90(image, turns)[:, :: rng.choice((1, -1))]
    top, bottom, left, right = rng.integers(0, 9, 4)
    grey = np.ascontiguousarray(grey[top : len(grey) - bottom, left : grey.shape[1] - right])
    scale = rng.uniform(0.9, 1.1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=method)
    x = 255 * (grey / 255) ** rng.uniform(0.7, 1.5) * rng.uniform(0.6, 1.3) + rng.uniform(-10, 20)
    if rng.random() < 0.5:
        x = x * np.linspace(rng.uniform(0.6, 1), 1, x.shape[1])  # the lamp at one side
    x = x + rng.normal(0, rng.uniform(0, 2), x.shape)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
    return decode(cv2.imencode(".jpg", np.clip(x, 0, 255).astype(np.uint8), quality)[1])


def pairs_of(groups):
    """[S, S] whether two images are of one group, above the diagonal."""
    return np.triu(groups[:, None] == groups, 1)


def groups_at(threshold, pairs, count):
    """Groups if pairs from a similarity on are near-duplicates."""
    groups = DisjointSet(range(count))
    for a, b, similarity in pairs:
        if similarity >= threshold:
            groups.merge(a, b)
    return np.array([groups[n] for n in range(count)])


def precision_and_recall(groups, truth):
    """Of the pairs in one group."""
    ours = pairs_of(groups)
    theirs = pairs_of(truth)
    both = (ours & theirs).sum()
    return both / max(ours.sum(), 1), both / theirs.sum()


def evaluate_copies(name, images, seed):
    """Print precision and recall of the pairs, and how many test images have a copy in training."""
    images, truth = copies(images, np.random.default_rng(seed))
    found = near_duplicates(images.__getitem__, len(images))
    precision, recall = precision_and_recall(found.groups, truth)
    unlike_pairs = [pair.similarity for pair in found.pairs if truth[pair.a] != truth[pair.b]]
    print(f"{name}, seed {seed}: {len(images)} images of {truth.max() + 1} surfaces")
    print(f"  precision {precision:.4f}  recall {recall:.4f}  ", end="")
    print(f"highest similarity of two surfaces {max(unlike_pairs, default=0):.2f}")
    leaks = [leaking(truth, found.groups, number) for number in range(SPLITS)]
    print(f"  test images with a copy in training, {SPLITS} splits: {np.mean(leaks):.2%}")
    for threshold in THRESHOLDS:
        groups = groups_at(threshold, found.pairs, len(images))
        values = "  ".join(f"{value:.4f}" for value in precision_and_recall(groups, truth))
        print(f"    {threshold:.2f}  {values}")


def leaking(truth, groups, seed):
    """Share of the test images of a grouped split that have a true copy in training."""
    split = grouped(nothing_labelled(len(truth)), groups, seed=seed)
    return np.isin(truth[split.test], truth[split.train]).mean()


def nothing_labelled(images):
    """A data set without pixels and labels."""
    return Dataset(
        names=tuple(map(str, range(images))),
        paths=(),
        sizes=np.full((images, 2), 256, np.int32),
        classes=("1",),
        pixels=np.zeros((images, 1), np.int64),
        read_mask=lambda image: np.zeros((256, 256), np.uint8),
        image_hashes=(),
        label_hashes=(),
    )


def evaluate_neu_seg(images, table, sheet):
    """Print how the search agrees with the table of groups."""
    started = time.process_time()
    found = near_duplicates(images.__getitem__, len(images))
    seconds = time.process_time() - started
    truth = table["group"].to_numpy()
    test = (table["split"] == "test").to_numpy()
    leaks, known = (test & np.isin(labels, labels[~test]) for labels in (found.groups, truth))
    precision, recall = precision_and_recall(found.groups, truth)
    small = table["group"].map(table["group"].value_counts()).to_numpy() <= 4
    small_recall = precision_and_recall(found.groups[small], truth[small])[1]
    groups = found.groups.max() + 1
    print(f"NEU-Seg: {len(images)} images, {groups} groups, {seconds:.1f} s of computing")
    print(f"  against the table: precision {precision:.4f}  recall {recall:.4f}", end="")
    print(f"  of groups of up to four images {small_recall:.4f}")
    print(f"  leaking test images: {(leaks & known).sum()} of {known.sum()} found")
    beyond = [p for p in found.pairs if p.similarity >= DUPLICATE and truth[p.a] != truth[p.b]]
    alike = [agreement(images[p.a], images[p.b]) for p in beyond]
    print(f"  found and not in the table: {len(beyond)} pairs were compared, ", end="")
    print(f"{sum(value >= SAME for value in alike)} of them are alike at full size")
    ours = pairs_of(found.groups) & ~pairs_of(truth)
    values = [agreement(images[a], images[b]) for a, b in np.argwhere(ours)]
    print(f"  {len(values)} pairs with those that are connected by others, ", end="")
    print(f"{sum(value >= SAME for value in values)} of them are alike at full size")
    if sheet:
        write_sheet(sheet, [(images[p.a], images[p.b]) for p in beyond])


def agreement(a, b):
    """Median correlation of the blocks of 20 x 20 pixels of two [200, 200] images, once aligned.

    They are aligned by the highest circular correlation over flips, turns and shifts. A scratch or
    a border that only one of them has moves the median little.
    """
    spectrum = scipy.fft.rfft2(light_removed(a, 200))
    views = [
        view[:, ::right]
        for square in (b, b.T)
        for view in (square, square[::-1])
        for right in (1, -1)
    ]
    correlations = [
        scipy.fft.irfft2(spectrum * scipy.fft.rfft2(light_removed(view, 200)).conj())
        for view in views
    ]
    best = int(np.argmax([correlation.max() for correlation in correlations]))
    shift = np.unravel_index(correlations[best].argmax(), (200, 200))
    blocks = [fine_blocks(a), fine_blocks(np.roll(views[best], shift, axis=(0, 1)))]
    return float(np.median((blocks[0] * blocks[1]).sum(axis=1)))


def fine_blocks(image):
    """[100, 400] blocks without light broader than 8 pixels, each of mean 0 and length 1."""
    grey = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    grey -= cv2.GaussianBlur(grey, (0, 0), 8)
    blocks = grey.reshape(10, 20, 10, 20).transpose(0, 2, 1, 3).reshape(100, 400)
    blocks = blocks - blocks.mean(axis=1, keepdims=True)
    return blocks / np.maximum(np.linalg.norm(blocks, axis=1, keepdims=True), 1e-9)


def write_sheet(file, pairs):
    """At most 24 pairs, spread over all, six rows of four."""
    chosen = [pairs[n] for n in np.linspace(0, len(pairs) - 1, 24).round().astype(int)]
    cells = [np.hstack([*pair, np.full((200, 20), 255, np.uint8)]) for pair in chosen]
    cv2.imwrite(str(file), np.vstack([np.hstack(cells[n : n + 4]) for n in range(0, 24, 4)]))


def grow(strips):
    """Print seconds and memory for more and more windows, each in a process of its own."""
    print(f"{'windows':>8}{'s':>9}{'MB':>8}{'copies':>8}{'highest':>9}")
    rows = []
    for count in WINDOWS:
        command = [sys.executable, __file__, "--windows", str(count), "--strips", str(strips)]
        values = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds, megabytes, false, highest = map(float, values)
        rows.append((seconds, megabytes))
        print(f"{count:8}{seconds:9.1f}{megabytes:8.0f}{false:8.0f}{highest:9.3f}", flush=True)
    seconds, megabytes = np.polyfit(np.log(WINDOWS), np.log(rows), 1)[0]
    print(f"seconds grow as windows ** {seconds:.2f}, memory as windows ** {megabytes:.2f}")


def time_windows(strips, count):
    """Print seconds of computing without reading, megabytes, false copies and highest value."""
    paths = sorted((strips / "train_images").glob("*.jpg"))
    read = functools.lru_cache(64)(lambda n: read_grey(paths[n]))
    seconds = [0.0]

    def window(n):
        started = time.thread_time()
        left = n % 8 * 200
        grey = np.ascontiguousarray(read(n // 8)[28:228, left : left + 200])
        seconds[0] += time.thread_time() - started
        return grey

    started = time.process_time()
    found = near_duplicates(window, count)
    taken = time.process_time() - started - seconds[0]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    highest = max((pair.similarity for pair in found.pairs), default=0)
    print(taken, megabytes, count - 1 - found.groups.max(), highest)


def main():
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?", metavar="DATA")
    parser.add_argument("--half", type=int, default=1, choices=(0, 1))
    parser.add_argument("--strips", type=Path, metavar="FOLDER")
    parser.add_argument("--sheet", type=Path, metavar="FILE")
    parser.add_argument("--windows", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.windows:
        return time_windows(args.strips, args.windows)
    if args.data:
        images, table = neu_seg(args.data)
        strips = [read_grey(path) for path in sorted(args.data.glob("severstal_sample/*/*.jpg"))]
        for name, chosen in surfaces(images, table, strips, args.half).items():
            for seed in range(2):
                evaluate_copies(f"{name}, half {args.half}", chosen, seed)
        evaluate_neu_seg(images, table, args.sheet)
    if args.strips:
        grow(args.strips)
    return None


if __name__ == "__main__":
    main()
