"""The spec: one YAML file, one question."""

from steelexp.spec.component import Component, Registry
from steelexp.spec.digest import digest
from steelexp.spec.experiment_model import experiment_model, json_schema
from steelexp.spec.files import SpecError, dump, load, read_resolved
from steelexp.spec.schema import ExperimentSpec
from steelexp.spec.settings import flat
from steelexp.spec.substitution import substitute
from steelexp.spec.yaml_tree import Problem

__all__ = [
    "Component",
    "ExperimentSpec",
    "Problem",
    "Registry",
    "SpecError",
    "digest",
    "dump",
    "experiment_model",
    "flat",
    "json_schema",
    "load",
    "read_resolved",
    "substitute",
]
