"""How well `data audit` finds label errors that were planted into NEU-Seg, beside other rankings.

    STEELEXP_NEU_SEG=FOLDER python benchmarks/label_errors.py plant OUT
    STEELEXP_MOBILENET=FILE python -m steelexp run OUT/planted_*.yaml --runs OUT/runs
    python benchmarks/label_errors.py score OUT [--cleanlab PYTHON]
    python benchmarks/label_errors.py rank OUT

`plant` copies one image of each group of near-duplicates of NEU-Seg's training part to OUT/clean,
with its labels, and to OUT/planted, with errors in 5 % of the labelled components of at least 64
pixels. A quarter of the errors is of each kind: a component is removed, the shape of a component of
another image is added where nothing is labelled, the class of a component is changed, and the
outline of a component is cut, widened or moved. An image has one error at most. It also writes a
spec for each of two folds of five, whose parts for validation and test are four fifths of the
images.

`score` audits the planted labels, and `rank` compares. The images are in two halves. What the audit
weighs was chosen on half 0, and half 1 is reported. A component hits an error of its image where
the boxes of both have an intersection over union of at least 0.3. The order of the components is
compared with a random one, with the disagreement alone, and with the mean cross-entropy of a
component. The order of the images is compared with a random one, with the mean cross-entropy of an
image, and with cleanlab's score of an image (softmin of the pixels' confidence in their label),
which PYTHON, an interpreter with cleanlab, computes. Intervals: 1,000 bootstrap samples of the
groups of near-duplicates, which are the images here.
"""

import argparse
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from steelexp.audit.components import suspects
from steelexp.audit.out_of_fold import out_of_fold
from steelexp.audit.suspicion import suspicion
from steelexp.audit.unseen import unseen_images
from steelexp.commands.run_plan import plan_of_run
from steelexp.data.cache import cache_images
from steelexp.data.cache_root import cache_root
from steelexp.data.duplicates.groups import duplicate_groups
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.variant import first_of_each_group
from steelexp.evaluation.component_confusion import Box
from steelexp.inference.scoring import build_scorer
from steelexp.records.store import run_folders
from steelexp.run_model import load_model

CLASSES = ("inclusion", "patches", "scratches")
KINDS = ("missed", "invented", "swapped", "ragged")
SHARE = 0.05
SMALLEST = 64  # pixels of a component with an error
SMALLEST_RAGGED = 200
MIN_AREA = 32  # pixels of a component that is ranked
SAME = 0.3  # least intersection over union of the boxes of a finding and of the error that it hits
SAMPLES = 1000
RANKINGS = ("audit", "disagreement", "mean cross-entropy", "cleanlab softmin")
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


def score(out, cleanlab):
    """Write what each ranking says of each component and image."""
    runs = [folder for path in sorted(out.glob("runs/planted_*")) for folder in run_folders(path)]
    plans = [replace(plan_of_run(run, run.path.parent), folder=run) for run in runs]
    scorers = [build_scorer(load_model(plan.folder)) for plan in plans]
    dataset = plans[0].dataset
    every, image_losses, scored = [], {}, {}
    for image, _ in out_of_fold(scorers, dataset, unseen_images(plans)):
        image_losses[image.row] = costs(image).sum(axis=2).mean()
        every += suspects(image, min_area=MIN_AREA)
        scored[image.row] = image if cleanlab else None
    errors = pd.read_csv(out / "errors.csv", dtype={"image": str}, keep_default_na=False)
    errors = errors.set_index("image")
    stems = {row: Path(dataset.names[row]).stem for row in scored}
    planted = {row: errors["kind"][stem] for row, stem in stems.items()}
    boxes = {row: error_box(out, stems[row], kind) for row, kind in planted.items() if kind}
    components = pd.DataFrame(
        {
            "row": [s.row for s in every],
            "kind": [s.kind for s in every],
            "audit": suspicion(every),
            "disagreement": [s.disagreement for s in every],
            "mean cross-entropy": [s.loss for s in every],
            "hit": [s.row in boxes and overlap(s.box, boxes[s.row]) >= SAME for s in every],
        }
    )
    images = pd.DataFrame({"row": list(scored)})
    images["audit"] = images["row"].map(components.groupby("row")["audit"].max()).fillna(0)
    images["mean cross-entropy"] = images["row"].map(image_losses)
    if cleanlab:
        images["cleanlab softmin"] = -peer(cleanlab, out, scored, images["row"].tolist())
    images["hit"] = images["row"].isin(list(boxes))
    for name, frame in (("components", components), ("images", images)):
        frame["planted"] = frame["row"].map(planted)
        frame["half"] = frame["row"].map(lambda row: errors["half"][stems[row]])
        frame.to_csv(out / f"{name}.csv", index=False)


def rank(out):
    """Print how the rankings do on each half."""
    for half in (0, 1):
        for unit in ("components", "images"):
            frame = pd.read_csv(out / f"{unit}.csv", keep_default_na=False)
            frame = frame[frame["half"] == half]
            errors = frame.loc[frame["planted"] != "", "row"].nunique()
            print(
                f"half {half}: {len(frame)} {unit}, {frame['hit'].sum()} hit one of {errors} errors"
            )
            describe(frame, [name for name in RANKINGS if name in frame])
            print(f"    {'random':20} precision {frame['hit'].mean():.3f}")
            if unit == "components":
                describe_kinds(frame)


