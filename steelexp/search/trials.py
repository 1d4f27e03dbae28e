"""The trials of a search: an append-only journal and the state that follows from it.

RUNS/<name>/search/
  trials.jsonl        one event a line, in order; the truth
  search.json         the same, summed up for people and analyses
  best.yaml           the best trial so far, a spec that `run` takes
  trials/0003/<digest>/   an ordinary run folder each
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from steelexp.records.jsonl import JsonLines
from steelexp.search.executor import Outcome, Trial


@dataclass(frozen=True)
class Row:
    """A trial and its outcome, if it has ended."""

    trial: Trial
    outcome: Outcome | None = None

    @property
    def status(self) -> str:
        """running, finished or failed."""
        if self.outcome is None:
            return "running"
        return "failed" if self.outcome.score is None else "finished"

    def summary(self) -> dict[str, Any]:
        """As search.json has it."""
        trial = self.trial
        outcome = self.outcome or Outcome(trial.id, None)
        fields = outcome._asdict()
        del fields["trial"]
        return {
            "id": trial.id,
            "values": dict(trial.values),
            "status": self.status,
            **fields,
            "continues": trial.continues,
            "source": trial.source,
        }


@dataclass
class Trials:
    """The journal, open.

    Attributes:
        path: File trials.jsonl.
        identity: Identity in the first line; None for a new search.
        rows: Trial id -> trial, in the order of the proposals.
        events: ("proposed" | "ended", id) pairs in order.
        confirmed: Id of a training that confirms a trial -> outcome.
        elapsed: Seconds of all sessions, up to the last event of a trial.
    """

    path: Path
    identity: dict[str, Any] | None = None
    rows: dict[str, Row] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    confirmed: dict[str, Outcome] = field(default_factory=dict)
    elapsed: float = 0.0

    def __post_init__(self) -> None:
        self._lines = JsonLines(
            self.path, parse=self._take, noun="an event of a search", fix="--fresh begins anew"
        )

    def open(self, identity: Mapping[str, Any]) -> None:
        """Begin a new search."""
        self._append({"event": "opened", "identity": dict(identity)})

    def propose(self, trial: Trial, elapsed: float) -> None:
        """Write down what is about to be run."""
        fields = _fields(trial)
        name = fields.pop("id")
        self._append({"event": "proposed", "trial": name, **fields, "elapsed": elapsed})

    def reuse(self, rows: Sequence[Row]) -> None:
        """Write down the known trials of earlier searches, in one line: all or none."""
        lines = [
            {"trial": _fields(row.trial), "outcome": row.outcome._asdict()}
            for row in rows
            if row.outcome is not None
        ]
        self._append({"event": "reused", "trials": lines, "elapsed": self.elapsed})

    def confirm(self, outcome: Outcome) -> None:
        """Write down what came of a training that confirms a trial, outside of the budget."""
        self._append({"event": "confirmed", **outcome._asdict()})

    def end(self, outcome: Outcome, elapsed: float) -> None:
        """Write down what came out."""
        name = "failed" if outcome.score is None else "finished"
        self._append({"event": name, **outcome._asdict(), "elapsed": elapsed})

    @property
    def running(self) -> list[Trial]:
        """Proposed and not ended."""
        return [row.trial for row in self.rows.values() if row.outcome is None]

    @property
    def own(self) -> list[Row]:
        """The trials that this search proposed; the others are known from earlier searches."""
        return [row for row in self.rows.values() if row.trial.source != "reuse"]

    @property
    def outcomes(self) -> list[Outcome]:
        """Outcomes of the trials that this search proposed and that ended."""
        return [row.outcome for row in self.own if row.outcome is not None]

    def since_gain(self, direction: str, minimum: float) -> int:
        """Number of trials that ended since the last gain.

        The first score is a gain. Later ones are where they are better than that of the last gain
        by more than a minimum. Known trials of an earlier search are not counted.
        """
        sign = 1 if direction == "max" else -1
        best = -math.inf
        count = 0
        for row in (self.rows[trial] for kind, trial in self.events if kind == "ended"):
            outcome = row.outcome
            count += row.trial.source != "reuse"
            if outcome and outcome.score is not None and sign * outcome.score > best + minimum:
                best = sign * outcome.score
                count = 0
        return count

    def _append(self, event: Mapping[str, Any]) -> None:
        self._lines.append(event)
        self._take(event)

    def _take_known(self, trial: Trial, outcome: Outcome) -> None:
        self.rows[trial.id] = Row(trial, outcome)
        self.events += [("proposed", trial.id), ("ended", trial.id)]

    def _take(self, event: Mapping[str, Any]) -> None:
        fields = dict(event)
        name = fields.pop("event")
        if name == "opened":
            self.identity = fields["identity"]
            return
        if name == "confirmed":
            fields.pop("elapsed", None)  # journals of earlier versions have it
            outcome = Outcome(**fields)
            self.confirmed[outcome.trial] = outcome
            return
        self.elapsed = fields.pop("elapsed")
        if name == "reused":
            for entry in fields["trials"]:
                self._take_known(Trial(**entry["trial"]), Outcome(**entry["outcome"]))
        elif name == "proposed":
            # Journals of earlier versions have the order of the lines alone.
            if "outcomes" not in fields:
                fields["outcomes"] = sum(kind == "ended" for kind, _ in self.events)
            trial = Trial(id=fields.pop("trial"), **fields)
            self.rows[trial.id] = Row(trial)
            self.events.append(("proposed", trial.id))
        else:
            outcome = Outcome(**fields)
            self.rows[outcome.trial] = replace(self.rows[outcome.trial], outcome=outcome)
            self.events.append(("ended", outcome.trial))


def _fields(trial: Trial) -> dict[str, Any]:
    """A trial as the journal has it."""
    return {key: value for key, value in trial._asdict().items() if key != "seed"}


def read_trials(path: Path) -> Trials:
    """The journal of a search.

    Raises:
        UserError: a line is not an event of a search.
    """
    trials = Trials(path)
    trials._lines.entries()
    return trials


def repair_trials(path: Path) -> str | None:
    """Let the journal of a search go on before its first damaged line.

    The trials behind it are proposed again. Their run folders are there, so none is trained again.

    Returns:
        A line that says so; None where nothing is damaged.
    """
    return Trials(path)._lines.repair()
