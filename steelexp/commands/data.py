"""The command `data`: generate, fetch, examine, extend or convert a data set."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.commands import data_add, data_convert
from steelexp.commands.arguments import class_names
from steelexp.commands.outcome import DONE, FAILED
from steelexp.data.kaggle.fetch import fetch
from steelexp.data.synthetic import generate
from steelexp.errors import explain_write_errors
from steelexp.progress import say, steps

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command, and those below it."""
    parser = commands.add_parser(
        "data", help="generate, fetch, examine, extend or convert a data set"
    )
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
    doctor.set_defaults(act=examine_set)
    doctor.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    doctor.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder of the report (default: doctor/NAME OF ROOT)",
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
    overrides = shlex.join(["data.source=severstal", f"data.root={args.folder}"])
    say(f"{args.folder}: {args.strips} images; use it with {overrides}")
    return DONE


def examine_set(args: argparse.Namespace) -> int:
    """Print all that is wrong with a data set, and statistics of its labels."""
    from steelexp.data.doctor import diagnosis, report  # SciPy takes a second, --help none

    result = diagnosis.diagnose(args.root, split=args.split, classes=args.classes)
    out = args.out or Path("doctor") / args.root.resolve().name
    with explain_write_errors(out, "choose another folder with --out"):
        file = diagnosis.write(result, out)
    report.report(result, file)
    return FAILED if result.issues else DONE


def fetch_set(args: argparse.Namespace) -> int:
    """Download Severstal's images with the user's own Kaggle account."""
    fetch(args.folder)
    return DONE
