"""What a spec comes to on its data, said before anything is run."""

from pathlib import Path

from steelexp.data.split import PARTS
from steelexp.model.unet import ARCHITECTURES
from steelexp.plan import Plan, prepare
from steelexp.progress import say
from steelexp.report.tables import leak_lines
from steelexp.search.report import budget_lines
from steelexp.spec import ExperimentSpec


def plan_line(plan: Plan) -> str:
    """One line about the images and tiles, and one for each leak."""
    spec, (part, rows) = plan.spec, plan.evaluated
    tuned = f"{len(plan.split.val)} to tune, " if part == "test" else ""
    line = (
        f"{spec.name} {plan.digest}: {len(plan.split.train)} images to train, {tuned}{rows} to "
        f"evaluate on; {plan.tile_count} tiles, {plan.steps} steps an epoch; {plan.uncovered:.1%} of "
        "the training pixels are in no tile"
    )
    return "\n".join([line, *leak_lines(plan.split_summary["parts"])])


def show_plan(spec: ExperimentSpec, runs: Path, command: str) -> None:
    """Print all that is known before the first epoch; nothing is written."""
    plan = prepare(spec, runs)
    model = spec.model.bind(ARCHITECTURES)(plan.classes)
    parts = plan.split_summary["parts"]
    held, (part, rows) = parts["images_per_class"], plan.evaluated
    empty = 1 - sum(held[part].values()) / (rows * plan.classes)
    finished, (height, width) = plan.folder.record is not None, plan.tile_size
    results = f"{plan.folder.path}{' (finished already)' if finished else ''}"
    if spec.search is not None:
        results = str(runs / spec.name / "search")
    lines = [
        f"{spec.name}: {spec.question}".rstrip(": "),
        *(
            f"  {name:<11} {parts[name]} images; of class {_listed(held[name])}"
            for name in PARTS
            if parts[name]
        ),
        *(f"  {line}" for line in leak_lines(parts)),
        (
            f"  tiles       {plan.tile_count} of {height} x {width} an epoch, "
            f"{plan.uncovered:.1%} of the training pixels in none"
        ),
        f"  steps       {plan.steps} an epoch, at most {spec.training.epochs} epochs",
        f"  parameters  {model.count_params():,}",
        f"  baseline    dice_kaggle of predicting nothing on the {part} images: {empty:.4f}",
    ]
    if spec.published is not None:
        base = spec.published
        lines.append(f"              {base.metric} {base.value:g}, {base.source}")
    lines += [f"  {line}" for line in budget_lines(spec)]
    say("\n".join([*lines, f"  results     {results}", f"  command     {command}"]))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{label}: {count}" for label, count in counts.items())
