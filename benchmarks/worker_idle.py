"""Time in which the workers of a finished search had no trial, from its journal.

PYTHONPATH=. python benchmarks/worker_idle.py runs/NAME/search --workers 2
"""

import argparse
import json
from pathlib import Path


def intervals(journal: Path) -> tuple[list[tuple[float, float]], float]:
    """Start and end of each trial in seconds of the search, and the seconds of all epochs."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    trained = 0.0
    for text in journal.read_text().splitlines():
        event = json.loads(text)
        if event["event"] == "proposed":
            starts[event["trial"]] = event["elapsed"]
        elif event["event"] in ("finished", "failed"):
            ends[event["trial"]] = event["elapsed"]
            trained += event["seconds"]
    return [(starts[trial], ends[trial]) for trial in ends], trained


def idle_share(spans: list[tuple[float, float]], workers: int, until: float) -> float:
    """Share of the workers' time without a trial, up to a moment."""
    busy = sum(min(end, until) - min(start, until) for start, end in spans)
    return 1 - busy / (workers * until)


def main() -> None:
    """Print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("search", type=Path, help="folder of a search")
    parser.add_argument("--workers", type=int, required=True)
    args = parser.parse_args()
    spans, trained = intervals(args.search / "trials.jsonl")
    last_end = max(end for _, end in spans)
    idle = idle_share(spans, args.workers, last_end)
    early = idle_share(spans, args.workers, max(start for start, _ in spans))
    within = trained / sum(end - start for start, end in spans)
    print(
        f"{len(spans)} trials in {last_end:.0f} s; idle {idle:.1%}, {early:.1%} before the last "
        f"start; {within:.0%} of a trial's time is in its epochs"
    )


if __name__ == "__main__":
    main()
