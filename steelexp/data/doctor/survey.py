"""The data source of a folder, and a survey of its images."""

import functools
from pathlib import Path

from steelexp.data.dataset import DataError
from steelexp.data.sources import SOURCES
from steelexp.data.survey import Survey, survey_dataset


def survey(root: Path, classes: tuple[str, ...] | None) -> Survey:
    """Find the layout and the images of a data set.

    Args:
        root: Root folder of the data set.
        classes: Names of the mask values 1, 2, ...; None for any value up to 8.

    Raises:
        DataError: The folder has no known layout, or its classes cannot be named like this.
    """
    if not root.is_dir():
        raise DataError(f"{root}: there is no such folder")
    expected = []
    for name, source in SOURCES.items():
        if (layout := source.layout) is None:
            continue
        if layout.matches(root):
            if layout.survey is not None:
                return layout.survey(root, classes)
            return survey_dataset(name, root, functools.partial(source.load, root=str(root)))
        expected.append(layout.content)
    content = ", ".join(sorted(path.name for path in root.iterdir())[:5]) or "nothing"
    raise DataError(
        f"{root}: not a data set: it needs {', or '.join(expected)} (it holds {content})"
    )