def describe_kinds(frame):
    """Print how many errors of each kind are among the first 100."""
    first = frame.sort_values("audit", ascending=False, kind="stable").head(100)
    found = first[first["hit"]]
    for kind in KINDS:
        total = frame.loc[frame["planted"] == kind, "row"].nunique()
        hits = found[found["planted"] == kind]
        same = hits.loc[hits["kind"] == kind, "row"].nunique()
        print(f"    {kind}: {hits['row'].nunique()} of {total} in the first 100, {same} as {kind}")


def costs(image):
    """Cross-entropy of each pixel and class, [H, W, C]."""
    scores = np.clip(image.scores, 1e-4, 1 - 1e-4)
    truth = np.stack([image.truth(c) for c in range(scores.shape[2])], axis=2)
    return -np.log(np.where(truth, scores, 1 - scores))


def error_box(out, stem, kind):
    """Box of an error; of a ragged border, with all of the clean and the planted component."""
    clean, mask = (
        cv2.imread(str(out / name / "masks" / f"{stem}.png"), cv2.IMREAD_GRAYSCALE)
        for name in ("clean", "planted")
    )
    area = clean != mask
    if kind == "ragged":
        value = max(clean[area].max(), mask[area].max())
        beside = cv2.dilate(area.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        for each in (clean, mask):
            _, labels = cv2.connectedComponents((each == value).astype(np.uint8), connectivity=8)
            area = area | np.isin(labels, np.setdiff1d(labels[beside], [0]))
    rows, columns = np.nonzero(area)
    return Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


def overlap(a, b):
    """Intersection over union of two boxes."""
    height = min(a.bottom, b.bottom) - max(a.top, b.top)
    width = min(a.right, b.right) - max(a.left, b.left)
    both = max(height, 0) * max(width, 0)
    areas = [(box.bottom - box.top) * (box.right - box.left) for box in (a, b)]
    return both / (sum(areas) - both)


def describe(frame, names):
    """Print the measures of each ranking with intervals, and the first one's gain over it."""
    baseline = None
    for name in names:
        once, samples = bootstrapped(frame, name)
        print(f"    {name:20} {in_words(once, samples)}")
        if baseline is None:
            baseline = once, samples
        else:
            gain = in_words(baseline[0] - once, baseline[1] - samples)
            print(f"    {f'{names[0]} - it':>20} {gain}")


def bootstrapped(frame, name):
    """The measures of a ranking, [4], and of bootstrap samples of the images, [SAMPLES, 4]."""
    random = np.random.default_rng(SEED)
    order = frame.sort_values(name, ascending=False, kind="stable")
    rows, places = np.unique(order["row"].to_numpy(), return_inverse=True)
    has_error = np.zeros(len(rows), bool)
    has_error[places[order["planted"].to_numpy() != ""]] = True
    hits = order["hit"].to_numpy()
    once = measures(hits, places, np.ones(len(rows), int), has_error)
    draws = random.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), SAMPLES)
    samples = [measures(hits, places, draw, has_error) for draw in draws]
    return np.array(once), np.array(samples)


def in_words(once, samples):
    """The measures, each with its interval of 95 %."""
    low, high = np.percentile(samples, [2.5, 97.5], axis=0)
    names = ("P50", "P100", "recall100", "AP")
    return "  ".join(
        f"{n} {v:.2f} [{a:.2f}, {b:.2f}]" for n, v, a, b in zip(names, once, low, high, strict=True)
    )


def measures(hits, places, copies, has_error):
    """The measures of a ranking of which each image has some copies; an error is found once.

    Args:
        hits: [N] whether each item, the first one first, is an error.
        places: [N] number of its image.
        copies: [R] copies of each image.
        has_error: [R] whether it has an error.
    """
    items = np.repeat(np.arange(len(hits)), copies[places])
    all_hits = hits[items]
    errors = max(copies[has_error].sum(), 1)
    first = items[:100]
    found = np.unique(places[first[hits[first]]])
    precision = np.cumsum(all_hits) / np.arange(1, len(all_hits) + 1)
    average = (precision * all_hits).sum() / errors
    return all_hits[:50].mean(), all_hits[:100].mean(), copies[found].sum() / errors, average


def peer(python, out, images, rows):
    """Cleanlab's score of each image, by an interpreter that has it."""
    labels, scores = [], []
    for row in rows:
        image = images[row]
        values = np.concatenate([1 - image.scores.max(axis=2, keepdims=True), image.scores], axis=2)
        scores.append(np.moveaxis(values / values.sum(axis=2, keepdims=True), 2, 0))
        labels.append(values_of(image.bits))
    np.savez(out / "peer.npz", labels=np.stack(labels), scores=np.stack(scores))
    subprocess.run([python, "-c", PEER, str(out)], check=True)
    return np.load(out / "peer_scores.npy")


PEER = """
import sys
import numpy as np
from cleanlab.segmentation.rank import get_label_quality_scores
data = np.load(sys.argv[1] + "/peer.npz")
scores, _ = get_label_quality_scores(data["labels"].astype(int), data["scores"], verbose=False)
np.save(sys.argv[1] + "/peer_scores.npy", scores)
"""


def main():
    """Plant errors, or rank what was planted."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("stage", choices=("plant", "score", "rank"))
    parser.add_argument("out", type=Path)
    parser.add_argument("--cleanlab", metavar="PYTHON")
    args = parser.parse_args()
    if args.stage == "plant":
        plant(args.out, Path(os.environ["STEELEXP_NEU_SEG"]))
    elif args.stage == "score":
        score(args.out, args.cleanlab)
    else:
        rank(args.out)


if __name__ == "__main__":
    main()
