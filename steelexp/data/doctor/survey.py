"""The data source of a folder, and a survey of its images."""

import functools
from pathlib import Path

from steelexp.data.sources import SOURCES, source_of
from steelexp.data.survey import Survey, survey_dataset


def survey(root: Path, classes: tuple[str, ...] | None) -> Survey:
    """Find the layout and the images of a data set.

    Args:
        root: Root folder of the data set.
        classes: Names of the mask values 1, 2, ...; None for any value up to 8.

    Raises:
        DataError: The folder has no known layout, or its classes cannot be named like this.
    """
    name = source_of(root)
    source = SOURCES[name]
    if source.layout is not None and source.layout.survey is not None:
        return source.layout.survey(root, classes)
    return survey_dataset(name, root, functools.partial(source.load, root=str(root)))
