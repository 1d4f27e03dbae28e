"""Every benchmark of speed, one after another; those that have a result already are left out.

    make bench
    python -m benchmarks --out build/bench training_step_mobilenetv2 rle
    python -m benchmarks --list

What a benchmark prints goes to OUT/NAME.txt once it has ended well, with its command and the
machine, and the figures of each round to OUT/NAME.json where it has rounds. Stop it whenever you
like: the same command goes on with the next benchmark. `--again` measures the named ones anew.
OUT/results.md has all texts. Peers are run by the Python that `--peer-python` names, in which the
extra `benchmarks` is installed.
"""

import argparse
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.side_by_side import machine

FOLDER = Path(__file__).parent

COMMANDS: dict[str, str] = {
    "training_step_mobilenetv2": "training_step --backbone mobilenetv2 {peer} {json}",
    "training_step_efficientnetb0": "training_step --backbone efficientnetb0 {peer} {json}",
    "training_step_efficientnetb4": (
        "training_step --backbone efficientnetb4 --batch 4 {peer} {json}"
    ),
    "floor_mobilenetv2": "floor --backbone mobilenetv2",
    "floor_efficientnetb0": "floor --backbone efficientnetb0",
    "floor_efficientnetb4": "floor --backbone efficientnetb4 --batch 4",
    "step_profile": "step_profile --backbone efficientnetb4 --batch 4 --convolutions winograd",
    "epochs_mobilenetv2": "epochs {strips} --backbone mobilenetv2 {peer} {json}",
    "trial_start": "trial_start experiments/search/quick_search.yaml",
    "inference_mobilenetv2": "inference {images} --backbone mobilenetv2 {peer} {json}",
    "inference_efficientnetb4": "inference {images} --backbone efficientnetb4 {peer} {json}",
    "predict_work": "predict_work {strips}",
    "predict_memory": "predict_work {strips} --memory",
    "input_pipeline": "input_pipeline {strips}",
    "cpu_settings": "cpu_settings",
    "rle": "rle {strips}/train.csv",
    "thresholds": "thresholds",
    "many_runs": "many_runs {run} {out}/many_runs --runs 1000",
    "scale": "scale {out}/scale",
}
"""Name of a benchmark -> module of this folder and its arguments."""

STRIPS = 96


def main() -> None:
    """Run the benchmarks that are wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks (default: all)")
    parser.add_argument("--out", type=Path, default=Path("build", "bench"))
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--again", action="store_true", help="measure the named ones anew")
    parser.add_argument("--list", action="store_true", help="print names and commands")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(COMMANDS)):
        parser.error(f"{unknown[0]}: no such benchmark; --list names them")
    if args.list:
        print("\n".join(f"{name:30} {command}" for name, command in COMMANDS.items()))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    failed = list(measure(args.names or list(COMMANDS), args))
    texts = [args.out / f"{name}.txt" for name in COMMANDS]
    (args.out / "results.md").write_text("\n".join(t.read_text() for t in texts if t.is_file()))
    print(f"results: {args.out / 'results.md'}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}; {args.out} has what they printed (.failed.txt)")


def measure(names: list[str], args: argparse.Namespace) -> Iterator[str]:
    """Run benchmarks; yield the names of those that failed."""
    for name in names:
        result = args.out / f"{name}.txt"
        if result.is_file() and not (args.again and args.names):
            print(f"{name}: {result} is there")
            continue
        words = shlex.split(COMMANDS[name].format(**inputs(name, args)))
        print(f"{name}: {shlex.join(words)[:200]}", flush=True)
        started = time.monotonic()
        module = f"benchmarks.{words[0]}"
        done = run([sys.executable, "-m", module, *words[1:]])
        print(done.stdout, flush=True)
        if done.returncode:
            result.with_suffix(".failed.txt").write_text(done.stdout + done.stderr)
            yield name
            continue
        head = f"## {name}\n\n`{COMMANDS[name]}`, {time.monotonic() - started:.0f} s, {machine()}\n"
        result.write_text(f"{head}\n{done.stdout}")


def inputs(name: str, args: argparse.Namespace) -> dict[str, str]:
    """What a command asks for; strips and a run are made when the first asks for them."""
    command = COMMANDS[name]
    strips = args.out / "strips"
    run_folder = args.out / "runs"
    wants_run = "{run}" in command
    if not (strips / "train.csv").is_file() and ("{strips}" in command or "{images}" in command):
        steelexp("data", "generate", str(strips), "--strips", str(STRIPS))
    if wants_run and not list(run_folder.glob("*/*/record.json")):
        steelexp("run", "experiments/quickstart.yaml", "--runs", str(run_folder))
    (record, *_) = [*run_folder.glob("*/*/record.json"), run_folder / "none"]
    images = sorted((strips / "train_images").glob("*.jpg"))[:8]
    return {
        "strips": shlex.quote(str(strips)),
        "images": shlex.join(map(str, images)),
        "run": shlex.quote(str(record.parent)),
        "out": shlex.quote(str(args.out)),
        "peer": f"--torch-python {shlex.quote(args.peer_python)}",
        "json": f"--json {shlex.quote(str(args.out / name))}.json",
    }


def steelexp(*words: str) -> None:
    """A command of steelexp that has to end well."""
    done = run([sys.executable, "-m", "steelexp", *words])
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main()
