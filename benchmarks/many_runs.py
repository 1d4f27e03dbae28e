"""`--help`, `list` and `report` of a folder of many runs: seconds, peak memory, size of the page.

    python -m benchmarks.many_runs RUN FOLDER --runs 1000 --strategies 20

RUN is a finished run. FOLDER gets that many runs like it: its files, with a name, a seed, pixels
and metrics of their own, and its overlays as hard links. A folder that has them already is used
again. Each command runs some times after a first one that is not counted; the median and all of
them are printed. `--browser` also opens the page in Chromium (STEELEXP_CHROMIUM names one), sorts
its leaderboard and filters it.
"""

import argparse
import hashlib
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.process_cost import cost_of
from steelexp.counts import Counts
from steelexp.errors import UserError
from steelexp.records.image_scores import ImageScores, read_image_scores, write_image_scores
from steelexp.records.store import RunFolder

PARTS = ("val", "test", "val_post", "test_post")
COPIED = (
    "thumbnails.json",
    "evaluation.json",
    "images.csv",
    "split.csv",
    "split.json",
    "environment.json",
)
FLAGS = ("--disable-gpu", "--no-first-run", "--no-sandbox")


def make_run(source: RunFolder, path: Path, name: str, seed: int) -> None:
    """Write a run like another one, with a name, a seed, pixels and metrics of its own."""
    rng = np.random.default_rng([seed, *name.encode()])
    digest = hashlib.sha256(f"{name} {seed}".encode()).hexdigest()[:8]
    folder = RunFolder(path / name / digest)
    record = source.finished_record()
    lines = (source.path / "spec.yaml").read_text().splitlines()
    top = {"name:": f"name: {name}", "seed:": f"seed: {seed}"}
    spec = [top.get(line.split(" ")[0], line) for line in lines]
    folder.describe(digest, {"spec.yaml": "\n".join(spec) + "\n"})
    for file in COPIED:
        if (source.path / file).is_file():
            shutil.copyfile(source.path / file, folder.path / file)
    folder.rewrite_epochs(source.epochs)
    quality = rng.uniform(0.5, 1.0)
    scores = {part: each for part in PARTS if (each := image_scores(source, part)) is not None}
    write_image_scores(
        folder.path / record.images,
        {part: changed(each, rng, quality) for part, each in scores.items()},
    )
    if (source.path / "overlays").is_dir():
        shutil.copytree(source.path / "overlays", folder.path / "overlays", copy_function=os.link)
    metrics = {key: value * quality for key, value in record.metrics.items()}
    update = {"name": name, "seed": seed, "digest": digest, "metrics": metrics}
    folder.finish(record.model_copy(update=update))


def image_scores(source: RunFolder, part: str) -> ImageScores | None:
    """The pixels of a part; None where the run has none."""
    try:
        return read_image_scores(source.path / "image_scores.parquet", part)
    except UserError:
        return None


def changed(scores: ImageScores, rng: np.random.Generator, quality: float) -> ImageScores:
    """The same images and labels with other predictions."""
    counts = scores.counts
    share = np.clip(rng.normal(quality, 0.1, counts.tp.shape), 0.0, 1.0)
    tp = np.rint(counts.tp * share).astype(np.int64)
    fp = np.rint(counts.fp * share).astype(np.int64)
    return scores._replace(counts=Counts(tp, fp, counts.tp + counts.fn - tp))


def make(source: Path, folder: Path, runs: int, strategies: int) -> None:
    """Fill the folder, unless it is full."""
    if (folder / "made").is_file():
        return
    shutil.rmtree(folder, ignore_errors=True)
    os.fsync = lambda _: None  # nothing here has to survive a power cut
    started = time.perf_counter()
    for number in range(runs):
        name = f"strategy_{number % strategies:04d}"
        make_run(RunFolder(source), folder, name, number // strategies)
    (folder / "made").touch()
    print(f"made in {time.perf_counter() - started:.0f} s", flush=True)


def measure(words: list[str], log: Path, rounds: int) -> None:
    """Run a command some times and print what it costs."""
    costs = []
    for _ in range(rounds + 1):
        costs.append(cost_of([sys.executable, "-m", "steelexp", *words], log))
        print(f"{words[0]}: {costs[-1].seconds:.2f} s", file=sys.stderr, flush=True)
        if costs[-1].code:
            sys.exit(f"{' '.join(words)}: failed; see {log}")
    seconds = [cost.seconds for cost in costs[1:]]
    each = " ".join(f"{second:.2f}" for second in seconds)
    cpu = statistics.median(cost.cpu_seconds for cost in costs[1:])
    load = statistics.median(cost.foreign_load for cost in costs[1:])
    print(
        f"| {words[0]} | {statistics.median(seconds):.2f} | {costs[0].seconds:.2f} | {cpu:.2f} "
        f"| {max(cost.own_mib for cost in costs):.0f} | {load:.1f} | {each} |",
        flush=True,
    )


def browse(page: Path) -> None:
    """Open the page in Chromium, sort and filter it, and print what that takes."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("STEELEXP_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        tab = browser.new_page(viewport={"width": 1280, "height": 844})
        tab.set_default_timeout(300_000)
        started = time.perf_counter()
        tab.goto(page.resolve().as_uri(), wait_until="load", timeout=300_000)
        tab.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        opened = time.perf_counter() - started
        heap = tab.evaluate("performance.memory.usedJSHeapSize") / 2**20
        sorting = timed(tab, "document.querySelector('#runs-table thead button').click()")
        typing = timed(
            tab,
            "const box = document.querySelector('[type=search]'); box.value = '0001';"
            "box.dispatchEvent(new Event('input', {bubbles: true}))",
        )
        rows = tab.evaluate("document.querySelectorAll('#runs-table tbody tr').length")
        tab.screenshot(path=str(page.with_suffix(".png")))
        browser.close()
    print(
        f"Chromium: {opened:.1f} s to open, {rows} rows, {heap:.0f} MiB of JavaScript; sorting "
        f"{sorting:.2f} s, filtering {typing:.2f} s"
    )


def timed(tab, script: str) -> float:
    """Seconds of a script and of the frame after it."""
    started = time.perf_counter()
    frame = "new Promise(done => requestAnimationFrame(() => setTimeout(done)))"
    tab.evaluate(f"() => {{ {script}; return {frame}; }}")
    return time.perf_counter() - started


def main(args: argparse.Namespace) -> None:
    """Make the runs and measure."""
    make(args.run, args.folder, args.runs, args.strategies)
    log = args.folder.with_suffix(".log")
    page = args.folder / "report.html"
    print(f"{args.runs} runs of {args.strategies} strategies, median of {args.rounds} after one")
    print("| command | s | first, s | CPU s | MiB | foreign load | each |")
    print("|---|---|---|---|---|---|---|")
    measure(["--help"], log, args.rounds)
    measure(["list", str(args.folder)], log, args.rounds)
    measure(["report", str(args.folder)], log, args.rounds)
    print(json.dumps({"page_mb": round(page.stat().st_size / 1e6, 2)}))
    if args.browser:
        browse(page)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--strategies", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--browser", action="store_true")
    main(parser.parse_args())
