"""The command `data add`: corrected labels and new images into a data set."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.command_line import program
from steelexp.commands.arguments import class_names, renamed_classes
from steelexp.commands.outcome import DONE, FAILED
from steelexp.data.adding.add import Outcome, add
from steelexp.data.sources import LOADERS
from steelexp.data.splits.extension import describe_parts
from steelexp.data.splits.file import read_table
from steelexp.errors import UserError
from steelexp.labelled_data import SPEC_SUFFIXES, labelled_data, named_source, takes_classes
from steelexp.progress import say
from steelexp.spec.schema import DataSpec

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers

EPILOG = """\
examples:
  {program} data add corrected/ --to data/line1
  {program} data add corrected/ --to experiments/line1.yaml --replace
  {program} data add corrected/ --to data/line1 --split splits/line1.csv

The labels of images that are in the data set already, by content or by name, are replaced with
--replace only. Replaced files are kept in ROOT.replaced-1. --split appends the images to a split,
and no old image moves. A command that was stopped is finished when it is typed again. Exit code 1:
labels differ and were left as they are.
"""

MOST_NAMES = 5
"""Names in a line."""


def add_parser(below: "Subparsers") -> None:
    """Add the command."""
    parser = below.add_parser(
        "add",
        help="add labelled images to a data set, such as corrected predictions",
        epilog=EPILOG.format(program=program()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(act=add_images)
    parser.add_argument(
        "source",
        type=Path,
        metavar="FROM",
        help="labelled images: a folder of a known layout, or a spec with its data section",
    )
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="ROOT|SPEC",
        help="data set that gets them, which keeps its form",
    )
    parser.add_argument(
        "--source",
        dest="form",
        nargs="+",
        metavar=("SOURCE", "KEY=VALUE"),
        help="data source of FROM, with settings as in a spec (default: by the layout of FROM)",
    )
    parser.add_argument(
        "--replace", action="store_true", help="replace the labels of images that are there already"
    )
    parser.add_argument(
        "--prefix",
        default="",
        metavar="TEXT",
        help="text before the names of new images, where names are taken",
    )
    parser.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="table image,part that gets rows for the images; near-duplicates go to one part",
    )
    parser.add_argument(
        "--classes",
        type=class_names,
        metavar="A,B,...",
        help="names of the mask values 1, 2, ..., for folders whose files do not name them",
    )
    parser.add_argument(
        "--rename",
        type=renamed_classes,
        default={},
        metavar="THEIRS=OURS,...",
        help="classes of FROM that the data set calls otherwise",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be added; write nothing"
    )


def add_images(args: argparse.Namespace) -> int:
    """Add labelled images to a data set."""
    target, incoming = _sections(args)
    outcome = add(
        incoming.bind(LOADERS)(),
        target.choice,
        target.settings,
        renamed=args.rename,
        replace=args.replace,
        prefix=args.prefix,
        dry_run=args.dry_run,
        split=args.split,
    )
    for line in _lines(outcome, target.settings["root"], dry_run=args.dry_run):
        say(line)
    if args.split is not None:
        say(_split_line(outcome, args.split, dry_run=args.dry_run))
    return FAILED if outcome.left else DONE


def _sections(args: argparse.Namespace) -> tuple[DataSpec, DataSpec]:
    """The data sections of the data set and of the images to add."""
    folders = [args.to] if args.form else [args.to, args.source]
    named = [path for path in folders if takes_classes(path)]
    if args.classes is not None and not named:
        names = " and ".join(map(str, reversed(folders)))
        raise UserError(f"--classes: {names} name their classes themselves")
    target = labelled_data(args.to, classes=args.classes if args.to in named else None).settings
    if args.form and args.source.suffix in SPEC_SUFFIXES:
        raise UserError(f"--source: without effect beside {args.source}; leave it out")
    if args.form:
        return target, named_source(args.form, args.source)
    classes = args.classes if args.source in named else None
    return target, labelled_data(args.source, own=target, classes=classes).settings


def _lines(outcome: Outcome, root: str, *, dry_run: bool) -> list[str]:
    verb = "would be " if dry_run else ""
    added = f"{len(outcome.added)} images {verb}added{_some(outcome.added)}"
    replaced = f"labels of {len(outcome.replaced)} {verb}replaced{_some(outcome.replaced)}"
    equal = f"{outcome.equal} there already with the same labels"
    when = "then" if dry_run else "now"
    lines = [f"{root}: {added}, {replaced}, {equal}; {outcome.images} images {when}"]
    if outcome.left:
        lines.append(
            f"{len(outcome.left)} are there with other labels, which were left as they are"
            f"{_some(outcome.left)}; take the new labels with --replace"
        )
    if outcome.renamed:
        pairs = [f"{name} is {there}" for name, there in outcome.renamed.items()]
        lines.append(f"{len(pairs)} are there under another name{_some(pairs)}")
    return lines


def _split_line(outcome: Outcome, split: Path, *, dry_run: bool) -> str:
    if not outcome.split_parts:
        return f"{split}: every image has a row already"
    verb = "would be added" if dry_run else f"added, now version {read_table(split).version}"
    return f"{split}: {describe_parts(outcome.split_parts)} {verb}"


def _some(names: list[str]) -> str:
    """The first names in brackets."""
    if not names:
        return ""
    rest = len(names) - MOST_NAMES
    return f" ({', '.join(names[:MOST_NAMES])}{f' and {rest} more' if rest > 0 else ''})"
