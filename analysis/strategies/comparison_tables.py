"""A comparison as Markdown, to be read, and as CSV, to be reckoned with."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from analysis.strategies.comparison import ALL, Comparison, Row
from steelexp.comparison.comparability import describe_data
from steelexp.comparison.evaluated_run import PART_OF_SPLIT
from steelexp.comparison.evaluated_runs import POSTPROCESSED, EvaluatedRuns
from steelexp.comparison.intervals import metric_intervals
from steelexp.comparison.study import Study, departures
from steelexp.metric_names import PART_WORDS, Part, class_names, full_name
from steelexp.metrics import ALL_EMPTY, PRIMARY
from steelexp.spreadsheet import csv_text
from steelexp.terminal import visible

FEW_GROUPS: Final = 20  # below: an interval rests on few surfaces, and the text says so
HEAD: Final = ("strategy", "runs", "mean", "SD of runs", "difference", "95 % interval")
ERRORS: Final = ("error: groups", "error: runs")
TESTS: Final = ("p of interval, Holm", "p of Wilcoxon, Holm", "rank-biserial", "verdict")
NOTES: Final = """\
- 95 % interval: of the difference of the means over runs. Jackknife over the groups of
  near-duplicates and variance of the runs, with Student's t for each of the two parts
  (docs/statistics.md). Intervals are not corrected for their number.
- error: standard error of the difference from the choice of surfaces (groups; more images make it
  small) and from the seeds (runs; more seeds do).
- p of Wilcoxon: signed ranks of the differences on the images that hold the class, averaged over
  runs and over the copies in a group. It takes the trained networks as fixed; the p of the
  interval allows for seeds.
- rank-biserial: from -1, every surface sides with the baseline, to 1, every surface against it.
- Holm: each test is corrected over two families of comparisons with the baseline: {strategies} on
  all classes, {cells} on single classes.
- verdict: higher or lower where both corrected p are at most 0.05. No difference shown is not the
  same as no difference: the interval says how large one may be. A strategy or a baseline with one
  seed gets no verdict."""
ONE_SEED: Final = "one seed, no verdict"
UNTESTED: Final = "not in the family, not tested"


def rows_csv(comparison: Comparison) -> str:
    """Every row with every figure in full; what is undefined is empty."""
    names = [field.name for field in fields(Row)]
    return _csv(names, ([*asdict(row).values()] for row in comparison.rows))


def runs_csv(comparison: Comparison) -> str:
    """Every metric of every run with its 95 % interval, which evaluation.json has, too."""
    images = comparison.evaluated.images
    labels = [*images.classes, ALL]
    lines = []
    for name, runs in comparison.evaluated.strategies.items():
        for number, run in enumerate(runs):
            ends = metric_intervals(run.counts, images.groups, images.classes).bounds
            for metric in comparison.scores:
                values = comparison.scores[metric][name][number].tolist()
                keys = class_names(metric, images.classes)
                lines += [
                    [metric, label, name, run.record.seed, value, *ends.get(key, ("", ""))]
                    for label, key, value in zip(labels, keys, values, strict=True)
                ]
    return _csv(["metric", "class", "strategy", "seed", "value", "low", "high"], lines)


def _csv(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    names = ["class" if name == "label" else name for name in head]
    return csv_text([names, *([_cell(value) for value in line] for line in lines)])


def _cell(value: Any) -> Any:
    return "" if isinstance(value, float) and math.isnan(value) else value


def markdown(comparison: Comparison, study: Study | None = None) -> str:
    """The whole comparison: what was compared, a table a class and metric, how to read them."""
    part = part_words(comparison.evaluated.images.part)
    parts = [
        plain_line(f"# Strategies beside {comparison.baseline}: {part}"),
        plain_line(setting(comparison.evaluated)),
    ]
    if study is not None:
        parts.append(plain_line(study_text(study, comparison.evaluated)))
    for metric in comparison.scores:
        for label in comparison.labels:
            rows = comparison.of(metric, label)
            parts += [plain_line(f"## {_heading(rows[0])}"), _table(comparison, rows)]
    parts += ["## How to read this", *_notes(comparison)]
    return "\n\n".join(parts) + "\n"


def part_words(part: Part) -> str:
    """A part in words, with what it was used for."""
    return PART_WORDS[part] + (", which picked the epochs" if part == "val" else "")


def setting(evaluated: EvaluatedRuns) -> str:
    """What was evaluated, in a paragraph."""
    record = evaluated.record
    images = evaluated.images
    split = record.split["parts"]
    text = (
        f"{len(images.names):,} {part_words(images.part)}, in {len(set(images.groups.tolist())):,} "
        f"groups of near-duplicates ({describe_data(record)} {split['digest'][:8]}, data "
        f"{record.data[:8]}, threshold {record.threshold:g})."
    )
    if copies := split["leak"][PART_OF_SPLIT[images.part]]:
        text += (
            f" Leak: {copies:,} of them have a copy among the training images; scores are higher "
            "than on unseen steel."
        )
    return " ".join([text, *(f"Left out: {reason}." for reason in evaluated.left_out)])


def study_text(study: Study, evaluated: EvaluatedRuns) -> str:
    """What the study fixed beforehand, and whether it was kept, in a paragraph."""
    changes = departures(study, evaluated.strategies)
    text = (
        f"{study.question} Fixed beforehand: {study.metric} on {part_words(study.part)}, "
        f"{', '.join(study.family.strategies)} tested against {study.baseline} with "
        f"{study.family.seeds} seeds each, and a difference of {study.difference:g} that would "
        "matter."
    )
    outcome = f"The study was not kept: {'; '.join(changes)}." if changes else "The study was kept."
    return f"{text} {outcome}"


def _heading(row: Row) -> str:
    what = "all classes" if row.label == ALL else f"class {row.label}"
    which = {"dice_positive": " that hold it", "empty_accuracy": " without it"}
    images = which.get(row.metric, "") if row.label != ALL else ""
    return f"{row.metric}, {what}: {row.images:,} images{images}, {row.groups:,} groups"


def _table(comparison: Comparison, rows: Sequence[Row]) -> str:
    tests = rows[0].metric == comparison.tested
    head = (*HEAD, *ERRORS, *(TESTS if tests else ()))
    body = [_baseline_cells(comparison, rows[0], len(head))]
    body += [_cells(comparison, row, tests=tests) for row in sorted(rows, key=_best_first)]
    return table(head, body)


def _best_first(row: Row) -> float:
    return -row.difference if not math.isnan(row.difference) else math.inf


def _baseline_cells(comparison: Comparison, row: Row, width: int) -> list[str]:
    place = [*comparison.evaluated.images.classes, ALL].index(row.label)
    scores = comparison.scores[row.metric][row.baseline][:, place]
    sd = scores.std(ddof=1) if len(scores) > 1 else math.nan
    cells = [f"{row.baseline} (baseline)", str(len(scores)), figure(scores.mean()), figure(sd)]
    return cells + ["-"] * (width - len(cells))


def _cells(comparison: Comparison, row: Row, *, tests: bool) -> list[str]:
    cells = [
        row.strategy,
        str(row.runs),
        figure(row.mean),
        figure(row.sd),
        signed(row.difference),
        interval(row),
        figure(row.group_error),
        figure(row.seed_error),
    ]
    if tests:
        cells += [probability(row.p_holm), probability(row.wilcoxon_holm)]
        cells += [signed(row.rank_biserial, digits=2), verdict(comparison, row)]
    return cells


def plain_line(text: str) -> str:
    """A line of Markdown whose names are neither HTML, nor links, nor more lines."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", visible(text)).replace("](", "]\\(")


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Markdown, figures at the right."""
    rule = ["---"] + ["---:"] * (len(head) - 1)
    rows = ([plain_line(cell).replace("|", "\\|") for cell in row] for row in (head, rule, *body))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def verdict(comparison: Comparison, row: Row) -> str:
    """The verdict, or why there is none."""
    if row.metric == comparison.tested and row.strategy not in comparison.family:
        return UNTESTED
    one_seed = min(row.runs, row.baseline_runs) == 1
    return row.verdict or (ONE_SEED if one_seed else "-")


def figure(value: float) -> str:
    """Three digits, or a dash."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def signed(value: float, *, digits: int = 3) -> str:
    """With its sign, or a dash."""
    if math.isnan(value):
        return "-"
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "−")


