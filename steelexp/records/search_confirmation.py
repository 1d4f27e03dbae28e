"""The confirmation of a search: its best trials trained again with new seeds."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, defer_build=True
    )


class Interval(_Part):
    """A mean over seeds with its 95 % interval over groups of images and seeds.

    Attributes:
        value: Mean over the seeds.
        low: Lower bound; None without an interval.
        high: Upper bound; None without an interval.
    """

    value: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.4f}"
        return f"{self.value:.4f} [{self.low:.4f}, {self.high:.4f}]"


class Candidate(_Part):
    """One of the best trials with new seeds.

    Attributes:
        trial: Id of the trial.
        score: First objective in the search, with the seed of the spec.
        scores: First objective with each new seed that was trained to its end.
        mean: Mean of `scores`; None where every training failed.
        spread: Standard deviation of `scores`; None with fewer than two.
        test: Test metric over the seeds; None without test images.
        folders: Run folders of these trainings, relative to the search's.
        failed: Reasons of the trainings that failed.
    """

    trial: str
    score: float
    scores: list[float]
    mean: float | None
    spread: float | None
    test: Interval | None
    folders: list[str]
    failed: list[str]


class Lead(_Part):
    """How far the best trial is ahead of the next, in the first objective and on test images.

    Differences are positive where the best trial is better.

    Attributes:
        over: Id of the next trial.
        search: Difference in the search.
        new: Difference of the means over new seeds.
        luck: Part of the lead in the search that new seeds do not confirm: search - new.
        test: Difference of the test metric; None without test images.
    """

    over: str
    search: float
    new: float
    luck: float
    test: Interval | None


class Confirmation(_Part):
    """The best trials trained again.

    Attributes:
        status: Whether trainings are still to come.
        seeds: New seeds.
        metric: Test metric that is reported.
        candidates: The best trials, the best in the search first.
        lead: Lead of the first over the second; None before both have a score.
        first: Id of the trial with the best mean over new seeds; None before there is one.
    """

    status: Literal["running", "finished"]
    seeds: list[int]
    metric: str
    candidates: list[Candidate]
    lead: Lead | None
    first: str | None


def confirmation_lines(confirmation: Confirmation, objective: str) -> list[str]:
    """What new seeds say of the best trials, in words."""
    seeds = ", ".join(map(str, confirmation.seeds))
    lines = [f"Confirmation with seeds {seeds}: {objective} in the search, then with new seeds"]
    lines += [_line(candidate, confirmation.metric) for candidate in confirmation.candidates]
    return [*lines, *(f"  {line}" for line in lead_lines(confirmation))]


def lead_lines(confirmation: Confirmation) -> list[str]:
    """How far the best trial is ahead with new seeds, in words."""
    if confirmation.status == "running":
        return ["Not finished: the command of the search goes on with it."]
    best = confirmation.candidates[0].trial
    lead = confirmation.lead
    lines = []
    if lead is not None:
        lines.append(
            f"Lead of trial {best} over {lead.over}: {lead.search:+.4f} in the search, "
            f"{lead.new:+.4f} with new seeds; {describe_luck(lead)}."
        )
        if lead.test is not None:
            difference = f"{lead.test.value:+.4f}{_bounds(lead.test)}"
            lines.append(f"Lead in {confirmation.metric}: {difference}.")
    if confirmation.first not in (None, best):
        lines.append(f"With new seeds, trial {confirmation.first} is the best of them.")
    return lines


def describe_luck(lead: Lead) -> str:
    """How much of a lead was luck, in words."""
    if lead.luck <= 0:
        return "none of the lead was luck"
    if lead.new <= 0:
        return "all of the lead was luck"
    return f"{lead.luck:.4f} of the lead was luck ({lead.luck / lead.search:.0%})"


def _line(candidate: Candidate, metric: str) -> str:
    new = "every training failed" if candidate.mean is None else f"{candidate.mean:.4f}"
    if candidate.spread is not None:
        new += f" ± {candidate.spread:.4f}"
    test = "" if candidate.test is None else f"; {metric} {candidate.test}"
    failed = f"; {len(candidate.failed)} failed" if candidate.failed and candidate.scores else ""
    return f"  trial {candidate.trial}: {candidate.score:.4f}, then {new}{test}{failed}"


def _bounds(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f", 95 % interval {interval.low:+.4f} to {interval.high:+.4f}"
