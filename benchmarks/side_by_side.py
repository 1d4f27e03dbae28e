"""The sides of a comparison: each in a process of its own, and they take turns.

A side is a command. Its process calls `serve` with the work to be timed:

    serve(lambda: network(image), packages=("torch",))

The driver starts the sides with `alternate`. In each round every side works once, and the first of
one round is the last of the next. A ratio is taken within a round, so that it does not depend on
how fast the shared machine is at that time. The load of foreign processes is recorded beside it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import NamedTuple, Self

from steelexp.cores import available_cores
from steelexp.records.machine import instruction_sets, processor, variables

READY = "ready"


class Comparison(NamedTuple):
    """Times of the sides of a comparison.

    Attributes:
        seconds: Side -> seconds of each round.
        facts: Side -> what its process says about itself, such as versions and parameters.
        foreign_load: Processors that all other processes kept busy, a mean for each round.
        reference: Side that the others are compared with.
    """

    seconds: dict[str, list[float]]
    facts: dict[str, dict[str, object]]
    foreign_load: list[float]
    reference: str

    def ratios(self, side: str) -> list[float]:
        """How many times as fast as the reference a side was, in each round."""
        pairs = zip(self.seconds[self.reference], self.seconds[side], strict=True)
        return [reference / own for reference, own in pairs]

    def rows(self, amount: float = 1.0) -> list[tuple[str, float, float, float, float]]:
        """Side, median rate, median ratio, lowest and highest ratio.

        Args:
            amount: Units of work of a round.
        """
        rows = []
        for side, seconds in self.seconds.items():
            ratios = self.ratios(side)
            rate = amount / statistics.median(seconds)
            rows.append((side, rate, statistics.median(ratios), min(ratios), max(ratios)))
        return rows

    def table(self, unit: str, amount: float = 1.0) -> str:
        """The comparison as a table in Markdown.

        Args:
            unit: Unit of a rate, such as "images a second".
            amount: Units of work of a round.
        """
        lines = [
            f"| | {unit} | beside {self.reference}, median | lowest to highest |",
            "|---|---|---|---|",
            *(
                f"| {side} | {rate:.3g} | {ratio:.2f} | {low:.2f} to {high:.2f} |"
                for side, rate, ratio, low, high in self.rows(amount)
            ),
        ]
        return "\n".join(lines)

    def document(self, **settings: object) -> dict[str, object]:
        """The comparison with its machine, to be written as JSON.

        Args:
            settings: Settings of the comparison.
        """
        return {
            "settings": settings,
            "machine": machine(),
            "reference": self.reference,
            "sides": {
                side: {
                    "seconds": seconds,
                    "median_ratio": statistics.median(self.ratios(side)),
                    **self.facts[side],
                }
                for side, seconds in self.seconds.items()
            },
            "foreign_load": self.foreign_load,
        }


def serve(work: Callable[[], object], *, packages: Sequence[str] = (), **facts: object) -> None:
    """In the process of a side: work once for every line that comes, and print the seconds.

    Args:
        work: Work of one round. It is done once before the first round.
        packages: Packages whose versions belong to the comparison.
        facts: What else the process says about itself.
    """
    work()
    versions = {package: metadata.version(package) for package in packages}
    print(READY, json.dumps({"versions": versions, **facts}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        work()
        print(time.perf_counter() - started, flush=True)


def alternate(
    commands: Mapping[str, Sequence[str]],
    *,
    rounds: int,
    reference: str,
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> Comparison:
    """Time the sides in turns.

    Args:
        commands: Side -> command of its process.
        rounds: Number of rounds.
        reference: Side that the others are compared with.
        environments: Side -> environment variables to set.
    """
    with ExitStack() as stack:
        sides = {
            name: stack.enter_context(_process(command, (environments or {}).get(name, {})))
            for name, command in commands.items()
        }
        facts = {name: _facts(name, side) for name, side in sides.items()}
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        load = []
        for number in range(rounds):
            names = list(sides) if number % 2 == 0 else list(sides)[::-1]
            before = Ticks.now(sides.values())
            for name in names:
                seconds[name].append(_round(sides[name]))
            load.append(before.foreign_load(Ticks.now(sides.values())))
    return Comparison(seconds, facts, load, reference)


def machine() -> dict[str, object]:
    """The machine that a comparison is measured on."""
    return {
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "cores": available_cores(),
        "variables": variables(),
    }


def print_and_write(
    comparison: Comparison,
    *,
    title: str,
    unit: str,
    amount: float,
    file: Path | None,
    **settings: object,
) -> None:
    """Print the table of a comparison, and write it to a JSON file if there is to be one."""
    load = statistics.median(comparison.foreign_load)
    rounds = len(comparison.foreign_load)
    print(f"{title}, {rounds} rounds, {processor()}, foreign load {load:.2f}")
    print(comparison.table(unit, amount))
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        document = comparison.document(title=title, unit=unit, amount=amount, **settings)
        file.write_text(json.dumps(document, indent=1) + "\n")


class Ticks(NamedTuple):
    """Processor time so far, in seconds.

    Attributes:
        clock: Time.
        all: Of all processes of the machine.
        own: Of the driver and the sides, with their child processes.
    """

    clock: float
    all: float
    own: float

    @classmethod
    def now(cls, sides: Iterator[subprocess.Popen] | Sequence[subprocess.Popen]) -> Self:
        """The processor time until now."""
        tick = 1 / os.sysconf("SC_CLK_TCK")
        user, nice, system, _idle, _wait, irq, softirq, *_ = map(
            int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        )
        groups = {side.pid for side in sides}
        own = sum(os.times()[:2])
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            if int(fields[2]) in groups:
                own += sum(map(int, fields[11:15])) * tick
        busy = (user + nice + system + irq + softirq) * tick
        return cls(time.monotonic(), busy, own)

    def foreign_load(self, later: "Ticks") -> float:
        """Processors that other processes kept busy between two times."""
        foreign = (later.all - self.all) - (later.own - self.own)
        return round(max(foreign, 0.0) / (later.clock - self.clock), 3)


@contextmanager
def _process(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """A side's process, in a group of its own; it ends with the comparison."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **environment},
    )
    try:
        yield process
        process.communicate()
    finally:
        process.kill()
        process.wait()


def _facts(name: str, side: subprocess.Popen) -> dict[str, object]:
    """What a side says about itself once it is ready; other lines before are passed on."""
    assert side.stdout is not None
    for line in side.stdout:
        if line.startswith(READY):
            return json.loads(line.removeprefix(READY))
        print(line, end="", file=sys.stderr)
    sys.exit(f"{name}: its process ended with exit code {side.wait()}")


def _round(side: subprocess.Popen) -> float:
    assert side.stdin is not None
    assert side.stdout is not None
    side.stdin.write("\n")
    side.stdin.flush()
    return float(side.stdout.readline())
