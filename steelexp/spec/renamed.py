"""Names of version 0.1 that are others now, so that an old file is told the new name."""

from collections.abc import Iterator, Mapping
from typing import Any

KEYS = {
    "baseline": "published",
    "decision": "postprocessing",
    "warm_up": "loss_warm_up",
    "data.copies": "data.deduplicate, true for one and false for all",
    "data.keep": "data.train_fraction",
    "data.keep_seed": "data.train_fraction_seed",
    "split.tune": "split.val",
    "split.validation": "split.val",
    "loss.absent": "loss.empty_class",
    "loss.over": "loss.reduce",
    "loss_warm_up.absent": "loss_warm_up.empty_class",
    "loss_warm_up.over": "loss_warm_up.reduce",
    "training.early_stopping": "training.early_stopping_patience",
    "training.reduce_lr": "training.reduce_lr_patience",
}
"""Old key -> new key."""

REFUSED = {
    "augment.mixup": "not offered: a pixel of a mask is a bit, and a mix of two tiles has labels "
    "between 0 and 1, which neither the losses nor the counts of pixels know; augment.copy_paste "
    "puts the defects of one tile into another, with labels that are true",
}
"""Key of a setting that is well known and not offered -> reason."""

VALUES = {
    "sampling.kind": {"round_robin": "class_balanced", "capped": "repeat_factor"},
    "split.kind": {"same": "overfit"},
}
"""Key -> old value -> new value."""


def renamed_key(key: str) -> str | None:
    """What became of a key, for a message; None for any other key.

    Args:
        key: Dotted key.
    """
    new = KEYS.get(key)
    if key in REFUSED:
        return REFUSED[key]
    return None if new is None else f"renamed; write {new}"


def renamed_value(key: str, value: Any) -> str | None:
    """The new name of a value, for a message; None where it was not renamed.

    Args:
        key: Dotted key.
        value: Value that was written.
    """
    new = VALUES.get(key, {}).get(value) if isinstance(value, str) else None
    return None if new is None else f"{value!r}: renamed; write {new}"


def old_names(spec: Mapping[str, Any]) -> Iterator[str]:
    """The old names in a spec, as "old is new now".

    Args:
        spec: Settings as plain values.
    """
    for old, new in KEYS.items():
        section, _, setting = old.partition(".")
        content = spec.get(section)
        if section in spec and (
            not setting or (isinstance(content, Mapping) and setting in content)
        ):
            yield f"{old} is {new} now"
