"""Evaluation of an ensemble on images that none of its members has seen, and on no others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steelexp.comparison.differences import difference, strategy
from steelexp.comparison.ratios import sums_of_runs
from steelexp.counts import Counts
from steelexp.data import pipeline
from steelexp.data.splits.split import Rows
from steelexp.data.splits.unseen import unseen_rows
from steelexp.ensemble import Ensemble, ensemble_scorer
from steelexp.evaluation.external import evaluate_external
from steelexp.evaluation.result import write_result
from steelexp.fold_runs import check_same_images
from steelexp.metric_names import class_names, parse_name
from steelexp.metrics import METRICS, ON_IMAGES
from steelexp.plan import Plan
from steelexp.records.ensemble_file import (
    EnsembleFile,
    EnsembleMember,
    Gain,
    write_ensemble_file,
)
from steelexp.records.image_scores import read_image_scores
from steelexp.records.record import Record
from steelexp.records.run_file import hashes_of
from steelexp.records.store import EVALUATION, RunFolder


def evaluate_ensemble(ensemble: Ensemble, plans: Sequence[Plan], place: Path) -> EnsembleFile:
    """Evaluate an ensemble on the test images that all members have in common.

    Args:
        ensemble: Ensemble.
        plans: Plan of each member, whose folder is that of the member.
        place: Folder of the evaluation.

    Raises:
        UserError: The members have other data.
        DataError: A member has seen a test image of another, or a near-duplicate of it, or there
            are no test images.
    """
    plan = plans[0]
    check_same_images(plans)
    rows = unseen_rows([each.split for each in plans], plan.groups)
    groups = plan.groups[rows]
    with RunFolder(place).hold(), pipeline.original_errors():
        result = evaluate_external(
            ensemble_scorer(ensemble),
            plan.dataset,
            rows,
            groups,
            threshold=ensemble.threshold,
            postprocessing=ensemble.rules,
            source=place,
        )
        write_result(place, plan.dataset, plan.groups, result)
        rules = ensemble.rules
        evaluation = EnsembleFile(
            name=ensemble.card.name,
            digest=ensemble.card.digest,
            members=list(map(_member, ensemble.records)),
            images=len(rows),
            groups=len(np.unique(groups)),
            threshold=ensemble.threshold,
            metrics=dict(result.metrics),
            gains=_gains(result.parts["test"].counts, plans, groups),
            rules={} if rules is None else rules.classes,
            tuned_for=None if rules is None else rules.metric,
            files=hashes_of(place, EVALUATION),
        )
        write_ensemble_file(place, evaluation)
    return evaluation


def _member(record: Record) -> EnsembleMember:
    names = {name: parse_name(name) for name in record.metrics}
    metrics = {
        name: record.metrics[name]
        for name, each in names.items()
        if each.part == "test" and METRICS[each.metric].on_images
    }
    return EnsembleMember(
        digest=record.digest, seed=record.seed, weights=record.weights, metrics=metrics
    )


def _gains(counts: Counts, plans: Sequence[Plan], groups: Rows) -> dict[str, Gain]:
    """What the ensemble gains in each metric, paired image by image."""
    members = []
    for plan in plans:
        file = plan.folder.file(plan.folder.finished_record().images)
        members.append(read_image_scores(file, "test").counts)
    numbers = np.unique(groups, return_inverse=True)[1].ravel()
    gains: dict[str, Gain] = {}
    for metric in ON_IMAGES:
        one = strategy(sums_of_runs([counts], numbers, metric.name))
        other = strategy(sums_of_runs(members, numbers, metric.name))
        each = difference(one, other)
        for column, name in enumerate(class_names(metric.name, plans[0].dataset.classes)):
            if not np.isnan(each.value[column]):
                bounds = [each.low[column], each.high[column]]
                low, high = (None if np.isnan(end) else round(float(end), 6) for end in bounds)
                gains[name] = Gain(value=round(float(each.value[column]), 6), low=low, high=high)
    return gains
