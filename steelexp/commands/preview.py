"""The plan of an experiment in words, before anything is run."""

from pathlib import Path

from steelexp.commands.extended_plan import new_row_lines
from steelexp.data.exclusion import describe_exclusion
from steelexp.data.splits.split import PARTS
from steelexp.input_changes import same_spec_on_other_data
from steelexp.network import network_without_weights
from steelexp.plan import Plan, prepare
from steelexp.progress import say
from steelexp.report.tables import leak_lines
from steelexp.search.objectives import check_objectives
from steelexp.search.report import budget_lines
from steelexp.spec import ExperimentSpec
from steelexp.starting_run import start_lines
from steelexp.unlabelled import unlabelled_lines


def plan_lines(plan: Plan) -> list[str]:
    """One line about images and tiles, and one for each leak."""
    part, images = plan.reported_part
    counts = [f"{len(plan.split.train)} to train on"]
    if part == "test":
        counts.append(f"{len(plan.split.val)} to validate on")
    counts.append(f"{images} to evaluate on")
    line = (
        f"{plan.spec.name} {plan.digest}: images: {', '.join(counts)}; {plan.tile_count} tiles and "
        f"{plan.steps} steps an epoch; {plan.uncovered:.1%} of the training pixels are in no tile"
    )
    return [
        line,
        *_exclusion_lines(plan),
        *_phase_lines(plan),
        *doubtful_lines(plan.spec),
        *_source_lines(plan),
        *leak_lines(plan.split_summary["parts"]),
    ]


def _phase_lines(plan: Plan) -> list[str]:
    """A line for each phase; none where the training has no phases."""
    if not plan.spec.training.phases:
        return []
    lines = [
        (
            f"epochs {phase.first} to {phase.last}: {phase.settings['kind']}, {phase.tile_count} "
            f"tiles of {phase.tile_size[0]} x {phase.tile_size[1]} and {phase.steps} steps an "
            f"epoch, learning rate x {phase.learning_rate_factor:g}"
        )
        for phase in plan.phases
    ]
    last = plan.spec.training.epochs
    late = [f"{line}; not within training.epochs {last}" for line in lines]
    return [late[i] if phase.first > last else lines[i] for i, phase in enumerate(plan.phases)]


def doubtful_lines(spec: ExperimentSpec) -> list[str]:
    """Lines about settings that end or begin after the last epoch, or freeze random weights.

    Args:
        spec: The resolved spec.
    """
    training = spec.training
    last = training.epochs
    effects = {
        "loss_warm_up.epochs": (spec.loss_warm_up.epochs, "the main loss does not train"),
        "schedule.warm_up_epochs": (
            spec.schedule.settings.get("warm_up_epochs", 0),
            "the warm-up of the learning rate does not end",
        ),
        "averaging.start_epoch": (
            spec.averaging.settings.get("start_epoch", 0) - 1,
            "no weights are averaged",
        ),
        "training.freeze_encoder_epochs": (
            training.freeze_encoder_epochs,
            "the encoder does not train",
        ),
    }
    lines = [
        f"{key}: not within training.epochs {last}, so that {effect}"
        for key, (epochs, effect) in effects.items()
        if epochs >= last
    ]
    model = spec.model.model_dump()
    if training.freeze_encoder_epochs and model["weights"] == "none" and model["start"] is None:
        lines.append(
            "training.freeze_encoder_epochs: with model.weights=none, so that random weights are "
            "frozen"
        )
    return lines


def _exclusion_lines(plan: Plan) -> list[str]:
    """The images that a list leaves out; no lines without a list."""
    path = plan.spec.data.exclude
    return [] if path is None else [describe_exclusion(plan.dataset, plan.split, path)]


def _source_lines(plan: Plan) -> list[str]:
    """What the run starts with, and its images without labels; no lines without either."""
    lines = [] if plan.start is None else start_lines(plan.start, plan.dataset.classes)
    return lines if plan.unlabelled is None else lines + unlabelled_lines(plan.unlabelled.facts)


def search_plan_lines(plan: Plan) -> list[str]:
    """The space and the limits of a search; no lines where the spec has none.

    Raises:
        UserError: The data set does not have what an objective is measured on.
    """
    spec = plan.spec
    if spec.search is None:
        return []
    check_objectives(
        spec,
        plan.dataset.classes,
        val_images=len(plan.split.val),
        test_images=len(plan.split.test),
    )
    return budget_lines(spec)


def show_plan(spec: ExperimentSpec, runs: Path, command: str) -> None:
    """Print what is known before the first epoch; write no run folder.

    Args:
        spec: The resolved spec.
        runs: Folder of the run folders.
        command: Command that runs the spec.
    """
    plan = prepare(spec, runs)
    if news := same_spec_on_other_data(plan):
        say(news)
    finished = plan.folder.record is not None
    results = f"{plan.folder.path}{' (finished already)' if finished else ''}"
    if spec.search is not None:
        results = str(runs / spec.name / "search")
    lines = [
        *_data_lines(plan),
        *_training_lines(plan),
        *(f"  {line}" for line in search_plan_lines(plan)),
        f"  results     {results}",
        f"  command     {command}{' --fresh' if finished and spec.search is None else ''}",
    ]
    say(*lines)


def _data_lines(plan: Plan) -> list[str]:
    """Name and question, the images of each part, leaks, tiles."""
    spec = plan.spec
    parts = plan.split_summary["parts"]
    counts = parts["images_per_class"]
    height, width = plan.tile_size
    return [
        f"{spec.name}: {spec.question}".rstrip(": "),
        *(
            f"  {name:<11} {parts[name]} images; of class {_in_words(counts[name])}"
            for name in PARTS
            if parts[name]
        ),
        *(f"  {line}" for line in (*new_row_lines(plan), *_source_lines(plan), *leak_lines(parts))),
        (
            f"  tiles       {plan.tile_count} of {height} x {width} an epoch, "
            f"{plan.uncovered:.1%} of the training pixels in none"
        ),
        *(f"  {line}" for line in (*_phase_lines(plan), *doubtful_lines(spec))),
    ]


def _training_lines(plan: Plan) -> list[str]:
    """Steps, parameters, and what predicting nothing would score."""
    spec = plan.spec
    part, images = plan.reported_part
    labelled = sum(plan.split_summary["parts"]["images_per_class"][part].values())
    empty = 1 - labelled / (images * plan.class_count)
    model = network_without_weights(spec, plan.class_count)
    lines = [
        f"  steps       {plan.steps} an epoch, at most {spec.training.epochs} epochs",
        f"  parameters  {model.count_params():,}",
        f"  baseline    dice_kaggle of predicting nothing on the {part} images: {empty:.4f}",
    ]
    if (published := spec.published) is not None:
        lines.append(f"  published   {published.metric} {published.value:g}, {published.source}")
    return lines


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{label}: {count}" for label, count in counts.items())
