"""A search as Markdown, to be read, and as CSV, to be reckoned with; and what to beware of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from analysis.searches.search_figures import best_so_far, score_of
from analysis.searches.search_space import Setting
from analysis.searches.search_trials import Search, Trial
from analysis.searches.setting_importance import Importances
from analysis.strategies.comparison_tables import plain_line, signed, table
from steelexp.spec.space_words import describe_value
from steelexp.spreadsheet import csv_text

PER_SETTING: Final = 10  # trials; with fewer a random search leaves most of the space unseen
EDGE: Final = 0.05  # of a range: a best value this close to its end may lie beyond
MOSTLY_FAILED: Final = 0.2  # share of the trials that ended
COLUMNS: Final = (
    *("trial", "status", "score", "best_so_far", "best_epoch", "epochs", "trained", "seconds"),
    *("continues", "folder", "reason"),
)
READING: Final = """\
- The score of a trial is {objective} at its best epoch. It picked the epoch and then the trial, \
so the best one's is higher than another run of the same settings will have: train `best.yaml` \
with several seeds and evaluate it on test images.
- Each point was trained once: a difference between two trials holds the luck of the seed."""
IMPORTANCE: Final = """\
Share of the variance of the trials' ranks that a setting accounts for, by itself and together \
with the others: how much worse a random forest predicts the rank of a trial that it has not seen \
when the setting is shuffled, halved. About 0 or below, it is not shown to matter. The interval \
holds 95 % of {draws} bootstrap draws of the trials.

