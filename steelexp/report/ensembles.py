"""The evaluation of an ensemble as lines for a terminal."""

from collections.abc import Iterator
from pathlib import Path

from steelexp.metric_names import full_name
from steelexp.metrics import HEADLINES
from steelexp.records.ensemble_file import FILE, FOLDER, EnsembleFile, read_ensemble_file


def ensemble_result_lines(evaluation: EnsembleFile) -> list[str]:
    """The metrics of an ensemble beside those of its members, on the same images."""
    return [
        (
            f"Ensemble of {len(evaluation.members)} runs ({evaluation.combination}) on "
            f"{evaluation.images} test images that no member has seen:"
        ),
        *_metric_lines(evaluation),
    ]


def _metric_lines(evaluation: EnsembleFile) -> Iterator[str]:
    for name in HEADLINES:
        test = full_name(name, "test")
        values = [member.metrics.get(test) for member in evaluation.members]
        singles = [value for value in values if value is not None]
        if test not in evaluation.metrics or not singles:
            continue
        line = (
            f"  {name} {evaluation.metrics[test]:.4f}; single members "
            f"{sum(singles) / len(singles):.4f} on average, {min(singles):.4f} to "
            f"{max(singles):.4f}; the ensemble gains {evaluation.gains[name]} over their average"
        )
        if (post := evaluation.metrics.get(full_name(name, "test_post"))) is not None:
            line += f"; post-processed {post:.4f}"
        yield f"{line}."


def lines_of_folds(folder: Path) -> list[str]:
    """The evaluation of the ensemble of folds, if there is one.

    Args:
        folder: Folder of folds.

    Raises:
        UserError: It cannot be read.
    """
    place = folder / FOLDER
    if not (place / FILE).is_file():
        return []
    return ensemble_result_lines(read_ensemble_file(place))
