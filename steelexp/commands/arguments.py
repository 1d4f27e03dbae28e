"""Arguments that several commands share: specs with overrides, the folder of the runs."""

import argparse
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.command_line import RUNS, argument
from steelexp.errors import UserError, cut
from steelexp.limits import SEEDS
from steelexp.plan import SpecModel
from steelexp.progress import say
from steelexp.records.store import RunFolder, is_run_folder
from steelexp.spec import ExperimentSpec, Problem, SpecError, load
from steelexp.spec.effects import idle_settings

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


@dataclass(frozen=True)
class Request:
    """One experiment or search that `run` was asked for.

    Attributes:
        spec: The resolved spec.
        words: Arguments of `run` that ask for it alone: file, overrides and seed.
        folder: Run folder to go on with, wherever it lies; None for the one below --runs.
    """

    spec: ExperimentSpec
    words: tuple[str, ...]
    folder: RunFolder | None = None


def add_runs_option(parser: argparse.ArgumentParser) -> None:
    """Add `--runs`."""
    parser.add_argument(
        "--runs", type=Path, default=RUNS, help="folder of the run folders (default: runs)"
    )


def requests(words: Sequence[str], seeds: str | None) -> list[Request]:
    """Load every spec with every seed; list the problems of all of them.

    Args:
        words: Spec files, folders of specs, run folders, and overrides.
        seeds: Seeds between commas; None for the specs' own.

    Raises:
        UserError: A spec is wrong, or an argument has no effect.
    """
    overrides = [word for word in words if _is_override(word)]
    every = [word for word in words if not _is_override(word)]
    runs = [RunFolder(Path(word)) for word in every if is_run_folder(Path(word))]
    named = [word for word in every if RunFolder(Path(word)) not in runs]
    _check_seeds(overrides, seeds)
    _check_as_begun(runs, overrides, seeds)
    loaded = [_run_request(run) for run in runs]
    problems: list[Problem] = []
    notes: list[str] = []
    for path in spec_files(named) if named or not runs else []:
        try:
            loaded += list(_load(path, overrides, seeds, notes))
        except SpecError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise SpecError(problems)
    for note in dict.fromkeys(notes):
        say(note)
    return loaded if seeds is None else _without_searches(loaded, named)


def _is_override(word: str) -> bool:
    """Whether a word is key=value; the name of a file may have an equals sign, too."""
    return "=" in word and not os.path.exists(word)  # noqa: PTH110  # Path.exists raises for long names


def _check_seeds(overrides: Sequence[str], seeds: str | None) -> None:
    seed = next((word for word in overrides if word.startswith("seed=")), None)
    if seeds is not None and seeds.count(",") >= SEEDS:
        raise UserError(f"--seeds: {seeds.count(',') + 1:,} seeds; at most {SEEDS:,} at a time")
    if seeds is not None and seed is not None:
        raise UserError(f"{seed}: without effect beside --seeds {seeds}; leave one of them out")


def _check_as_begun(runs: Sequence[RunFolder], overrides: Sequence[str], seeds: str | None) -> None:
    if runs and (overrides or seeds is not None):
        other = overrides[0] if overrides else f"--seeds {seeds}"
        path = runs[0].path
        more = ""
        if runs[0].is_finished and any(word.startswith("training.epochs=") for word in overrides):
            more = f" and, for more epochs of it, model.start={path} model.start_at=continue"
        raise UserError(
            f"{path}: a run folder goes on as it began; leave out {other}, or run it as another "
            f"experiment with {path / 'spec.yaml'}{more}"
        )


def _run_request(run: RunFolder) -> Request:
    spec = load(run.path / "spec.yaml", model=SpecModel)
    return Request(spec, (argument(run.path),), run)


def _load(
    path: Path, overrides: Sequence[str], seeds: str | None, notes: list[str]
) -> Iterator[Request]:
    for seed in [[]] if seeds is None else [[f"seed={seed}"] for seed in seeds.split(",")]:
        spec = load(path, [*overrides, *seed], model=SpecModel, notes=notes)
        check_effects(path, spec)
        yield Request(spec, (argument(path), *overrides, *seed))


def check_effects(path: Path, spec: ExperimentSpec) -> None:
    """Check that every setting of a spec has an effect; a trial's own spec may say more.

    Raises:
        SpecError: Settings have none.
    """
    text = "without effect, the spec has no search; leave it out, or make it empty: {key}=[]"
    if keys := idle_settings(spec):
        raise SpecError([Problem(str(path), key, text.format(key=key)) for key in keys])


def _without_searches(loaded: Sequence[Request], named: Sequence[str]) -> list[Request]:
    """Leave out the searches of a folder, and say which: a search has one seed.

    Raises:
        UserError: A search was named itself, or nothing else is left.
    """
    searches = dict.fromkeys(each.words[0] for each in loaded if each.spec.search is not None)
    for path in searches:
        if path in {argument(Path(word)) for word in named}:
            raise UserError(
                f"{path}: --seeds: a search has one seed; leave --seeds out, then run its "
                "best.yaml with several"
            )
        say(f"{path}: left out, because a search has one seed; run it without --seeds")
    left = [each for each in loaded if each.spec.search is None]
    if not left:
        raise UserError(f"{', '.join(named)}: only searches below; run them without --seeds")
    return left


def spec_files(words: Sequence[str]) -> list[Path]:
    """The files that are named, and of a folder every spec below; each once."""
    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if os.path.isdir(word):  # noqa: PTH112  # as above
            below = sorted(path.glob("**/*.yaml"))
            if not below:
                raise UserError(f"{path}: no .yaml below this folder")
            paths += below
        elif os.path.lexists(word):  # a pipe or device is named by who reads it
            paths.append(path)
        else:
            raise UserError(f"{cut(word)}: no such spec or folder; the shipped ones: experiments/")
    if not paths:
        raise UserError("no spec was named; for example: experiments/quickstart.yaml")
    return list(dict.fromkeys(paths))


def positive(word: str) -> float:
    """A number above 0, for argparse."""
    number = float(word)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{word}: a number above 0 is expected")
    return number


def white_level(word: str) -> int:
    """The white level of images of more than 8 bits, for argparse."""
    value = int(word)
    if not 2**8 <= value < 2**16:
        raise argparse.ArgumentTypeError(f"{word}: a white level from 256 to 65535 is expected")
    return value


def not_negative(word: str) -> float:
    """A number from 0, for argparse."""
    number = float(word)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{word}: a number from 0 is expected")
    return number


def class_names(text: str) -> tuple[str, ...]:
    """Names between commas."""
    return tuple(text.split(","))


def renamed_classes(text: str) -> dict[str, str]:
    """Pairs THEIRS=OURS between commas."""
    pairs = [pair.partition("=")[::2] for pair in text.split(",")]
    if not all(map(all, pairs)) or len(dict(pairs)) < len(pairs):
        raise argparse.ArgumentTypeError(f"{text!r}: give THEIRS=OURS, each class once")
    return dict(pairs)
