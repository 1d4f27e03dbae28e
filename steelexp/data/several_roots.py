"""One data set from several root folders of one form, for every data source.

    data: {source: coco, root: [data/line1, data/line2]}          line1/a.png, line2/a.png
    data: {source: coco, root: {first: data/1/set, second: data/2/set}}

The name of the root is the first folder of an image's name, also with a list of one root. So names
are unique, and another root changes no name.
"""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from steelexp.data.data_error import DataError, raise_if
from steelexp.data.dataset import Bits, Dataset, sample_subset
from steelexp.data.survey import Survey
from steelexp.data.variant import select
from steelexp.spec.roots import Roots, named_roots

Loader = Callable[..., Dataset]

_ALSO = "Or several: a list of folders, or a mapping of names to folders."


def several_roots(load: Loader) -> Loader:
    """A loader that also takes several roots.

    Args:
        load: Loader with the settings root, subset and subset_seed.
    """

    @functools.wraps(load)
    def load_roots(*, root: object, **settings: Any) -> Dataset:
        if isinstance(root, str):
            return load(root=root, **settings)
        subset = settings.pop("subset", None)
        seed = settings.pop("subset_seed", 0)
        dataset = join_datasets(_load_all(load, named_roots(root), settings))
        sample = set(sample_subset(list(dataset.names), subset, seed, "data.root"))
        rows = [row for row, name in enumerate(dataset.names) if name in sample]
        return select(dataset, np.array(rows, np.int64))

    signature = inspect.signature(load)
    parameters = [
        each.replace(annotation=Roots) if each.name == "root" else each
        for each in signature.parameters.values()
    ]
    load_roots.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    load_roots.__annotations__ = inspect.get_annotations(load) | {"root": Roots}
    load_roots.__doc__ = re.sub(
        r"^(    root: .*)$", rf"\1 {_ALSO}", inspect.getdoc(load) or "", count=1, flags=re.MULTILINE
    )
    return load_roots


def join_datasets(datasets: Mapping[str, Dataset]) -> Dataset:
    """The images of several data sets, in the order of the sets.

    Args:
        datasets: Data sets by name, the first folder of the new names.

    Raises:
        DataError: Their classes differ.
    """
    _check_classes({name: dataset.classes for name, dataset in datasets.items()})
    parts = list(datasets.values())
    places = [(part, row) for part in parts for row in range(len(part))]

    def read_mask(row: int) -> Bits:
        part, own_row = places[row]
        return part.mask(own_row)

    return Dataset(
        names=tuple(f"{root}/{name}" for root, part in datasets.items() for name in part.names),
        paths=tuple(path for part in parts for path in part.paths),
        sizes=np.concatenate([part.sizes for part in parts]),
        classes=parts[0].classes,
        pixels=np.concatenate([part.pixels for part in parts]),
        read_mask=read_mask,
        image_hashes=tuple(each for part in parts for each in part.image_hashes),
        label_hashes=tuple(each for part in parts for each in part.label_hashes),
        has_ignore=any(part.has_ignore for part in parts),
        depth=max(part.depth for part in parts),
    )


def join_surveys(surveys: Mapping[str, Survey]) -> Survey:
    """The images and issues of several surveys of one form.

    Args:
        surveys: Surveys by name, the first folder of the new names.

    Raises:
        DataError: Their classes differ.
    """
    _check_classes({name: survey.classes or () for name, survey in surveys.items()})
    first, *_ = surveys.values()
    images = [
        replace(image, name=f"{root}/{image.name}")
        for root, survey in surveys.items()
        for image in survey.images
    ]
    issues = [issue for survey in surveys.values() for issue in survey.issues]
    return replace(first, images=images, issues=issues)


def one_root(root: object, reason: str) -> Path:
    """The only root folder.

    Args:
        root: Setting `data.root`.
        reason: Why there has to be one, for the message.

    Raises:
        DataError: There are several.
    """
    folders = named_roots(root)
    if len(folders) > 1:
        raise DataError(f"data.root: {', '.join(folders.values())}: {reason}; name one of them")
    return Path(*folders.values())


def _load_all(
    load: Loader, roots: Mapping[str, str], settings: Mapping[str, Any]
) -> dict[str, Dataset]:
    """Load every root; the problems of all are raised together."""
    datasets = {}
    problems: list[str] = []
    for name, folder in roots.items():
        try:
            datasets[name] = load(root=folder, **settings)
        except DataError as error:
            problems += error.lines
    raise_if(problems)
    return datasets


def _check_classes(classes: Mapping[str, tuple[str, ...]]) -> None:
    """Check that all roots have the same classes in the same order."""
    (first, names), *others = classes.items()
    for other, other_names in others:
        if other_names != names:
            raise DataError(
                f"data.root: {first} has the classes {', '.join(names)} and {other} has "
                f"{', '.join(other_names)}; state them with data.classes"
            )
