"""Evaluation of finished runs on other labelled data than their own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from steelexp.data import pipeline
from steelexp.data.cache import cache_images, cache_root
from steelexp.data.class_order import match_classes
from steelexp.data.dataset import DataError, Dataset, raise_if
from steelexp.data.duplicate_groups import duplicate_groups
from steelexp.data.relatives import joint_groups
from steelexp.data.sources import LOADERS, source_of
from steelexp.data.variant import first_of_each_group, select
from steelexp.errors import reason
from steelexp.evaluation.external import evaluate_external
from steelexp.evaluation.result import write_result
from steelexp.plan import Plan, SpecModel
from steelexp.records.atomic import write_atomically
from steelexp.records.external_evaluation import FILE, ExternalEvaluation, Relatives
from steelexp.records.reevaluation import FOLDER
from steelexp.records.store import RunFolder
from steelexp.run_model import load_model
from steelexp.spec import ExperimentSpec, load
from steelexp.spec.schema import DataSpec

SPEC_SUFFIXES = (".yaml", ".yml")


class ExternalData(NamedTuple):
    """Other labelled data, before they are read.

    Attributes:
        name: Name of the data for the user.
        settings: Data section that they are read with.
    """

    name: str
    settings: DataSpec


def external_data(
    path: Path, run_spec: ExperimentSpec, *, classes: Sequence[str] | None = None
) -> ExternalData:
    """The data section for a spec file, or for a folder of a known layout.

    A folder of the source that the run was trained on is read with the run's own settings.

    Args:
        path: Spec file, of which the data section is taken, or root folder of a data set.
        run_spec: Spec of the run.
        classes: Names of the classes, for a folder whose files do not name them.

    Raises:
        UserError: The spec is wrong, or the folder has no known layout or needs more settings.
    """
    if path.suffix in SPEC_SUFFIXES:
        if classes is not None:
            raise DataError(f"--classes: without effect beside {path}; set data.classes there")
        return ExternalData(path.stem, load(path, model=SpecModel).data)
    source = source_of(path)
    own = run_spec.data
    settings: dict[str, Any] = {"source": source, "cache": "none"}
    if own.choice == source:
        settings |= {key: own.settings[key] for key in own.settings if not key.startswith("subset")}
    settings["root"] = str(path)
    if classes is not None:
        settings["classes"] = tuple(classes)
    try:
        spec = SpecModel.model_validate(run_spec.model_dump() | {"data": settings})
    except ValidationError as error:
        raise DataError(
            f"--data {path}: read as {source}: {reason(error)}; name the classes with --classes, "
            "or give a spec file with its data section"
        ) from None
    return ExternalData(path.resolve().name, spec.data)


def evaluate_on(
    folder: RunFolder,
    data: ExternalData,
    *,
    renamed: Mapping[str, str],
    plan: Plan | None,
    no_plan: str,
) -> tuple[ExternalEvaluation, Path]:
    """Evaluate a finished run on all images of other data; its record stays as it is.

    Args:
        folder: Run folder.
        data: Other data.
        renamed: Class of the data -> class of the run, where the names differ.
        plan: Plan of the run, to look for near-duplicates of its images; None if its own data are
            not at hand.
        no_plan: Reason why there is no plan.

    Returns:
        The contents of evaluations/NAME/external.json in the run folder, and evaluations/NAME.

    Raises:
        UserError: The run is unfinished, or the data are wrong, have other classes or no defect.
    """
    record = folder.finished_record()
    classes = tuple(record.class_weights)
    source = match_classes(data.settings.bind(LOADERS)(), classes, renamed)
    raise_if([f"{data.name}: no image has a label"] if not source.pixels.any() else [])
    every = cache_images(source, data.settings.cache, cache_root())
    all_groups = duplicate_groups(every, cache_root())
    once = data.settings.deduplicate
    rows = first_of_each_group(all_groups) if once else np.arange(len(every))
    dataset = select(every, rows)
    relatives = None if plan is None else _relatives(dataset, plan)
    with folder.hold(), pipeline.original_errors():
        result = evaluate_external(
            load_model(folder),
            dataset,
            all_groups[rows],
            threshold=record.threshold,
            postprocessing=record.postprocessing,
        )
        evaluation = ExternalEvaluation(
            name=data.name,
            data=data.settings.model_dump(mode="json"),
            renamed=dict(renamed),
            manifest=dataset.manifest,
            images=len(dataset),
            metrics=dict(result.metrics),
            postprocessing=record.postprocessing,
            relatives=relatives,
            unknown_relatives=no_plan,
        )
        place = folder.path / FOLDER / evaluation.folder_name
        write_result(place, dataset, all_groups[rows], result)
        write_atomically(place / FILE, (evaluation.model_dump_json(indent=2) + "\n").encode())
    return evaluation, place


def _relatives(dataset: Dataset, plan: Plan) -> Relatives:
    """Count the images with a near-duplicate among those the run was trained or tuned on."""
    groups, own = joint_groups(dataset, plan.dataset)
    split = plan.split
    return Relatives(
        train=int(np.isin(groups, own[split.train]).sum()),
        val=int(np.isin(groups, own[split.val]).sum()),
    )