It is a statement about this space and these trials. A setting whose range was narrow, or that the \
tuner soon held still, cannot account for much; what settings that moved together account for is \
shared out by chance; and what the forest cannot predict is accounted to none. It predicts \
{explained:.0%} of the variance of held-out ranks."""
RUNGS: Final = """\
Each configuration counts once, at its first rung, ranked among those that were trained as long: \
what matters after more epochs may be another setting."""


def trials_csv(search: Search) -> str:
    """Every trial with its settings; what is undefined or inactive is empty."""
    paths = [setting.path for setting in search.settings]
    curve = dict(zip((trial.id for trial in search.finished), best_so_far(search), strict=True))
    rows: list[list[Any]] = [[*COLUMNS, *paths]]
    for trial in search.trials:
        cells = [trial.id, trial.status, trial.score, curve.get(trial.id), trial.best_epoch]
        cells += [trial.epochs, trial.trained, trial.seconds, trial.continues]
        cells += [trial.folder, trial.reason]
        rows.append([*cells, *(_cell(trial.values, path) for path in paths)])
    return csv_text(rows)


def _cell(values: Mapping[str, Any], path: str) -> Any:
    """Text as it is, all else as JSON, so that false and null stay themselves."""
    if path not in values:
        return ""
    value = values[path]
    return value if isinstance(value, str) else json.dumps(value)


def markdown(
    search: Search, importance: Importances | str, figures: Mapping[str, str], *, draws: int
) -> str:
    """The whole search: its outcome, what to beware of, the figures, all trials.

    Args:
        search: Search with its trials.
        importance: Importance of the settings, or the reason why there is none.
        figures: File of each figure by its name.
        draws: Number of bootstrap draws.
    """
    pictures = {name: f"![{name}]({file})" for name, file in figures.items()}
    beware = [plain_line(f"- {text}") for text in warnings(search, importance)]
    parts = [
        plain_line(f"# Search {search.name}"),
        plain_line(_setting(search)),
        *_best(search),
        *(["## Beware", "\n".join(beware)] if beware else []),
        *(["## Progress", pictures["progress"]] if "progress" in pictures else []),
        "## Importance of the settings",
        *_importance(search, importance, draws),
        *([pictures["importance"]] if "importance" in pictures else []),
        *(["## Settings and scores", pictures["parallel"]] if "parallel" in pictures else []),
        *(["## Cost", pictures["cost"]] if "cost" in pictures else []),
        "## The space",
        _space(search),
        "## Trials, the best first",
        _trials(search),
        "## How to read this",
        READING.format(objective=plain_line(search.objective)),
    ]
    return "\n\n".join(parts) + "\n"


def _setting(search: Search) -> str:
    """What was searched with, and what it came to."""
    tuner = ", ".join(
        f"{key} {describe_value(value)}" for key, value in search.tuner.items() if key != "name"
    )
    counts = [
        f"{len(trials)} {what}"
        for what, trials in (
            ("finished", search.finished),
            ("failed", search.failed),
            ("not ended", search.running),
        )
        if trials
    ]
    extreme = "large" if search.direction == "max" else "small"
    return (
        f"{search.objective} was made {extreme} by the tuner {search.tuner.get('name', '?')}"
        f"{f' ({tuner})' if tuner else ''}, seed {search.seed}. Trials: {', '.join(counts)}. "
        f"Spent: {'; '.join(spent(search))}."
    )


def spent(search: Search) -> list[str]:
    """The budget used, of what was allowed."""
    hours = sum(trial.seconds or 0.0 for trial in search.trials) / 3600.0
    epochs = sum(trial.trained or 0 for trial in search.trials)
    budget = search.budget
    rows = (
        (str(len(search.trials)), budget.trials, "trials"),
        (str(epochs), budget.epochs, "trained epochs"),
        (f"{hours:.2f}", budget.hours, "hours of training"),
    )
    return [
        f"{used} {what}" if allowed is None else f"{used} of {allowed:g} {what}"
        for used, allowed, what in rows
    ]


def _best(search: Search) -> list[str]:
    best = search.best
    if best is None:
        return ["No trial has a score."]
    rows = [[setting.path, _value_text(best, setting)] for setting in search.settings]
    head = f"## Best: {describe_value(score_of(best))}, trial {best.id}"
    where = f"At epoch {best.best_epoch}, in `{best.folder}`." if best.folder else ""
    return [part for part in (head, plain_line(where), table(["setting", "value"], rows)) if part]


def _value_text(trial: Trial, setting: Setting) -> str:
    return describe_value(trial.values[setting.path]) if setting.path in trial.values else "-"


def _importance(search: Search, importance: Importances | str, draws: int) -> list[str]:
    if isinstance(importance, str):
        return [plain_line(f"No importance: {importance}.")]
    rows = (
        [
            row.path,
            signed(row.value, digits=2),
            f"{signed(row.low, digits=2)} to {signed(row.high, digits=2)}",
            str(row.active),
            "yes" if row.is_important else "not shown",
        ]
        for row in importance.settings
    )
    head = ["setting", "importance", "95 % interval", "trials that had it", "matters"]
    text = IMPORTANCE.format(draws=draws, explained=max(importance.explained, 0.0))
    rungs = [RUNGS] if any(trial.continues for trial in search.trials) else []
    return [text, *rungs, table(head, rows)]


def _space(search: Search) -> str:
    rows = ([setting.path, setting.words, setting.when or "-"] for setting in search.settings)
    return table(["setting", "range", "only when"], rows)


def _trials(search: Search) -> str:
    sign = -1.0 if search.direction == "max" else 1.0
    ordered = sorted(search.finished, key=lambda each: sign * score_of(each))
    rows = [_row(search, trial) for trial in [*ordered, *search.failed, *search.running]]
    head = ["trial", "score", "best epoch", "trained epochs", "minutes"]
    continued = ["continues"] if any(trial.continues for trial in search.trials) else []
    return table([*head, *continued, *(setting.path for setting in search.settings)], rows)


def _row(search: Search, trial: Trial) -> list[str]:
    score = describe_value(trial.score) if trial.score is not None else trial.status
    if trial.reason:
        score += f": {' '.join(trial.reason.split())}"
    figures = [trial.best_epoch, trial.trained]
    minutes = "-" if trial.seconds is None else f"{trial.seconds / 60:.1f}"
    cells = [trial.id, score, *("-" if each is None else str(each) for each in figures), minutes]
    if any(each.continues for each in search.trials):
        cells.append(trial.continues or "-")
    return cells + [_value_text(trial, setting) for setting in search.settings]


def warnings(search: Search, importance: Importances | str) -> list[str]:
    """What this search cannot tell, and what went wrong in it."""
    return [*_unfinished(search), *_few(search), *_edges(search), *_unpredicted(importance)]


def _unfinished(search: Search) -> Iterable[str]:
    if search.status == "running":
        yield (
            f"The search has not ended ({len(search.running)} of its trials have not); the same "
            "`run` command goes on with it."
        )
    if failed := len(search.failed):
        outcomes = failed + len(search.finished)
        reasons = sorted({" ".join((trial.reason or "?").split()) for trial in search.failed})
        share = ""
        if failed > MOSTLY_FAILED * outcomes:
            share = (
                " That is much: part of the space cannot be trained, and nothing is known of it."
            )
        yield f"{failed} of {outcomes} trials failed ({'; '.join(reasons)}).{share}"


def _few(search: Search) -> Iterable[str]:
    scored = sum(trial.continues is None for trial in search.finished)
    settings = len(search.settings)
    if 0 < scored < PER_SETTING * settings:
        yield (
            f"Few trials: {scored} point{'s'[: scored != 1]} with a score in a space of {settings} "
            f"setting{'s'[: settings != 1]}; the best found may be far from the best there is."
        )


def _edges(search: Search) -> Iterable[str]:
    """Best values at an end of their range."""
    values = search.best.values if search.best else {}
    for setting in search.settings:
        if setting.path not in values or setting.choices or setting.low == setting.high:
            continue
        value = values[setting.path]
        place = setting.position(value)
        end = setting.low if place <= EDGE else setting.high if place >= 1 - EDGE else None
        if end is not None:
            yield (
                f"The best {setting.path}, {describe_value(value)}, lies at the edge of its range "
                f"({setting.words}): better values may lie beyond {end:g}."
            )


def _unpredicted(importance: Importances | str) -> Iterable[str]:
    if not isinstance(importance, str) and not any(row.is_important for row in importance.settings):
        yield (
            f"No setting is shown to matter: {importance.trials} trials are too few to tell, or "
            "the settings do little in these ranges."
        )
