"""Add labelled images to a data set on disk."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steelexp.data.adding.addition import Addition
from steelexp.data.adding.comparison import Comparison, compare
from steelexp.data.adding.forms import FORMS
from steelexp.data.adding.moves import staging
from steelexp.data.adding.split_rows import deal_rows
from steelexp.data.class_order import match_classes
from steelexp.data.dataset import DataError, Dataset, raise_if
from steelexp.data.several_roots import one_root
from steelexp.data.sources import LOADERS
from steelexp.data.splits.file import check_writable, locked, read_split
from steelexp.errors import explain_write_errors


@dataclass(frozen=True)
class Outcome:
    """What `add` has done.

    Attributes:
        added: Names of the new images in the data set.
        replaced: Names of the images whose labels were replaced.
        left: Names of the images whose labels differ and were left as they are.
        equal: Number of images that were there with the same labels.
        renamed: Name -> name in the data set, where an image is there under another name.
        images: Number of images of the data set now.
        split_parts: Part of each image that the file of the split has got a row for.
    """

    added: list[str]
    replaced: list[str]
    left: list[str]
    equal: int
    renamed: dict[str, str]
    images: int
    split_parts: dict[str, str] = field(default_factory=dict)


def add(
    incoming: Dataset,
    source: str,
    settings: Mapping[str, Any],
    *,
    renamed: Mapping[str, str],
    replace: bool,
    prefix: str,
    dry_run: bool,
    split: Path | None = None,
) -> Outcome:
    """Add images and labels to a data set in its own form.

    A killed process leaves the old data set whole, or its files are finished when images are added
    the next time. Replaced files are kept beside the root folder.

    Args:
        incoming: Labelled images.
        source: Data source of the data set.
        settings: Settings of the source, with its root folder.
        renamed: Class of the images -> class of the data set, where the names differ.
        replace: Whether the labels of images that are there already are replaced.
        prefix: Text before the names of new images.
        dry_run: Whether nothing is written.
        split: File of a split that gets rows for the images; None for none.

    Raises:
        UserError: The form of the data set takes no images, a class is unknown, a name is taken by
            another image, the split is not of this data set, or a file cannot be written.
    """
    if source not in FORMS:
        raise DataError(
            f"{settings['root']}: images are added to data sets of the forms {', '.join(FORMS)}, "
            f"and this one is {source}; convert it first"
        )
    root = one_root(settings["root"], "images are added to one folder")
    settings = {**settings, "root": str(root)}
    form = FORMS[source]
    with (
        _split_to_write(None if dry_run else split),
        explain_write_errors(root, "make it writable for this account"),
        staging(root) as staged,
    ):
        existing = LOADERS[source](**{**settings, **form.whole})
        matched = match_classes(incoming, existing.classes, renamed, subset=True)
        comparison = compare(matched, existing, prefix)
        addition = Addition(
            root,
            matched,
            existing,
            new={row: prefix + matched.names[row] for row in comparison.new},
            changed=comparison.changed if replace else {},
        )
        if form.ignore(settings) is None:
            raise_if(_ignored_pixels(addition))
        split_parts = {} if split is None else deal_rows(addition, comparison, split)
        if (addition.new or addition.changed or split_parts) and not dry_run:
            if addition.new or addition.changed:
                form.stage(addition, settings, staged)
            if split is not None and split_parts:
                staged.add_split_rows(split, split_parts)
            staged.commit()
    return _outcome(addition, comparison, split_parts)


@contextmanager
def _split_to_write(path: Path | None) -> Iterator[None]:
    """Hold the lock of a split that gets rows.

    Raises:
        UserError: The file cannot be read or written.
    """
    if path is None:
        yield
        return
    read_split(path)
    with explain_write_errors(path.resolve().parent, "make it writable, or leave --split out"):
        check_writable(path)
        with locked(path):
            yield


def _ignored_pixels(addition: Addition) -> list[str]:
    """Problems of images with ignored pixels, for a data set that holds none."""
    if not addition.incoming.has_ignore:
        return []
    classes = len(addition.incoming.classes)
    return [
        f"{name}: ignored pixels, and {addition.root} holds none; label them, or give a spec with "
        "data.ignore as --to"
        for name, bits in addition.labels()
        if (bits >> classes).any()
    ]


def _outcome(addition: Addition, comparison: Comparison, split_parts: dict[str, str]) -> Outcome:
    names = addition.existing.names
    here = comparison.equal | comparison.changed
    changed = [names[other] for other in comparison.changed.values()]
    return Outcome(
        added=list(addition.new.values()),
        replaced=changed if addition.changed else [],
        left=[] if addition.changed else changed,
        equal=len(comparison.equal),
        renamed={
            addition.incoming.names[row]: names[other]
            for row, other in here.items()
            if addition.incoming.names[row] != names[other]
        },
        images=len(names) + len(addition.new),
        split_parts=split_parts,
    )
