"""The command `forecast`: how many more labelled images until a target."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from steelexp.commands.arguments import Request, add_runs_option, requests
from steelexp.commands.outcome import DONE, FAILED
from steelexp.commands.run import run_requests
from steelexp.comparison.evaluated_run import EvaluatedRun, read_run
from steelexp.errors import UserError, explain_write_errors
from steelexp.file_names import check_folder
from steelexp.forecast.answer import FEWEST_SEEDS, FEWEST_SIZES
from steelexp.forecast.figure import FILE as PICTURE
from steelexp.forecast.figure import forecast_picture
from steelexp.forecast.result import SizeRuns, forecast
from steelexp.forecast.table import forecast_lines, forecast_table
from steelexp.limits import SEEDS
from steelexp.metric_names import Part
from steelexp.metrics import CURVES, PRIMARY
from steelexp.plan import prepare
from steelexp.progress import say, show
from steelexp.records.atomic import write_atomically
from steelexp.records.forecast_file import ForecastFile, write_forecast
from steelexp.records.store import RunFolder
from steelexp.spec import ExperimentSpec

FOLDER = "forecast"
"""Folder of a forecast, beside the runs of its spec."""


class _Size(NamedTuple):
    """The runs with one share of the training images, trained or not.

    Attributes:
        share: Share of the training images.
        requests: What `run` is asked for, for each seed.
        folders: Folder of each run.
        images: Number of training images of each run.
        part: Part of the split that the runs report.
    """

    share: float
    requests: list[Request]
    folders: list[RunFolder]
    images: list[int]
    part: Part


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    # What `run` obeys and a forecast has no option for.
    parser.set_defaults(act=run, fresh=False, profile=False, address=None)
    add_runs_option(parser)
    parser.add_argument(
        "specs", nargs="+", metavar="SPEC|key=value", help="a spec file, and overrides"
    )
    parser.add_argument("--target", type=score, required=True, help="score to reach")
    parser.add_argument(
        "--metric", choices=CURVES, default=PRIMARY, help=f"metric (default: {PRIMARY})"
    )
    parser.add_argument(
        "--shares",
        type=shares,
        default="0.125,0.25,0.5,1",
        help=f"shares of the training images, {FEWEST_SIZES} or more (default: 0.125,0.25,0.5,1)",
    )
    parser.add_argument(
        "--seeds",
        default="0,1,2",
        help=f"seeds of the runs of each share, {FEWEST_SEEDS} or more; each has subsets of its "
        "own (default: 0,1,2)",
    )
    parser.add_argument(
        "--part",
        choices=("test", "val", "test_post"),
        help="images that are evaluated (default: test, or val where the split has no test part)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the runs and what is finished; train nothing"
    )


def score(word: str) -> float:
    """A score, for argparse."""
    number = float(word)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{word}: a score above 0 and below 1 is expected")
    return number


def shares(text: str) -> tuple[float, ...]:
    """Shares between commas, ascending, for argparse."""
    ascending = sorted({float(word) for word in text.split(",")})
    if not all(0 < share <= 1 for share in ascending) or len(ascending) < FEWEST_SIZES:
        raise argparse.ArgumentTypeError(
            f"{text}: at least {FEWEST_SIZES} different shares above 0 and up to 1 are expected"
        )
    return tuple(ascending)


def run(args: argparse.Namespace) -> int:
    """Train what is missing, then forecast."""
    check_folder(args.runs, "--runs")
    spec = _checked_spec(args.specs)
    seeds = _seeds(args.seeds)
    sizes = [_size(args, spec, share, seeds) for share in args.shares]
    for size in sizes:
        say(_size_line(size))
    if args.dry_run:
        return DONE
    every = [request for size in sizes for request in size.requests]
    if failed := run_requests(every, args):
        say(
            f"No forecast: {failed} of {len(every)} runs failed; the same command goes on with them"
        )
        return FAILED
    runs = [SizeRuns(size.share, _evaluated(size, args.part or size.part)) for size in sizes]
    folder = args.runs / spec.name / FOLDER
    with explain_write_errors(folder, "choose another folder with --runs"):
        _leave(forecast(runs, args.metric, args.target), folder)
    return DONE


def _checked_spec(words: Sequence[str]) -> ExperimentSpec:
    """The spec without shares and seeds.

    Raises:
        UserError: There is not exactly one, or it sets what a forecast varies.
    """
    asked = requests(words, None)
    if len(asked) != 1 or asked[0].folder is not None:
        raise UserError("forecast: name one spec file; it is trained with several shares and seeds")
    spec = asked[0].spec
    refusals = {
        "search": (spec.search is not None, "forecast its best.yaml"),
        "data.train_share": (spec.data.train_share != 1, "--shares sets it; leave it out"),
        "model.start": (
            spec.model.start is not None,
            "that run has seen images which the smaller shares leave out; leave it out",
        ),
        "data.unlabelled": (
            spec.data.unlabelled is not None,
            "its teacher has seen images which the smaller shares leave out; leave it out",
        ),
        "split.kind": (
            spec.split.choice == "overfit",
            "overfit evaluates the training images; take split.kind=grouped",
        ),
    }
    for key, (is_set, way_out) in refusals.items():
        if is_set:
            raise UserError(f"{words[0]}: {key}: refused by forecast: {way_out}")
    return spec


def _seeds(text: str) -> list[str]:
    """The seeds, as they were typed; their values are checked with the spec."""
    seeds = list(dict.fromkeys(text.split(",")))
    if len(seeds) < FEWEST_SEEDS:
        raise UserError(
            f"--seeds {text}: the spread between seeds needs {FEWEST_SEEDS} seeds or more"
        )
    if len(seeds) > SEEDS:
        raise UserError(f"--seeds: {len(seeds):,} seeds; at most {SEEDS:,} at a time")
    return seeds


def _size(
    args: argparse.Namespace, spec: ExperimentSpec, share: float, seeds: Sequence[str]
) -> _Size:
    """Plan the runs with one share; with all images they are those of the spec itself."""
    asked = []
    for seed in seeds:
        words = [f"seed={seed}"]
        if share < 1:
            words += [f"name={spec.name}_share_{share:g}"]
            words += [f"data.train_share={share}", f"data.train_share_seed={seed}"]
        asked += requests([*args.specs, *words], None)
    plans = [prepare(request.spec, args.runs) for request in asked]
    return _Size(
        share=share,
        requests=asked,
        folders=[plan.folder for plan in plans],
        images=[len(plan.split.train) for plan in plans],
        part="test" if plans[0].reported_part[0] == "test" else "val",
    )


def _size_line(size: _Size) -> str:
    least, most = min(size.images), max(size.images)
    images = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    finished = sum(folder.is_finished for folder in size.folders)
    return (
        f"share {size.share:g}: {images} training images, {len(size.folders)} runs, "
        f"{finished} finished"
    )


def _evaluated(size: _Size, part: Part) -> list[EvaluatedRun]:
    """The finished runs of a size, on the images of a part."""
    return [
        read_run(folder, folder.finished_record(), request.spec, part)
        for folder, request in zip(size.folders, size.requests, strict=True)
    ]


def _leave(result: ForecastFile, folder: Path) -> None:
    """Print a forecast, and write it with its figure."""
    file = write_forecast(folder, result)
    picture = write_atomically(folder / PICTURE, forecast_picture(result))
    show(forecast_table(result))
    if result.part == "val":
        say("These validation images picked the epoch of each run, so all scores are a bit high.")
    say(*forecast_lines(result), f"Forecast: {file}", f"Figure: {picture}")
