"""The command `data`: examine, generate or fetch a data set."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.commands.outcome import DONE, FAILED
from steelexp.data.kaggle.fetch import fetch
from steelexp.data.synthetic import generate
from steelexp.errors import explain_write_errors
from steelexp.progress import say, steps

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers


def add(commands: "Subparsers") -> None:
    """Add the command, and those below it."""
    parser = commands.add_parser("data", help="examine, generate or fetch a data set")
    below = parser.add_subparsers(metavar="WHAT", required=True)
    generator = below.add_parser(
        "generate", help="generate a synthetic data set like Severstal's, in Kaggle's layout"
    )
    generator.set_defaults(act=generate_set)
    generator.add_argument("folder", type=Path, metavar="FOLDER")
    generator.add_argument("--strips", type=int, default=200, help="training strips (default: 200)")
    generator.add_argument("--seed", type=int, default=0)
    generator.add_argument(
        "--rarity",
        type=float,
        default=1.0,
        help="1: Severstal's class imbalance (default), 0: classes equally frequent",
    )
    fetched = below.add_parser("fetch", help="download Severstal's images with your account")
    fetched.set_defaults(act=fetch_set)
    fetched.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path("data/severstal"),
        metavar="FOLDER",
        help="default: data/severstal",
    )

    doctor = below.add_parser("doctor", help="everything that is wrong with a data set")
    doctor.set_defaults(act=examine_set)
    doctor.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set")
    doctor.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write (default: doctor/NAME OF ROOT)"
    )
    doctor.add_argument(
        "--split",
        type=Path,
        metavar="FILE",
        help="look for leaks under this split: CSV of image,part with train, tune or test",
    )
    doctor.add_argument(
        "--classes",
        type=lambda names: tuple(names.split(",")),
        metavar="A,B,...",
        help="names of the mask values 1, 2, ... (default: every value is a class)",
    )


def generate_set(args: argparse.Namespace) -> int:
    """Draw a Severstal-like data set."""
    with steps("generating", args.strips, every=10.0) as advance:
        generate(
            args.folder,
            strips=args.strips,
            seed=args.seed,
            rarity=args.rarity,
            report=lambda done, total: advance(done),
        )
    say(f"{args.folder}: {args.strips} images; use it with data.root={args.folder}")
    return DONE


def examine_set(args: argparse.Namespace) -> int:
    """Say all that is wrong with a data set, and what its labels amount to."""
    from steelexp.data.doctor import diagnosis, report  # SciPy takes a second, --help none

    found = diagnosis.diagnose(args.root, split=args.split, classes=args.classes)
    out = args.out or Path("doctor") / args.root.resolve().name
    with explain_write_errors(out, "choose another folder with --out"):
        file = diagnosis.write(found, out)
    report.report(found, file)
    return FAILED if found.issues else DONE


def fetch_set(args: argparse.Namespace) -> int:
    """Download Severstal's images with the user's own Kaggle account."""
    fetch(args.folder)
    return DONE