def interval(row: Row) -> str:
    """Both ends, or a dash."""
    return "-" if math.isnan(row.low) else f"{signed(row.low)} to {signed(row.high)}"


def probability(p: float) -> str:
    """Three digits, or a bound."""
    return "-" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _notes(comparison: Comparison) -> list[str]:
    strategies = len(comparison.family)
    classes = len(comparison.evaluated.images.classes)
    definitions = comparison.evaluated.record.definitions
    notes = [
        f"- {metric}: {definitions[metric]}."
        for metric in comparison.scores
        if metric in definitions
    ]
    empty = comparison.evaluated.record.metrics.get(_all_empty(comparison.evaluated.images.part))
    if empty is not None:
        notes.append(f"- Predicting nothing scores {empty:.3f} in dice_kaggle on these images.")
    notes.append(NOTES.format(strategies=strategies, cells=strategies * classes))
    return ["\n".join([*notes, *map(plain_line, warnings(comparison))])]


def _all_empty(part: Part) -> str:
    return full_name(ALL_EMPTY, part)


def warnings(comparison: Comparison) -> list[str]:
    """What this comparison cannot tell."""
    lines = []
    if any(name.endswith(POSTPROCESSED) for name in comparison.evaluated.strategies):
        lines.append(
            f"- Strategies that end in '{POSTPROCESSED}' are the same networks with the "
            "post-processing that was tuned on the validation images. The intervals take them for "
            "other networks with other seeds. Between a strategy and itself post-processed they "
            "are therefore too wide, not too narrow."
        )
    single = [name for name, runs in comparison.evaluated.strategies.items() if len(runs) == 1]
    if single:
        lines.append(
            f"- One seed only of {', '.join(single)}: its intervals have no seed part and say what "
            "these networks do, not what the strategy does, so there is no verdict. Train at least "
            "three seeds."
        )
    for label in comparison.labels[1:]:
        row = comparison.of(PRIMARY, label)[0]
        if row.groups < FEW_GROUPS:
            lines.append(
                f"- Class {label} is held by {row.groups} group{'s'[: row.groups != 1]} of test "
                f"images: its intervals, and their share in those of all classes, rest on little."
            )
    return lines
