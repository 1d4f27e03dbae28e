"""Studies whose truth is known: Dice per image, and run folders as finished runs leave them.

The Dice of strategy k, run r, image s of group g, class c is the sum of

    how hard the surface is          d[g, c]          the same for all: pairing removes it
    the effect of the strategy       effect[k, c]     what a comparison should find
    how it suits the surface         i[k, g, c]       removed by more groups only
    the luck of the seed             l[k, r] + l[k, r, c]        removed by more runs only
    the luck of the seed there       n[k, r, g, c] + n[k, r, s, c]

and near-duplicates, images of one group, have nearly all of it in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelexp.counts import Counts
from steelexp.metrics import definitions, image_metrics
from steelexp.records.image_scores import ImageScores, write_image_scores
from steelexp.records.postprocessing import ClassRules, Postprocessing
from steelexp.records.store import RunFolder
from tests.finished_runs import record, unfinished

CLASSES = ("1", "2", "3", "4")
TUNE_STRIPS = 12


@dataclass(frozen=True)
class Study:
    """What is true of a simulated study.

    Attributes:
        effects: strategy -> what it adds to the Dice of every class, or of each class.
        seeds: runs a strategy.
        groups: of near-duplicates among the test images.
        held: share of the groups that hold each class.
        suits: standard deviation of how a strategy suits a surface.
        luck: of a run, over all images and again per class.
        noise: of a run on a group; half of it again on each image.
        tuned: what tuned thresholds add; with 0 none were tuned.
    """

    effects: Mapping[str, float | tuple[float, ...]] = field(
        default_factory=lambda: {"b4_dice": 0.0, "b4_focal": 0.0}
    )
    seeds: int = 3
    groups: int = 70
    held: tuple[float, ...] = (0.45, 0.35, 0.35, 0.25)
    suits: float = 0.1
    luck: float = 0.015
    noise: float = 0.1
    tuned: float = 0.0


class Scores(NamedTuple):
    """A drawn study.

    Attributes:
        dice: [K, R, S, C], not clipped to 0 and 1, so that a mean is what the study says.
        held: [S, C].
        groups: [S].
    """

    dice: np.ndarray
    held: np.ndarray
    groups: np.ndarray


def draw(study: Study, random: np.random.Generator) -> Scores:
    """Draw surfaces, copies of them, and what each run makes of them."""
    strategies, runs, classes = len(study.effects), study.seeds, len(study.held)
    groups = np.repeat(np.arange(study.groups), 1 + random.poisson(1.0, study.groups))  # [S]
    held = random.random((study.groups, classes)) < study.held
    held[np.arange(2)[:, None], np.flatnonzero(held.sum(axis=0) < 2)] = True

    def normal(sd: float, *shape: int) -> np.ndarray:
        return random.normal(0.0, sd, (strategies, runs, *shape))

    hard = np.clip(random.normal(0.6, 0.1, (study.groups, classes)), 0.3, 0.85)
    effects = np.array([np.broadcast_to(each, classes) for each in study.effects.values()])
    suits = random.normal(0.0, study.suits, (strategies, 1, study.groups, classes))
    luck = normal(study.luck, 1, 1) + normal(study.luck, 1, classes)
    there = normal(study.noise, study.groups, classes)
    on_groups = hard + effects[:, None, None] + suits + luck + there  # [K, R, G, C]
    on_images = on_groups[:, :, groups] + normal(study.noise / 2, len(groups), classes)
    return Scores(on_images, held[groups], groups)


def counts(scores: np.ndarray, held: np.ndarray, random: np.random.Generator) -> Counts:
    """Pixels of one run, [S, C], whose Dice is `scores` to a pixel; a fifth of the rest alarm."""
    area = np.where(held, _area(held), 0)
    tp = np.rint(np.clip(scores, 0.0, 1.0) * area).astype(np.int64)
    alarms = np.where(~held & (random.random(held.shape) < 0.2), 150, 0)
    return Counts(tp, area - tp + alarms, area - tp)


def _area(held: np.ndarray) -> np.ndarray:
    """Labelled pixels, [S, C], the same in every run."""
    image, label = np.indices(held.shape)
    return 2000 + 37 * image % 4000 + 500 * label


def write_study(
    root: Path, study: Study, *, seed: int = 0, classes: tuple[str, ...] = CLASSES, **fields: object
) -> list[Path]:
    """Draw a study and write a folder for each run, root/<strategy>/<seed>; any field of the
    records can be another."""
    random = np.random.default_rng(seed)
    test, val = draw(study, random), draw(study, random)
    val = Scores(val.dice[:, :, :TUNE_STRIPS], val.held[:TUNE_STRIPS], val.groups[:TUNE_STRIPS])
    folders = []
    for k, name in enumerate(study.effects):
        for r in range(study.seeds):
            tested = test.dice[k, r]
            parts = {
                "val": counts(val.dice[k, r], val.held, random),
                "test": counts(tested, test.held, random),
            }
            groups = {"val": val.groups + study.groups, "test": test.groups}
            if study.tuned:
                parts["test_post"] = counts(tested + study.tuned, test.held, random)
                groups["test_post"] = test.groups
                rules = ClassRules(threshold=0.3)
                fields["postprocessing"] = Postprocessing(
                    metric="dice_kaggle", classes=dict.fromkeys(classes[: len(study.held)], rules)
                )
            path = root / name / str(r)
            write_run(path, parts, groups, name=name, seed=r, classes=classes, **fields)
            folders.append(path)
    return folders


def write_run(
    path: Path,
    parts: Mapping[str, Counts],
    groups: Mapping[str, np.ndarray],
    *,
    name: str,
    seed: int = 0,
    classes: tuple[str, ...] = CLASSES,
    **fields: object,
) -> RunFolder:
    """Write a finished run from its pixels on each part; images are named part and number."""
    kept = classes[: parts["val"].tp.shape[1]]
    values = {
        metric: value
        for part, pixels in parts.items()
        for metric, value in image_metrics(pixels, kept, part).items()
    }
    values["val_dice_batch"] = round(values["val_dice_positive"] + 0.05, 6)
    tables = {
        part: ImageScores(_image_names(part, pixels), groups[part], kept, pixels)
        for part, pixels in parts.items()
    }
    write_image_scores(path / "image_scores.parquet", tables)
    given = {
        "name": name,
        "seed": seed,
        "digest": f"{seed:08x}",
        "metrics": values,
        "definitions": definitions(),
        "split": _split(parts, groups),
    }
    made = record(**(given | fields))
    folder = unfinished(path, made.digest, name=name, seed=seed)
    folder.finish(made)
    return folder


def _image_names(part: str, pixels: Counts) -> tuple[str, ...]:
    split = part.replace("test_post", "test")
    return tuple(f"{split}_{n:04d}.jpg" for n in range(len(pixels.tp)))


def _split(parts: Mapping[str, Counts], groups: Mapping[str, np.ndarray]) -> dict[str, object]:
    sizes = {part: len(parts[part].tp) if part in parts else 0 for part in ("val", "test")}
    return {
        "kind": "grouped",
        "parts": {
            "train": 100,
            **sizes,
            "images_per_class": {},
            "digest": "0123456789abcdef",
            "groups": 80 + len(np.unique(np.concatenate(list(groups.values())))),
            "leak": {"groups": 0, "val": 0, "test": 0},
        },
    }
