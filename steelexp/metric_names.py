"""Full names of metrics: "part_metric/class", built and taken apart here and nowhere else.

"val_dice_positive/1" is the metric dice_positive of class 1 on the validation images,
"val_dice_positive" the same over all classes. A name without a part belongs to training, such as
"loss".
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

Part = Literal["val", "val_post", "test", "test_post"]
"""Validation images, test images, both after post-processing.

The rules of test_post are tuned on all validation images. Those of val_post are cross-fitted, see
`steelexp.evaluation.cross_fitting`.
"""

PARTS: tuple[Part, ...] = get_args(Part)
PART_WORDS: Mapping[Part, str] = {
    "val": "validation images",
    "val_post": "validation images, post-processed by rules of the other fifths",
    "test": "test images",
    "test_post": "test images, post-processed",
}


BEST = "best"
"""Group of the final metrics of the best weights at a tracking service."""

LOWER = "lower"
UPPER = "upper"
"""Groups of the lower and the upper bound of the 95 % interval of a final metric."""


EPOCH_SECONDS = "epoch_seconds"
TOTAL_SECONDS = "total_seconds"
TILES_PER_SECOND = "tiles_per_second"
PEAK_MEMORY = "peak_memory_gib"
PEAK_GPU_MEMORY = "peak_gpu_memory_gib"
"""What an epoch costs, beside its metrics at a tracking service; `epoch_costs` defines them."""

PARAMETER_COUNT = "parameter_count"
DATA_MANIFEST = "data_manifest"
SPLIT_HASH = "split_hash"
"""What a run is, beside its settings at a tracking service; `tracked_run` defines them."""


class MetricName(NamedTuple):
    """A full name, taken apart.

    Attributes:
        part: Part of the data; None in training.
        metric: Name of the metric.
        label: Class; None over all classes.
    """

    part: Part | None
    metric: str
    label: str | None


def full_name(metric: str, part: Part | None, label: str | None = None) -> str:
    """The full name of a value: "val_dice_positive/1" of dice_positive, val and 1."""
    return (f"{part}_" if part else "") + metric + ("" if label is None else f"/{label}")


def grouped_name(group: str, name: str) -> str:
    """A full name in a group at a tracking service: "best/test_dice_positive/1".

    The group comes first: what comes after a slash could be the name of a class.
    """
    return f"{group}/{name}"


def class_names(metric: str, classes: Sequence[str], part: Part | None = None) -> list[str]:
    """Full names of a metric's values: of each class, then over all classes."""
    return [full_name(metric, part, label) for label in (*classes, None)]


@functools.lru_cache(4096)  # a list of 1,000 runs asks 100,000 times
def parse_name(name: str) -> MetricName:
    """Take a full name apart; it may be of a metric that is not known here."""
    whole, slash, text = name.partition("/")
    label = text if slash else None
    for part in sorted(PARTS, key=len, reverse=True):
        if whole.startswith(f"{part}_"):
            return MetricName(part, whole.removeprefix(f"{part}_"), label)
    return MetricName(None, whole, label)


def axis_title(name: str) -> str:
    """A full name as the title of an axis: "dice_positive, validation images"."""
    part, metric, label = parse_name(name)
    return full_name(metric, None, label) + (f", {PART_WORDS[part]}" if part else "")


def reported_part(names: Iterable[str]) -> Literal["test", "val"]:
    """The part whose metrics are reported.

    Test images where there are some; in the published protocol the images that picked the epoch.
    """
    return "test" if any(parse_name(name).part == "test" for name in names) else "val"


def classes_of(names: Iterable[str]) -> tuple[str, ...]:
    """Classes among full names, in the order of the metric that has values for the most of them."""
    families: dict[str, list[str]] = {}
    for name in names:
        part, metric, label = parse_name(name)
        if label is not None:
            families.setdefault(full_name(metric, part), []).append(label)
    largest: list[str] = max(families.values(), key=lambda labels: len(labels), default=[])
    return tuple(largest)
