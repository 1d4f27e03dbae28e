"""Where the time of a training step goes, by type of operation.

    python -m benchmarks.step_profile --backbone efficientnetb4 --batch 4 --convolutions winograd

TensorFlow's profiler traces some steps of the network that `training_step.py` times. The time of an
operation is without the operations within it, and shares are of all operators' time. Operators at
the same time count each. What XLA has compiled, Winograd's sums, is not in the table.
"""

import argparse
import collections
import re
import tempfile
import time
from pathlib import Path

from benchmarks.training_step import compiled_step


def own_seconds(trace):
    """Type of operation -> seconds of its own, and its number of calls, in a trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2  # noqa: TID251 (it has no other name)

    space = xplane_pb2.XSpace()
    (file,) = trace.rglob("*.xplane.pb")
    space.ParseFromString(file.read_bytes())
    seconds = collections.Counter()
    calls = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            spans = [(e.offset_ps, -e.duration_ps, names[e.metadata_id]) for e in line.events]
            for name, own in without_inner(sorted(spans)):
                # Operators are "path:Type"; "Class::function" is the runtime itself.
                if found := re.search(r"[^:]:([A-Za-z_0-9]+)$", name):
                    seconds[found[1]] += own / 1e12
                    calls[found[1]] += 1
    return seconds, calls


def without_inner(spans):
    """Name and own time of each span (start, -duration, name), the outer ones before the inner."""
    open_spans = []
    for start, minus, name in [*spans, (float("inf"), 0, "")]:
        while open_spans and open_spans[-1][0] <= start:
            yield open_spans.pop()[1:]
        if open_spans:
            open_spans[-1][2] += minus
        open_spans.append([start - minus, name, -minus])


def main(args):
    """Print the table."""
    from steelexp.lazy import tf

    step, _, execution = compiled_step(args, convolutions=args.convolutions)
    for _ in range(3):
        float(step())
    started = time.perf_counter()
    for _ in range(args.steps):
        float(step())
    plain = (time.perf_counter() - started) / args.steps
    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(
            host_tracer_level=2, python_tracer_level=0
        )
        tf.profiler.experimental.start(folder, options)
        for _ in range(args.steps):
            float(step())
        tf.profiler.experimental.stop()
        seconds, calls = own_seconds(Path(folder))
    total = sum(seconds.values())
    print(f"{args.backbone}, batches of {args.batch}, {execution._asdict()}")
    print(f"A step takes {plain:.3f} s, its operators {total / args.steps:.3f} s of two threads")
    print("| operation | ms a step | share | calls |\n|---|---|---|---|")
    for name, value in seconds.most_common(args.rows):
        milliseconds = 1000 * value / args.steps
        print(
            f"| {name} | {milliseconds:.1f} | {value / total:.1%} | {calls[name] // args.steps} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", default="efficientnetb0")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--convolutions", choices=("direct", "winograd"), default="direct")
    main(parser.parse_args())
