"""A study: what is compared, and how, written down before the first run.

Whoever chooses the metric, the strategies or the number of seeds after a look at the figures finds
differences that are none. A study file fixes them, and the comparison says whether they were kept.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from steelexp.comparison.evaluated_run import EvaluatedRun
from steelexp.errors import UserError
from steelexp.metrics import HEADLINES
from steelexp.spec.yaml_tree import Problem, read_file

STRICT: Final = ConfigDict(extra="forbid", frozen=True)
Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]
Seeds = Annotated[int, Field(ge=2, le=1000)]


class Family(BaseModel):
    """Strategies with the same number of seeds."""

    model_config = STRICT
    strategies: Names
    seeds: Seeds


class Study(BaseModel):
    """A study of strategies beside a baseline.

    Attributes:
        question: Question that it answers.
        baseline: Name of the baseline's spec.
        metric: Metric that is tested; the others are secondary metrics.
        part: Part of the split; test_post is the test images with the tuned post-processing.
        family: Strategies that are tested, corrected together by Holm.
        others: Strategies that are reported and not tested.
        difference: Least difference that would matter.
        minutes: Most minutes of a run.
    """

    model_config = STRICT
    question: str
    baseline: str
    metric: Literal[HEADLINES]  # type: ignore[valid-type]  # a str; the names come from metrics
    part: Literal["test", "val", "test_post"] = "test"
    family: Family
    others: Family | None = None
    difference: PositiveFloat
    minutes: PositiveFloat

    @model_validator(mode="after")
    def _each_strategy_once(self) -> "Study":
        others = self.others.strategies if self.others else ()
        names = [self.baseline, *self.family.strategies, *others]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return self

    @property
    def seeds(self) -> dict[str, int]:
        """Name of each strategy -> number of its seeds; the baseline has those of the family."""
        families = [each for each in (self.family, self.others) if each]
        seeds = {name: each.seeds for each in families for name in each.strategies}
        return {self.baseline: self.family.seeds, **seeds}


def read_study(path: Path) -> Study:
    """Read a study file.

    Raises:
        UserError: It cannot be read, or a setting is missing, unknown or wrong; all at once.
    """
    problems: list[Problem] = []
    tree = read_file(path, problems)
    if tree is None or problems:
        raise UserError(*map(str, problems))
    values = tree.plain()
    _take_lists(values)
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, each['loc'])) or 'study'}: "
            f"{each['msg'].removeprefix('Value error, ')}"
            for each in error.errors()
        ]
        raise UserError(*lines) from None


def _take_lists(values: dict[str, object]) -> None:
    """YAML has lists where a study has tuples."""
    for family in (values.get("family"), values.get("others")):
        if isinstance(family, dict) and isinstance(family.get("strategies"), list):
            family["strategies"] = tuple(family["strategies"])


def departures(study: Study, strategies: Mapping[str, Sequence[EvaluatedRun]]) -> list[str]:
    """Where the runs are not what the study says, a sentence each.

    Args:
        study: Study.
        strategies: Name -> finished runs.
    """
    lines = [f"{name} has no finished run" for name in study.seeds if name not in strategies]
    for name, runs in strategies.items():
        planned = study.seeds.get(name)
        if planned is None:
            lines.append(f"{name} is not in the study, and is not tested")
        elif len(runs) != planned:
            lines.append(f"{name} has {len(runs)} seeds, not {planned}")
    long = [
        run.label
        for runs in strategies.values()
        for run in runs
        if run.record.seconds > 60 * study.minutes
    ]
    if long:
        lines.append(f"{len(long)} runs took more than {study.minutes:g} minutes, {long[0]} first")
    return lines
