"""Evaluations of a run on other data, beside its own test part, for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

from steelexp.metric_names import Part, full_name, reported_part
from steelexp.metrics import HEADLINES, ON_IMAGES, PRIMARY
from steelexp.records.evaluation_report import EvaluationReport
from steelexp.records.external_evaluation import ExternalEvaluation
from steelexp.records.postprocessing import describe_postprocessing
from steelexp.records.record import Record

Intervals = Mapping[str, tuple[float, float]]


class Column(NamedTuple):
    """The figures of one column.

    Attributes:
        part: Part of the split whose metrics they are.
        metrics: Metrics by full name.
        report: Evaluation report with the intervals; None where there is none.
    """

    part: Part
    metrics: Mapping[str, float]
    report: EvaluationReport | None

    def figure(self, metric: str, label: str | None = None, *, post: bool = False) -> str:
        """A metric with its interval, such as "0.712 [0.655, 0.764]"; "-" where undefined."""
        part: Part = "test_post" if post else self.part
        value = self.metrics.get(full_name(metric, part, label))
        if value is None:
            return "-"
        intervals: Intervals = {}
        if self.report is not None:
            intervals = self.report.post_intervals if post else self.report.intervals
        bounds = intervals.get(full_name(metric, None, label))
        return f"{value:.4f}" + ("" if bounds is None else f" [{bounds[0]:.2f}, {bounds[1]:.2f}]")


def external_table(
    record: Record,
    own_report: EvaluationReport | None,
    evaluation: ExternalEvaluation,
    report: EvaluationReport | None,
) -> Table:
    """Metrics with 95 % intervals on the run's own images and on other data, side by side."""
    part = reported_part(record.metrics)
    own_images = record.split["parts"][part]
    table = Table(
        title=f"{record.name} {record.digest}, with 95 % intervals",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("metric", overflow="fold")
    table.add_column(f"own data, {own_images} {part} images", justify="right", overflow="fold")
    other = f"{evaluation.name}, {evaluation.images} images"
    table.add_column(other, justify="right", overflow="fold")
    columns = (Column(part, record.metrics, own_report), Column("test", evaluation.metrics, report))
    for section in _sections(tuple(record.class_weights), columns):
        for row in section:
            table.add_row(*row)
        table.add_section()
    return table


def _sections(classes: Sequence[str], columns: Sequence[Column]) -> Iterator[list[tuple[str, ...]]]:
    """The rows of the table: per class, over all classes, after post-processing."""
    yield [
        (f"{PRIMARY}/{label}", *(column.figure(PRIMARY, label) for column in columns))
        for label in classes
    ]
    yield [
        (metric.name, *(column.figure(metric.name) for column in columns)) for metric in ON_IMAGES
    ]
    has_rules = any(full_name(PRIMARY, "test_post") in column.metrics for column in columns)
    if has_rules:
        yield [
            (f"{name}, post-processed", *(column.figure(name, post=True) for column in columns))
            for name in HEADLINES
        ]


def external_lines(evaluation: ExternalEvaluation, report: EvaluationReport | None) -> list[str]:
    """Rules, data leakage and missing intervals, below the table."""
    rules = evaluation.postprocessing
    reasons = {} if report is None else report.no_interval
    return [
        (
            "The run tuned no post-processing; its threshold is used for every class."
            if rules is None
            else describe_postprocessing(rules.metric, rules.classes)
            + " Nothing was tuned on the other data."
        ),
        leak_line(evaluation),
        *(
            f"No interval of {name} on {evaluation.name}: {reasons[name]}."
            for name in HEADLINES
            if name in reasons
        ),
    ]


def leak_line(evaluation: ExternalEvaluation) -> str:
    """How many of the images have a near-duplicate that the run was trained or tuned on."""
    relatives = evaluation.relatives
    if relatives is None:
        return (
            "Near-duplicates of the run's training images were not looked for: "
            f"{evaluation.unknown_relatives}"
        )
    gone = (
        f" {relatives.missing} of its training and validation images are gone or have changed, and "
        "were not compared."
        if relatives.missing
        else ""
    )
    images = evaluation.images
    if not (relatives.train or relatives.val):
        return (
            f"None of the {images} images has a near-duplicate in the run's training and "
            f"validation images.{gone}"
        )
    return (
        f"Leak: {relatives.train} of {images} images have a near-duplicate in the run's training "
        f"images and {relatives.val} in its validation images; scores are higher than on unseen "
        f"steel.{gone}"
    )


def headline(evaluation: ExternalEvaluation, report: EvaluationReport | None) -> str:
    """One line about an evaluation: images and the headline metrics with their intervals."""
    column = Column("test", evaluation.metrics, report)
    figures = [f"{name} {column.figure(name)}" for name in HEADLINES]
    if full_name(PRIMARY, "test_post") in evaluation.metrics:
        figures += [f"{name} post-processed {column.figure(name, post=True)}" for name in HEADLINES]
    return f"On {evaluation.name}, {evaluation.images} images: {', '.join(figures)}."
