"""What a judge comes to, and the files it is left in."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.data.strips import Strips
from steelexp.evaluation import plots
from steelexp.evaluation.counts import Counts, dice
from steelexp.records.decision import Decision
from steelexp.records.judgement import FILE, Judgement
from steelexp.records.store import write_atomically

Rows = npt.NDArray[np.int64]

STRIPS = "strips.parquet"
PLOTS = "plots"


class Verdict(NamedTuple):
    """What a model is worth.

    Attributes:
        parts: [S] "tune", "test" or "decided": the test strips again, with the decision.
        rows: [S] strip numbers.
        counts: [S, C] pixels each.
        metrics: "val_dice_positive", "val_dice_positive/1", ... of the tune strips, "test_..." of
            the test strips, "decided_..." of those with the decision.
        decision: tuned on the tune strips; None where there are no test strips to use it on.
        judgement: of the test strips, where there are some, else of the tune strips.
    """

    parts: Sequence[str]
    rows: npt.NDArray[np.int64]
    counts: Counts
    metrics: Mapping[str, float]
    decision: Decision | None
    judgement: Judgement


def write_verdict(folder: Path, strips: Strips, groups: Rows, verdict: Verdict) -> None:
    """Write strips.parquet, judgement.json and plots/pr.png, calibration.png, confusion.png."""
    folder.mkdir(parents=True, exist_ok=True)
    write_strip_scores(folder, strips, groups, verdict)
    write_atomically(folder / FILE, (verdict.judgement.model_dump_json() + "\n").encode())
    for name, figure in plots.draw(verdict.judgement).items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=150)
        write_atomically(folder / PLOTS / f"{name}.png", picture.getvalue())


def write_strip_scores(folder: Path, strips: Strips, groups: Rows, verdict: Verdict) -> Path:
    """One row a part, strip and class: what every metric and every comparison starts from.

    Columns: part, strip, group (of near-duplicates), class, tp, fp, fn (pixels), dice (1 where
    truth and prediction are empty).
    """
    import pyarrow as pa  # 0.1 s that --help and check need not pay
    from pyarrow import parquet

    counts, classes = verdict.counts, strips.classes
    table = pa.table(
        {
            "part": np.repeat(verdict.parts, len(classes)),
            "strip": np.repeat([strips.names[row] for row in verdict.rows], len(classes)),
            "group": np.repeat(groups[verdict.rows], len(classes)),
            "class": np.tile(list(classes), len(verdict.rows)),
            "tp": counts.tp.ravel(),
            "fp": counts.fp.ravel(),
            "fn": counts.fn.ravel(),
            "dice": dice(counts).ravel(),
        }
    )
    path, beside = folder / STRIPS, folder / f".{STRIPS}"
    parquet.write_table(table, beside)
    return beside.replace(path)
