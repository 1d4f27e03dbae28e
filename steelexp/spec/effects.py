"""Which settings can change a weight or a score, and which have no effect at all."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from steelexp.spec.schema import ExperimentSpec
from steelexp.spec.settings import flat

WITHOUT_EFFECT: Final = frozenset(
    {
        "name",
        "question",
        "tracking",
        "published",
        "search",
        "data.root",
        "data.cache",
        "data.unlabelled.root",
        "training.overlays",
        "training.tile_validation_interval",
        "training.devices",
        "training.workers",
        "training.xla",
        "training.convolutions",
    }
)
"""Dotted settings, or whole sections, on which no weight and no score depends.

Where the data lie does not matter, since what they hold is compared by its content. Devices and
workers divide the same arithmetic, and XLA and Winograd do it in another order. Tiles are validated
more or less often, by the same weights.
"""

ADDED_LATER: Final[Mapping[str, Any]] = {
    "data.exclude": None,
    "data.train_share": 1.0,
    "data.train_share_seed": 0,
    "data.unlabelled": None,
    "head.name": "none",
    "schedule.name": "plateau",
    "schedule.warm_up_epochs": 0.0,
    "training.phases": [],
    "tiling.max_black": 1.0,
    "model.start": None,
    "model.start_weights": "all",
    "model.start_at": "last",
    "averaging.name": "none",
    "training.accumulate": 1,
    "training.freeze_encoder_epochs": 0,
    "training.encoder_lr_factor": 1.0,
    "split.test": 0.0,
    "loss.symmetric": False,
    "loss.label_smoothing": 0.0,
    "loss.positive_weights": [1.0],
    "loss_warm_up.symmetric": False,
    "loss_warm_up.label_smoothing": 0.0,
    "loss_warm_up.positive_weights": [1.0],
}
"""Settings that earlier versions did not have, each with the value that computes as they did.

At this value a setting is left out, so that the digests of earlier runs stay.
"""

_FIRST_WITH: Final = {"positive_weights": "weighted_bce"}
"""Settings that earlier versions had for one component alone: for this one they always count."""

OF_TRIALS: Final = ("tracking.trial_alerts",)
"""Settings that trials of a search alone obey."""


def effective_settings(spec: ExperimentSpec) -> dict[str, Any]:
    """Dotted key -> value of every setting on which a weight or a score may depend."""
    every = flat(spec.model_dump(mode="json"))
    return {
        key: value
        for key, value in every.items()
        if not is_part_of(key, WITHOUT_EFFECT) and not _is_as_before(key, every)
    }


def _is_as_before(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether earlier versions had no such setting, and it has the value that changes nothing."""
    section, _, setting = key.partition(".")
    if setting in _FIRST_WITH and settings.get(f"{section}.name") == _FIRST_WITH[setting]:
        return False
    return key in ADDED_LATER and settings[key] == ADDED_LATER[key]


def idle_settings(spec: ExperimentSpec) -> list[str]:
    """Dotted settings that nothing obeys, because the spec has no search."""
    if spec.search is not None:
        return []
    every = flat(spec.model_dump(mode="json"))
    return [key for key in OF_TRIALS if every.get(key)]


def is_part_of(key: str, settings: Collection[str]) -> bool:
    """Whether a dotted key is one of the settings, or lies in one of the sections."""
    parts = key.split(".")
    return any(".".join(parts[:length]) in settings for length in range(1, len(parts) + 1))
