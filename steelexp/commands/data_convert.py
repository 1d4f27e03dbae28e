"""The command `data convert`: write a data set in another label form."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from steelexp.commands.outcome import DONE
from steelexp.data.dataset import Dataset
from steelexp.data.forms.writers import WRITERS, has_polygons
from steelexp.data.forms.writing import WriterReport, copy, link
from steelexp.data.sources import LOADERS, source_of
from steelexp.errors import UserError
from steelexp.labelled_data import SPEC_SUFFIXES, named_source
from steelexp.plan import SpecModel
from steelexp.progress import say
from steelexp.spec import load

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add_parser(below: "Subparsers") -> None:
    """Add the command."""
    parser = below.add_parser("convert", help="write a data set in another label form")
    parser.set_defaults(act=convert, inputs=("origin",))
    parser.add_argument(
        "origin",
        metavar="FROM",
        type=Path,
        help="folder of a data set, or spec whose data section names one",
    )
    parser.add_argument("target", metavar="TO", type=Path, help="folder of the new data set")
    parser.add_argument(
        "--form", required=True, choices=sorted(WRITERS), help="label form of the new data set"
    )
    parser.add_argument(
        "--source",
        nargs="+",
        metavar=("SOURCE", "KEY=VALUE"),
        help="data source of FROM, with settings as in a spec (default: by the layout of FROM)",
    )
    parser.add_argument(
        "--polygons",
        action="store_true",
        help="coco and labelme: write polygons, whose points can be moved, instead of masks",
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="hard links to the images instead of copies; a change of one then changes both",
    )


def convert(args: argparse.Namespace) -> int:
    """Write a data set in another label form."""
    options: dict[str, Any] = {"place": link if args.link else copy}
    if args.polygons:
        if not has_polygons(args.form):
            raise UserError(f"--polygons: {args.form} leaves no choice; leave it out")
        options["polygons"] = True
    dataset = read_origin(args.origin, args.source)
    output = WRITERS[args.form](dataset, args.target, **options)
    say(*_report(dataset, args.target, args.form, output))
    return DONE


def read_origin(origin: Path, source: Sequence[str] | None) -> Dataset:
    """Read the data set to convert.

    Args:
        origin: Spec file, or folder of a data set.
        source: Name of the data source and its settings, KEY=VALUE; None finds it by the layout.

    Raises:
        UserError: The spec, the settings or the data set are wrong.
    """
    if origin.suffix in SPEC_SUFFIXES and origin.is_file():
        if source:
            raise UserError(f"--source: without effect beside {origin}; leave it out")
        spec = load(origin, model=SpecModel)
        dataset: Dataset = spec.data.bind(LOADERS)()
        return dataset
    section = named_source(source or [source_of(origin)], origin)
    converted: Dataset = section.bind(LOADERS)()
    return converted


def _report(dataset: Dataset, target: Path, form: str, output: WriterReport) -> list[str]:
    """What was written, what the form cannot say, and the section of a spec that reads it."""
    labelled = sum(dataset.labelled)
    settings = {"source": "", "root": str(target)} | output.settings
    section = yaml.safe_dump(settings, default_flow_style=True, width=10**6, sort_keys=False)
    return [
        f"{target}: {len(dataset)} images as {form}, {labelled} of them with labels",
        *(f"Not the same: {loss}" for loss in output.losses),
        f"data: {section.strip()}",
    ]
