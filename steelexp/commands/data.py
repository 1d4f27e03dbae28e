"""The command `data`: generate, fetch, examine, audit, extend or convert a data set."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.command_line import shell_word
from steelexp.commands import data_add, data_audit, data_convert
from steelexp.commands.arguments import class_names
from steelexp.commands.outcome import DONE, FAILED
from steelexp.data.doctor.earlier_look import check_replaceable
from steelexp.data.kaggle.fetch import fetch
from steelexp.data.synthetic import generate
from steelexp.errors import UserError, explain_write_errors
from steelexp.labelled_data import SPEC_SUFFIXES, named_source
from steelexp.plan import SpecModel
from steelexp.progress import say, steps
from steelexp.spec import load

if TYPE_CHECKING:
    from steelexp.spec.schema import DataSpec, SplitSpec


def add(parser: argparse.ArgumentParser) -> None:
    """Add the commands below this one."""
    below = parser.add_subparsers(metavar="WHAT", required=True)
    generator = below.add_parser(
        "generate", help="generate a synthetic data set in Severstal's layout"
    )
    generator.set_defaults(act=generate_set)
    generator.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the new data set")
    generator.add_argument(
        "--strips", type=int, default=200, help="number of training strips (default: 200)"
    )
    generator.add_argument("--seed", type=int, default=0, help="seed of the generator (default: 0)")
    generator.add_argument(
        "--rarity",
        type=float,
        default=1.0,
        help="class imbalance, from 0, equally frequent, to 1, Severstal's own (default: 1)",
    )
    fetching = below.add_parser(
        "fetch", help="download Severstal's images with your Kaggle account"
    )
    fetching.set_defaults(act=fetch_set)
    fetching.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data/severstal"),
        metavar="FOLDER",
        help="default: data/severstal",
    )

    doctor = below.add_parser("doctor", help="list everything that is wrong with a data set")
    doctor.set_defaults(act=examine_set, inputs=("data", "out"))
    doctor.add_argument(
        "data",
        type=Path,
        metavar="ROOT|SPEC",
        help="folder of a data set, or spec, whose data section is read as `run` reads it",
    )
    doctor.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings of the spec that replace its own, such as data.masks=labels",
    )
    doctor.add_argument(
        "--source",
        nargs="+",
        metavar=("SOURCE", "KEY=VALUE"),
        help="data source of ROOT, with settings as in a spec (default: by the layout of ROOT)",
    )
    doctor.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report (default: doctor/NAME OF ROOT OR SPEC)",
    )
    doctor.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="split to look for data leakage under: CSV of image,part with train, val or test",
    )
    doctor.add_argument(
        "--classes",
        type=class_names,
        metavar="A,B,...",
        help="names of the mask values 1, 2, ... (default: every value is a class)",
    )
    data_add.add_parser(below)
    data_audit.add_parser(below)
    data_convert.add_parser(below)


def generate_set(args: argparse.Namespace) -> int:
    """Generate a Severstal-like data set."""
    with steps("generating", args.strips, every=10.0) as advance:
        generate(
            args.folder,
            strips=args.strips,
            seed=args.seed,
            rarity=args.rarity,
            report=lambda done, total: advance(done),
        )
    overrides = f"data.source=severstal {shell_word(f'data.root={args.folder}')}"
    say(f"{args.folder}: {args.strips} images; use it with {overrides}")
    return DONE


def examine_set(args: argparse.Namespace) -> int:
    """Print all that is wrong with a data set, and statistics of its labels."""
    from steelexp.data.doctor import diagnosis, report  # SciPy takes a second, --help none

    data, split = _examined_data(args)
    is_spec = args.data.suffix in SPEC_SUFFIXES
    name = args.data.resolve().with_suffix("").name if is_spec else args.data.resolve().name
    out = args.out or Path("doctor") / name
    check_replaceable(out)
    result = diagnosis.diagnose(data, split=args.split or split, classes=args.classes)
    with explain_write_errors(out, "choose another folder with --out"):
        file = diagnosis.write(result, out)
    report.report(result, file)
    return FAILED if result.issues else DONE


def _examined_data(args: argparse.Namespace) -> "tuple[Path | DataSpec, SplitSpec | None]":
    """The data to examine: data and split of a spec, or a folder, with its settings if named.

    Raises:
        UserError: The spec is wrong, or an argument has no effect.
    """
    is_spec = args.data.suffix in SPEC_SUFFIXES and args.data.is_file()
    if args.overrides and not is_spec:
        raise UserError(
            f"{args.overrides[0]}: without effect beside a folder; name its data source and "
            "settings with --source"
        )
    if args.classes is not None and (is_spec or args.source):
        raise UserError("--classes: without effect beside a spec or --source; set classes there")
    if args.source and is_spec:
        raise UserError(f"--source: without effect beside {args.data}; leave it out")
    if is_spec:
        spec = load(args.data, args.overrides, model=SpecModel)
        return spec.data, spec.split
    return named_source(args.source, args.data) if args.source else Path(args.data), None


def fetch_set(args: argparse.Namespace) -> int:
    """Download Severstal's images with the user's own Kaggle account."""
    fetch(args.folder)
    return DONE
