"""A survey of the images of a data set: of a folder by its layout, or of the data of a spec."""

import inspect
from dataclasses import replace
from functools import partial
from pathlib import Path

from steelexp.data.data_error import DataError
from steelexp.data.dataset import sample_subset
from steelexp.data.several_roots import join_surveys
from steelexp.data.sources import SOURCES, source_of
from steelexp.data.survey import Survey, survey_dataset
from steelexp.spec.roots import named_roots
from steelexp.spec.schema import DataSpec


def survey_folder(root: Path, classes: tuple[str, ...] | None) -> Survey:
    """Find the layout and the images of a data set.

    Args:
        root: Root folder of the data set.
        classes: Names of the classes in order; None for those of the files, or for any value of a
            mask.

    Raises:
        DataError: The folder has no known layout, or its classes cannot be named like this.
    """
    name = source_of(root)
    source = SOURCES[name]
    takes_classes = "classes" in inspect.signature(source.load).parameters
    if classes is not None and not takes_classes:
        raise DataError(f"--classes: {root} names its classes itself; leave them out")
    settings = {"root": str(root)} | ({} if classes is None else {"classes": classes})
    if source.layout is None or source.layout.survey is None:
        return survey_dataset(name, root, partial(source.load, **settings))
    return source.layout.survey(**settings)


def survey_data(data: DataSpec) -> Survey:
    """Survey the images that a run with this data section reads, with the same settings.

    Args:
        data: Data section of a spec.

    Raises:
        DataError: A folder is missing, or a setting does not fit the data set.
    """
    source = SOURCES[data.choice]
    settings = data.settings
    roots = named_roots(settings.pop("root"))
    if source.layout is None or source.layout.survey is None:
        (root,) = roots.values()
        load = partial(source.load, root=root, **settings)
        return survey_dataset(data.choice, Path(root), load)
    subset = settings.pop("subset")
    seed = settings.pop("subset_seed")
    surveys = {name: source.layout.survey(root=root, **settings) for name, root in roots.items()}
    files = surveys[""] if "" in surveys else join_surveys(surveys)
    if subset is None:
        return files
    place = ", ".join(roots.values())
    names = set(sample_subset([image.name for image in files.images], subset, seed, place))
    return replace(files, images=[image for image in files.images if image.name in names])
