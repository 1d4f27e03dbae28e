"""What several commands take: specs with overrides, the folder of the runs."""

import argparse
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelexp.errors import UserError
from steelexp.plan import SpecModel
from steelexp.spec import ExperimentSpec, SpecError, load

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def runs_option() -> argparse.ArgumentParser:
    """Return a parent parser with `--runs`."""
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument(
        "--runs", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)"
    )
    return parent


def specs(words: Sequence[str], seeds: str | None) -> list[tuple[ExperimentSpec, str]]:
    """Every spec that was asked for, with the command that runs it alone; problems all at once."""
    overrides = [word for word in words if "=" in word]
    paths = spec_files([word for word in words if "=" not in word])
    each = [[f"seed={seed}"] for seed in seeds.split(",")] if seeds is not None else [[]]
    found, problems = [], []
    for path in paths:
        for extra in each:
            try:
                spec = load(path, [*overrides, *extra], model=SpecModel)
            except SpecError as error:
                problems += [problem for problem in error.problems if problem not in problems]
                continue
            command = ["python", "-m", "steelexp", "run", str(path), *overrides, *extra]
            found.append((spec, shlex.join(command)))
    if problems:
        raise SpecError(problems)
    if seeds is not None and any(spec.search for spec, _ in found):
        raise UserError("--seeds: a search has one seed; run its best.yaml with several")
    return found


def spec_files(words: Sequence[str]) -> list[Path]:
    """Files as they are; of folders, every spec below."""
    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            below = sorted(path.glob("**/*.yaml"))
            if not below:
                raise UserError(f"{path}: no .yaml below this folder")
            paths += below
        elif path.is_file():
            paths.append(path)
        else:
            raise UserError(f"{word}: no such spec or folder; the shipped ones: experiments/")
    if not paths:
        raise UserError("no spec was named; for example: experiments/quickstart.yaml")
    return paths


def positive(word: str) -> float:
    """A number above 0, for argparse."""
    number = float(word)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{word}: a number above 0 is expected")
    return number
