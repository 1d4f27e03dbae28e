"""Time the second start of a run, and what content hashes and checksums cost in the first.

    python benchmarks/second_start.py DATA [--other CHECKOUT] [--cache FOLDER]

DATA holds 12,500 strips of `python -m steelexp data generate DATA --strips 12500`. An empty DATA is
filled first (about 5 minutes). CHECKOUT is another checkout. Its start and that of this one are
timed in turns. The caches go to FOLDER/this and FOLDER/other, 6 GB each.

A start is a process that imports steelexp and calls `prepare`, as `run --dry-run` does. Times are
seconds by the clock: the median of five, then all of them. The last lines compare hashing all
images with decoding them into the cache, both on all cores, and time the checks of the cache:
seconds by the clock / seconds of computing. A busy machine changes the second less.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from steelexp.data.cache import cache_images
from steelexp.data.cache_checks import checksum
from steelexp.data.cache_root import cache_root
from steelexp.data.content import file_hashes
from steelexp.data.file_memory import STORE
from steelexp.data.severstal import severstal
from steelexp.data.synthetic import generate

ROUNDS = 5

START = """
import sys, time
from pathlib import Path
begin = time.perf_counter()
from steelexp.plan import SpecModel, prepare
from steelexp.spec import load
spec = load(Path(sys.argv[1]), model=SpecModel)
prepare(spec, Path(sys.argv[2]))
print("seconds", time.perf_counter() - begin)
"""

SPEC = """
name: second_start
data: {{source: severstal, root: {root}}}
split: {{kind: grouped, val: 0.15, test: 0.2, seed: 42}}
tiling: {{kind: columns, size: 256, count: 6}}
model: {{architecture: unet, backbone: mobilenet, weights: none}}
loss: {{name: bce}}
optimizer: {{name: adam, learning_rate: 1.0e-3}}
training: {{epochs: 1, batch_size: 8}}
tracking: {{name: none}}
seed: 0
"""


def start(checkout: Path, cache: Path, spec: Path) -> float:
    """Seconds of one start with the code of a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "STEELEXP_CACHE": str(cache)}
    command = [sys.executable, "-c", START, str(spec), str(cache / "runs")]
    done = subprocess.run(
        command, env=environment, cwd=checkout, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def compare_starts(checkouts: dict[str, Path], caches: Path, spec: Path) -> None:
    """Time the second start of each checkout, in turns."""
    for name, checkout in checkouts.items():
        print(f"{name}: first start {start(checkout, caches / name, spec):.1f} s", flush=True)
    times: dict[str, list[float]] = {name: [] for name in checkouts}
    for _ in range(ROUNDS):
        for name, checkout in checkouts.items():
            times[name].append(start(checkout, caches / name, spec))
    for name, seconds in times.items():
        each = " ".join(f"{second:.2f}" for second in seconds)
        print(f"{name}: second start {statistics.median(seconds):.2f} s ({each})")
    if "other" in times:
        ratio = statistics.median(times["this"]) / statistics.median(times["other"])
        print(f"this / other: {ratio:.3f}")


def time_hashes(data: Path, caches: Path) -> None:
    """Time hashes, decoding and checksums on their own."""
    os.environ["STEELEXP_CACHE"] = str(caches / "hashes")
    dataset = severstal(root=str(data))
    (cache_root() / STORE).unlink()
    hashing = seconds_of(lambda: file_hashes(dataset.paths))
    again = seconds_of(lambda: file_hashes(dataset.paths))
    building = seconds_of(lambda: cache_images(dataset, "disk", cache_root()))
    cached = cache_images(dataset, "disk", cache_root())
    checking = seconds_of(lambda: [checksum(cached.image(row)) for row in range(len(cached))])
    for name, (seconds, computing) in (
        ("hashing the images", hashing),
        ("the same, remembered", again),
        ("building the cache", building),
        ("check and one more CRC-32 of every cached image, on one core", checking),
    ):
        print(f"{name}: {seconds:.2f} / {computing:.2f} s")
    shares = [part / whole for part, whole in zip(hashing, building, strict=True)]
    print(f"hashing is {shares[0]:.1%} / {shares[1]:.1%} of building")


def seconds_of(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of computing on all cores."""
    begin = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - begin[0], time.process_time() - begin[1]


def main() -> None:
    """Time what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("second_start"))
    args = parser.parse_args()
    generate(args.data, strips=12500, seed=0)
    args.cache.mkdir(parents=True, exist_ok=True)
    spec = args.cache.resolve() / "second_start.yaml"
    spec.write_text(SPEC.format(root=args.data.resolve()), "utf-8")
    checkouts = {"this": Path(__file__).resolve().parents[1]}
    if args.other:
        checkouts["other"] = args.other.resolve()
    compare_starts(checkouts, args.cache.resolve(), spec)
    time_hashes(args.data, args.cache.resolve())


if __name__ == "__main__":
    main()
