"""The events of a comparison of strategies, so that a tracking service shows it beside the runs.

A comparison is an experiment of its own, because it is of no single run. Its events are written to
the journal at once. They lie in a folder of its own below the comparison, named by the digest of
what is sent. So the same comparison is tracked once, and another one is another experiment.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from steelexp.errors import UserError
from steelexp.metric_names import LOWER, UPPER, grouped_name
from steelexp.metrics import PRIMARY
from steelexp.privacy import public
from steelexp.records.atomic import make_folder, write_atomically
from steelexp.tracking.journal import Journal, New, file_entry

FOLDER: Final = "tracked"
ROWS: Final = "comparison.csv"
TEXTS: Final = ("comparison.md", "runs.csv")
FOREST_PLOTS: Final = {
    "Differences from the baseline": "differences",
    "Every run": "classes",
}
"""Title of a panel -> name of the figure."""

DIFFERENCE: Final = "difference"
"""Metric: strategy less baseline in the primary metric over all classes, strategies by number."""

FIRST: Final = ("metric", "class", "strategy", "difference", "low", "high", "verdict", "baseline")
"""Columns of the table that come first: a panel is narrow."""

_WORD_COLUMNS: Final = ("metric", "class", "strategy", "verdict", "baseline")
_ALL: Final = "all"
_MOST_BYTES: Final = 1 << 24


def comparison_journal(source: Path, *, service: str, project: str, workspace: str | None) -> Path:
    """Note a comparison in a journal, unless it was noted before.

    Args:
        source: Folder that `analysis/compare_strategies.py` wrote.
        service: Name of the tracking service.
        project: Project at the service.
        workspace: Workspace at the service; None for the default.

    Returns:
        Folder of the journal.

    Raises:
        UserError: The folder holds no comparison with figures in PNG.
    """
    files = [source / ROWS, *(source / name for name in TEXTS), *_figures(source).values()]
    digest = _digest(files, project, workspace)
    folder = source / FOLDER / digest
    make_folder(folder)
    for file in files:
        _copy(file, folder / file.name)
    rows = _rows(folder / ROWS)
    opening = {
        "service": service,
        "key": hashlib.sha1(digest.encode(), usedforsecurity=False).hexdigest(),
        "project": project,
        "workspace": workspace,
        "name": f"comparison with {rows[0]['baseline']}",
        "tags": ["comparison", str(rows[0]["baseline"])],
        "parameters": {"baseline": rows[0]["baseline"], "strategies": len(_overall(rows))},
        "others": {"kind": "comparison"},
        "model": None,
    }
    events = [("run", opening), *_events(folder, rows)]
    journal = Journal(folder)
    journal.append(*events[len(journal.events) :])  # the rest, where a kill cut the first writing
    return folder


def _copy(source: Path, target: Path) -> None:
    """Copy a file; a text without what is private: it names runs that are left out by path.

    Raises:
        UserError: A text is not UTF-8.
    """
    content = source.read_bytes()
    if source.suffix in (".csv", ".md"):
        try:
            content = public(content.decode("utf-8")).encode()
        except UnicodeDecodeError:
            raise UserError(f"{source}: not UTF-8; compare the strategies again") from None
    write_atomically(target, content)


def _figures(source: Path) -> dict[str, Path]:
    """Name -> file of each figure.

    Raises:
        UserError: A file of the comparison is missing or too large.
    """
    figures = {name: source / f"{name}.png" for name in FOREST_PLOTS.values()}
    for file in (source / ROWS, *(source / name for name in TEXTS), *figures.values()):
        if not file.is_file():
            raise UserError(
                f"{file}: not there; give the folder that analysis/compare_strategies.py wrote, "
                "with figures in PNG"
            )
        if file.stat().st_size > _MOST_BYTES:
            raise UserError(f"{file}: larger than {_MOST_BYTES >> 20} MiB")
    return figures


def _digest(files: Sequence[Path], project: str, workspace: str | None) -> str:
    parts = [f"{project}\n{workspace}".encode(), *(file.read_bytes() for file in files)]
    hashes = [hashlib.sha256(part).hexdigest() for part in parts]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()[:16]


def _events(folder: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[New]:
    for name in TEXTS:
        yield "asset", file_entry(folder / name, folder)
    headers = [*FIRST, *(name for name in rows[0] if name not in FIRST)]
    cells = [[row[name] for name in headers] for row in rows]
    yield "table", {"name": ROWS, "headers": headers, "rows": cells}
    for number, row in enumerate(_overall(rows), start=1):
        values = {
            DIFFERENCE: row["difference"],
            grouped_name(LOWER, DIFFERENCE): row["low"],
            grouped_name(UPPER, DIFFERENCE): row["high"],
            f"{DIFFERENCE} of {row['strategy']}": row["difference"],
        }
        metrics = {name: value for name, value in values.items() if isinstance(value, float)}
        yield "epoch", {"epoch": number, "step": number, "metrics": metrics}
    for name in FOREST_PLOTS.values():
        picture = file_entry(folder / f"{name}.png", folder)
        yield "picture", {"epoch": 0, "step": 0, "name": name, "layers": None, **picture}
    yield "others", {"status": "finished"}


def _overall(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of the primary metric over all classes, one a strategy, in the file's order."""
    return [row for row in rows if (row["metric"], row["class"]) == (PRIMARY, _ALL)]


def _rows(file: Path) -> list[dict[str, Any]]:
    """Rows of a CSV file; figures are numbers.

    Raises:
        UserError: It is not a comparison.
    """
    rows = [
        {name: cell if name in _WORD_COLUMNS else _value(cell) for name, cell in row.items()}
        for row in csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    ]
    if not rows or not set(FIRST) <= set(rows[0]) or not _overall(rows):
        raise UserError(f"{file}: not the table of a comparison; compare the strategies again")
    return rows


def _value(cell: str) -> str | float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell
