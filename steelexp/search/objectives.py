"""The objective of a search: what its trials are compared by."""

from steelexp.metrics import lower_is_better
from steelexp.spec import ExperimentSpec


def direction(spec: ExperimentSpec) -> str:
    """Whether the objective is minimised or maximised."""
    return "min" if lower_is_better(spec.training.monitor) else "max"
