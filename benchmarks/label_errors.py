"""How well `data audit` finds label errors that were planted into NEU-Seg, beside other rankings.

    STEELEXP_NEU_SEG=FOLDER python benchmarks/label_errors.py plant OUT
    STEELEXP_MOBILENET=FILE python -m steelexp run OUT/planted.yaml --runs OUT/runs   # and so on
    python benchmarks/label_errors.py rank OUT [--cleanlab PYTHON]

`plant` copies one image of each group of near-duplicates of NEU-Seg's training part to OUT/clean,
with its labels, and to OUT/planted, with errors in 5 % of the labelled components of at least 64
pixels. A quarter of the errors is of each kind: a component is removed, the shape of a component of
another image is added where nothing is labelled, the class of a component is changed, and the
outline of a component is cut, widened or moved. An image has one error at most. It also writes a
spec for each of two folds of five, whose parts for validation and test are four fifths of the
images.

`rank` audits the planted labels. The images are in two halves. What the audit weighs was chosen on
half 0, and half 1 is reported. The order of the images is compared with a random one, with the mean
cross-entropy of an image, and with cleanlab's score of an image (softmin of the pixels' confidence
in their label), which PYTHON, an interpreter with cleanlab, computes. The order of the components
is compared with the mean cross-entropy of a component. Intervals: 1,000 bootstrap samples of the
groups of near-duplicates, which are the images here.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.variant import first_of_each_group

CLASSES = ("inclusion", "patches", "scratches")
KINDS = ("missed", "invented", "swapped", "ragged")
SHARE = 0.05
SMALLEST = 64  # pixels of a component with an error
SMALLEST_RAGGED = 200
SEED = 0

SPEC = """\
name: {name}
data: {{source: mask_folder, root: "{root}", images: images, masks: masks,
  classes: [inclusion, patches, scratches]}}
split: {{kind: kfold, folds: 5, fold: {fold}, seed: 42}}
tiling: {{kind: random_crops, size: 192, count: 1}}
sampling: {{kind: class_balanced}}
augment: {{flips: {{}}}}
model:
  architecture: unet
  backbone: mobilenet
  weights: "${{STEELEXP_MOBILENET:-imagenet}}"
  scaling: imagenet
  batch_norm_momentum: 0.9
  decoder_filters: [64, 48, 32, 24, 16]
  resolution: half
