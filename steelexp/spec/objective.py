"""The objectives of a search: what its trials are compared by."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from steelexp.metric_names import PART_WORDS, parse_name
from steelexp.metrics import METRICS, is_on_tiles, lower_is_better
from steelexp.spec.explain import nearest
from steelexp.spec.schema import ExperimentSpec

SECONDS: Final = "seconds"
SECONDS_PER_IMAGE: Final = "seconds_per_image"
PARAMETERS: Final = "parameters"

COSTS: Final[Mapping[str, str]] = {
    SECONDS: "seconds of all epochs of the run, training and validation",
    SECONDS_PER_IMAGE: "mean seconds from the file of a validation image to its scores, one image "
    "at a time, without the first image",
    PARAMETERS: "number of weights of the network; a weight has 4 bytes",
}
"""Objectives beside the metrics, with their definitions. All are to be small."""

PARTS: Final = ("val", "val_post")
"""Parts of the data whose metrics can be objectives. Test images are for the report."""


class Objective(NamedTuple):
    """One objective.

    Attributes:
        name: Full name of a metric, such as "val_dice_positive/1", or a key of COSTS.
        direction: Whether it is to be large or small.
    """

    name: str
    direction: Literal["max", "min"]

    @property
    def definition(self) -> str:
        """The definition in words."""
        if self.name in COSTS:
            return COSTS[self.name]
        part, metric, label = parse_name(self.name)
        assert part is not None
        one = "" if label is None else f"class {label}: "
        return f"{one}{METRICS[metric].definition}; {PART_WORDS[part]}, at the best epoch"

    @property
    def sign(self) -> float:
        """Factor that turns it into a loss, which is to be small."""
        return -1.0 if self.direction == "max" else 1.0


def objectives(spec: ExperimentSpec) -> list[Objective]:
    """The objectives of a spec, the first of which picks the best trial.

    The default is the metric that picks the best epoch of a trial.
    """
    setting = None if spec.search is None else spec.search.objective
    names = [setting] if isinstance(setting, str) else setting or [spec.training.monitor]
    return [Objective(name, "min" if _is_small(name) else "max") for name in names]


def first_objective(spec: ExperimentSpec) -> Objective:
    """The objective that picks the best trial."""
    return objectives(spec)[0]


def objective_problems(spec: ExperimentSpec) -> Iterator[str]:
    """Messages about objectives that a search cannot have."""
    names = [objective.name for objective in objectives(spec)]
    if spec.search is not None and spec.search.objective == []:
        yield "it is empty; name an objective, or leave it out"
    interval = spec.training.tile_validation_interval
    for place, name in enumerate(names):
        if (text := _problem(name)) is not None:
            yield f"{name!r}: {text}"
        elif interval > 1 and is_on_tiles(name):
            yield (
                f"{name!r} is measured on tiles, and training.tile_validation_interval is "
                f"{interval}; take 1, or a metric of whole images"
            )
        elif name in names[:place]:
            yield f"{name!r} is given twice"


def _problem(name: str) -> str | None:
    if name in COSTS:
        return None
    part, metric, label = parse_name(name)
    if part is not None and part not in PARTS:
        return "test images are for the report; choose a metric of val or val_post"
    if part is None or metric not in METRICS:
        return f"not known; allowed: {', '.join(COSTS)}, {_metric_words()}{nearest(name, _names())}"
    entry = METRICS[metric]
    if not entry.monitored:
        return "a network without any prediction may win by it; choose another metric"
    if part not in entry.parts or (label is not None and not entry.on_images):
        return "it is measured on tiles; choose a metric of whole images, or val without a class"
    return None


def _names() -> list[str]:
    metrics = [metric for metric in METRICS.values() if metric.monitored]
    return [f"{part}_{metric.name}" for part in PARTS for metric in metrics] + list(COSTS)


def _metric_words() -> str:
    return "val_METRIC and val_post_METRIC, with /CLASS for one class"


def _is_small(name: str) -> bool:
    return name in COSTS or lower_is_better(name)
