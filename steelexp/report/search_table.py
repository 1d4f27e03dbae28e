"""A search as a table for a terminal."""

from pathlib import Path
from typing import Any

from rich.table import Table

from steelexp.command_line import python_line
from steelexp.records.search_confirmation import confirmation_lines
from steelexp.records.search_file import SearchFile, best_line, describe_score, pareto_lines


def trials_table(search: SearchFile) -> Table:
    """One row a trial, the best first; failed and unfinished ones last.

    The score is the first objective on the validation images, at the trial's best epoch.
    """
    title = f"{search.name}: {len(search.trials)} trials, {search.status}"
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("trial")
    for name in search.objectives:
        table.add_column(name, justify="right", overflow="fold")
    for head in ("best epoch", "minutes"):
        table.add_column(head, justify="right")
    for path in search.space:
        table.add_column(path, overflow="fold")
    sign = -1.0 if search.direction == "max" else 1.0
    worst = float("inf")
    for trial in sorted(
        search.trials, key=lambda each: worst if each.score is None else sign * each.score
    ):
        score = trial.status if trial.score is None else f"{trial.score:.4f}"
        epochs = f"{trial.best_epoch} of {trial.epochs}" if trial.best_epoch else ""
        minutes = f"{trial.seconds / 60:.1f}" if trial.seconds else ""
        values = (_figure(trial.values.get(path)) for path in search.space)
        others = [name for name in search.objectives if name != search.objective]
        more = (describe_score(trial.scores[n]) if n in trial.scores else "-" for n in others)
        table.add_row(trial.id, score, *more, epochs, minutes, *values)
    return table


def search_lines(search: SearchFile, folder: Path) -> list[str]:
    """Why trials failed, and what to do next."""
    lines = [f"Trial {trial.id} failed: {trial.reason}" for trial in search.trials if trial.reason]
    if search.end_reason is not None:
        lines.append(f"Ended: {search.end_reason}")
    else:
        lines.append("Unfinished: the command that began the search goes on with it.")
    lines += pareto_lines(search)
    if search.confirmation is not None:
        lines += confirmation_lines(search.confirmation, search.objective)
    if search.best is not None:
        lines.append(f"Best: trial {search.best}; run it: {best_line(folder)}")
    return [*lines, f"Figures: {python_line('-m', 'analysis.search_history', folder)}"]


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