loss: {{name: bce_dice, reduce: batch_and_class}}
optimizer: {{name: adam, learning_rate: 1.0e-3}}
training: {{epochs: 6, batch_size: 8, monitor: val_dice_positive, overlays: 0}}
tracking: {{name: none}}
seed: 0
"""


def plant(out, root):
    """Write the clean and the planted data set, the table of the errors, and the specs."""
    data = mask_folder(
        root=str(root), images="images/training", masks="annotations/training", classes=CLASSES
    )
    groups = duplicate_groups(cache_images(data, "disk", cache_root()), cache_root())
    rows = first_of_each_group(groups).tolist()
    values = {row: values_of(data.mask(row)) for row in rows}
    random = np.random.default_rng(SEED)
    errors = planted_errors(values, random)
    for name in ("clean", "planted"):
        (out / name / "images").mkdir(parents=True)
        (out / name / "masks").mkdir()
    table = []
    for row in rows:
        stem = Path(data.names[row]).stem
        error = errors.get(row)
        for name, mask in (("clean", values[row]), ("planted", error[1] if error else values[row])):
            (out / name / "images" / f"{stem}.jpg").write_bytes(data.paths[row].read_bytes())
            cv2.imwrite(str(out / name / "masks" / f"{stem}.png"), mask)
        half = int(random.integers(2))
        table.append((stem, half, error[0] if error else ""))
    pd.DataFrame(table, columns=["image", "half", "kind"]).to_csv(out / "errors.csv", index=False)
    for name in ("clean", "planted"):
        for fold in (0, 2):
            text = SPEC.format(name=f"{name}_{fold}", root=(out / name).resolve(), fold=fold)
            (out / f"{name}_{fold}.yaml").write_text(text)
    print(
        f"{len(rows)} images, errors: {pd.Series([k for k, _ in errors.values()]).value_counts()}"
    )


def values_of(bits):
    """Bits of a mask -> 0 for none, c + 1 for class c."""
    values = np.zeros(bits.shape, np.uint8)
    for c in range(len(CLASSES)):
        values[bits >> c & 1 > 0] = c + 1
    return values


def components(values):
    """Value and region of each component of at least SMALLEST pixels."""
    for value in range(1, len(CLASSES) + 1):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (values == value).astype(np.uint8), connectivity=8
        )
        for number in range(1, count):
            if stats[number, cv2.CC_STAT_AREA] >= SMALLEST:
                yield value, labels == number


def planted_errors(values, random):
    """Row -> kind and the mask with the error."""
    every = [(row, *each) for row, mask in values.items() for each in components(mask)]
    count = round(SHARE * len(every))
    print(f"{len(every)} components of at least {SMALLEST} pixels, {count} errors")
    order = random.permutation(len(every)).tolist()
    errors = {}
    for number in order:
        row, value, region = every[number]
        if len(errors) == count:
            break
        kind = KINDS[len(errors) % len(KINDS)]
        if kind == "invented":  # into an image that may hold no defect of this class
            row = int(random.choice(list(values)))
        if row in errors:
            continue
        mask = CHANGES[kind](values[row], value, region, random)
        if mask is not None and np.count_nonzero(mask != values[row]) >= SMALLEST // 2:
            errors[row] = (kind, mask)
    return errors


def removed(mask, value, region, random):
    """The mask without the component."""
    return np.where(region, 0, mask).astype(np.uint8)


def added(mask, value, region, random):
    """The mask with the shape of a component, where nothing is labelled; None without room."""
    rows, columns = np.nonzero(region)
    rows -= rows.min()
    columns -= columns.min()
    labelled = cv2.dilate((mask > 0).astype(np.uint8), np.ones((11, 11), np.uint8))
    for _ in range(20):
        top = random.integers(0, mask.shape[0] - rows.max())
        left = random.integers(0, mask.shape[1] - columns.max())
        if not labelled[rows + top, columns + left].any():
            changed = mask.copy()
            changed[rows + top, columns + left] = value
            return changed
    return None


def swapped(mask, value, region, random):
    """The mask with another class in the place of the component."""
    other = random.choice([v for v in range(1, len(CLASSES) + 1) if v != value])
    return np.where(region, other, mask).astype(np.uint8)


def ragged(mask, value, region, random):
    """The mask with an outline that is cut, widened or moved; None for a small component."""
    if region.sum() < SMALLEST_RAGGED:
        return None
    change = (cut, widened, moved)[random.integers(3)]
    new = change(region, random) & ((mask == 0) | region)
    changed = np.where(region, 0, mask).astype(np.uint8)
    changed[new] = value
    return changed


def cut(region, random):
    """The region without a third to a half at one of its ends."""
    rows, columns = np.nonzero(region)
    along = rows if np.ptp(rows) >= np.ptp(columns) else columns
    share = random.uniform(1 / 3, 1 / 2)
    limit = np.quantile(along, share)
    keep = along > limit if random.integers(2) else along < np.quantile(along, 1 - share)
    changed = np.zeros_like(region)
    changed[rows[keep], columns[keep]] = True
    return changed


def widened(region, random):
    """The region, dilated until it is half as large again."""
    wide = region.astype(np.uint8)
    while wide.sum() < 1.5 * region.sum() and not wide.all():
        wide = cv2.dilate(wide, np.ones((3, 3), np.uint8))
    return wide > 0


def moved(region, random):
    """The region, moved by at least 4 pixels and by a third of its smaller side."""
    rows, columns = np.nonzero(region)
    step = max(4, round(min(np.ptp(rows), np.ptp(columns)) / 3))
    angle = random.uniform(0, 2 * np.pi)
    rows = rows + round(step * np.sin(angle))
    columns = columns + round(step * np.cos(angle))
    inside = (rows >= 0) & (rows < len(region)) & (columns >= 0) & (columns < region.shape[1])
    changed = np.zeros_like(region)
    changed[rows[inside], columns[inside]] = True
    return changed


CHANGES = {"missed": removed, "invented": added, "swapped": swapped, "ragged": ragged}


def main():
    """Plant errors, or rank what was planted."""
    import os

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stage", choices=("plant", "rank"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--cleanlab", metavar="PYTHON")
    args = parser.parse_args()
    if args.stage == "plant":
        plant(args.out, Path(os.environ["STEELEXP_NEU_SEG"]))


if __name__ == "__main__":
    main()
