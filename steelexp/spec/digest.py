"""What makes two runs the same run."""

import hashlib
import json

from steelexp.spec.schema import ExperimentSpec, PostprocessingSpec

# They name, explain, mirror or propose a run; no weight and no score depends on them.
_WITHOUT_EFFECT = {"name", "question", "tracking", "published", "search"}

_DRAWN_OR_DIVIDED = ("overlays", "devices", "workers")
"""Of the training section; devices divide the same arithmetic, as threads do."""


def digest(spec: ExperimentSpec, *, data: str, split: str, weights: str | None) -> str:
    """Eight hex digits that change when weights or scores may.

    The data section is replaced by what it holds, and the split and a weights file by their
    content, so that none depends on where files lie.

    Args:
        spec: the resolved spec.
        data: the manifest of its images.
        split: sha256 of which of them train, tune and test.
        weights: sha256 of the file that `model.weights` names, if it names one.
    """
    parts = spec.model_dump(exclude={*_WITHOUT_EFFECT, "data", "split"}, mode="json")
    for name in _DRAWN_OR_DIVIDED:
        parts["training"].pop(name)
    if (
        spec.postprocessing == PostprocessingSpec()
    ):  # so that runs from before there was one keep their name
        parts.pop("postprocessing")
    parts |= {"data": data, "split": split}
    if weights is not None:
        parts["model"]["weights"] = weights
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
