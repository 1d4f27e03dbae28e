"""A process that reads hostile inputs one by one and says what each came to.

Its memory has a limit, and a crash or a hang ends it alone. Linux forgets the largest memory of a
process where 5 is written to clear_refs: https://man7.org/linux/man-pages/man5/proc_pid_clear_refs.5.html.
"""

import gc
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from steelexp.errors import UserError
from tests.hostile.case import Case
from tests.hostile.corpus import CASES

MEMORY = 8 * 2**30


def outcome(case: Case) -> dict[str, Any]:
    """What reading a case came to: kind of the end, text, seconds, megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = case.make(Path(folder))
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        before = _kilobytes("VmRSS")
        begin = time.process_time()
        kind, text = _read(case, path)
        seconds = time.process_time() - begin
        megabytes = (_kilobytes("VmHWM") - before) / 1000
        return {"kind": kind, "text": text, "seconds": seconds, "megabytes": megabytes}


def _read(case: Case, path: Path) -> tuple[str, str]:
    try:
        case.read(path)
    except UserError as error:
        return "refused", str(error)
    except BaseException as error:
        return "bug", repr(error)[:500]
    return "read", ""


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main() -> None:
    """Answer each name on a line of stdin with a line of JSON."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(outcome(CASES[json.loads(line)])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
