"""The number of cores that a run may use."""

import os


def available_cores() -> int:
    """Cores this process may use; a container's or a scheduler's share, not the machine's.

    OMP_NUM_THREADS lowers it: Ray sets it to a task's share, so that trials side by side do not
    each take the whole machine.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    share = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(share)) if share.isdecimal() and int(share) else cores
