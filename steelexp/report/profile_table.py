"""Where the seconds of the epochs of a run went, as a table and as a file."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Final

from rich.table import Table

from steelexp.epoch_profile import ACTIVITIES

FILE: Final = "profile.csv"
"""File in the run folder."""

Epochs = Mapping[int, Mapping[str, float]]
"""Number of an epoch -> activity -> seconds."""


def profile_table(epochs: Epochs) -> Table:
    """A row for each activity, with its seconds and its share of all epochs.

    The first epoch stands apart, because TensorFlow traces the network in it.
    """
    table = Table(title=_title(list(epochs)), title_justify="left", title_style="bold")
    table.add_column("")
    later = list(epochs.values())[1:]
    for name in ("seconds", "share", "first epoch", *(["later epoch, median"] if later else [])):
        table.add_column(name, justify="right")
    whole = sum(sum(seconds.values()) for seconds in epochs.values())
    for activity in ACTIVITIES:
        values = [seconds[activity] for seconds in epochs.values()]
        table.add_row(activity, *_figures(values, whole))
    table.add_section()
    table.add_row("all", *_figures([sum(each.values()) for each in epochs.values()], whole))
    return table


def profile_csv(epochs: Epochs) -> str:
    """A line for each epoch with the seconds of each activity."""
    lines = [",".join(["epoch", *ACTIVITIES])]
    for number, seconds in epochs.items():
        lines.append(",".join([str(number), *(f"{seconds[name]:.3f}" for name in ACTIVITIES)]))
    return "\n".join(lines) + "\n"


def _title(numbers: Sequence[int]) -> str:
    which = f"epoch {numbers[0]}"
    if len(numbers) > 1:
        which = f"epochs {numbers[0]} to {numbers[-1]}"
    return f"Seconds of {which}"


def _figures(values: Sequence[float], whole: float) -> list[str]:
    figures = [f"{sum(values):.2f}", f"{sum(values) / whole:.1%}", f"{values[0]:.2f}"]
    return figures + ([f"{statistics.median(values[1:]):.2f}"] if len(values) > 1 else [])
