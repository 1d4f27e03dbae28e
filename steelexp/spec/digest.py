"""What makes two runs the same run."""

import hashlib
import json

from steelexp.spec.effects import effective_settings, is_part_of
from steelexp.spec.schema import ExperimentSpec


def digest(
    spec: ExperimentSpec,
    *,
    data: str,
    split: str,
    weights: str | None,
    start: str | None = None,
    unlabelled: str | None = None,
) -> str:
    """Eight hex digits that change when weights or scores may.

    The data section is replaced by the content of the data set, and the split, a weights file and a
    run to start with by their content, so that none depends on where files lie.

    Args:
        spec: Resolved spec.
        data: Manifest of the images.
        split: sha256 of which images train, validate and test.
        weights: sha256 of the file that `model.weights` names; None if it names no file.
        start: Digest and weights of the run that `model.start` names; None if it names none.
        unlabelled: Teacher, images and settings of `data.unlabelled`; None without it.
    """
    settings = {
        key: value
        for key, value in effective_settings(spec).items()
        if not is_part_of(key, ("data", "split"))
    }
    settings |= {"data": data, "split": split}
    if weights is not None:
        settings["model.weights"] = weights
    if start is not None:
        settings["model.start"] = start
        settings.pop("model.weights", None)  # nothing of them is left
    if unlabelled is not None:
        settings["data.unlabelled"] = unlabelled
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
