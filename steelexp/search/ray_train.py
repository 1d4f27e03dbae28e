"""One training on several machines, with Ray Train: every worker takes part in every step."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.errors import UserError
from steelexp.progress import say
from steelexp.search.ray_cluster import (
    Place,
    connected,
    cores_for_each,
    gpus_for_each,
    nodes,
)


class Worker(NamedTuple):
    """One of the processes that train together.

    Attributes:
        chief: Whether this process writes the run folder and decides for all.
        broadcast: Function from any value to the chief's; all workers call it equally often.
    """

    chief: bool
    broadcast: Callable[[Any], Any]


RunAsWorker = Callable[[Worker], None]
"""Called in every worker."""


def train_together(
    run_as_worker: RunAsWorker,
    *,
    workers: int,
    shared: Path,
    address: str | None = None,
    retries: int = 3,
) -> None:
    """Train on several workers, each with an equal share of the cores and a GPU if there is one.

    Where a worker or its machine is lost, all of them begin again, from the last epoch.

    Args:
        run_as_worker: a function of a module that every machine can import, or a partial of one.
        workers: Number of workers.
        shared: a folder that every machine sees; Ray writes below it while the training lasts.
        address: Address of a cluster; None for this machine alone.
        retries: Number of times that workers may be lost.

    Raises:
        UserError: Ray is not there, the workers do not fit, or were lost too often.
        Exception: whatever else was raised in a worker.
    """
    # A minute is not enough for a busy machine to import TensorFlow in all of them.
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "600")
    # Ray warns each minute that workers wait; they do while the chief evaluates.
    os.environ.setdefault("RAY_TRAIN_COLLECTIVE_WARN_INTERVAL_S", "86400")
    ray = connected(address, show=True)
    try:
        offered = nodes(ray)
        gpus = gpus_for_each(offered, None)
        resources = {"CPU": cores_for_each(offered, workers, gpus), "GPU": gpus}
        for losses in range(1, retries + 2):
            failure = _fit(run_as_worker, Place.here(gpus=gpus), workers, resources, shared)
            if failure is None:
                return
            say(f"a worker was lost ({failure}); all go on from the last epoch ({losses} times)")
        raise UserError(f"workers were lost {retries + 1} times; the same command goes on")
    finally:
        ray.shutdown()


def _fit(
    run_as_worker: RunAsWorker,
    place: Place,
    workers: int,
    resources: dict[str, float],
    shared: Path,
) -> str | None:
    """One attempt; how a worker was lost, if one was."""
    from ray.train import RunConfig, ScalingConfig, WorkerGroupError, get_context
    from ray.train.tensorflow import TensorflowTrainer

    def of_a_worker() -> None:
        place.settle()
        logging.getLogger("tensorflow").setLevel(logging.ERROR)  # a line for every all-reduce
        chief = get_context().get_world_rank() == 0
        with contextlib.nullcontext() if chief else _silence():
            run_as_worker(Worker(chief, _broadcast))

    shared.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=shared.resolve(), prefix=".ray-") as storage:
        scaling = ScalingConfig(
            num_workers=workers, use_gpu=resources["GPU"] > 0, resources_per_worker=resources
        )
        trainer = TensorflowTrainer(
            of_a_worker, scaling_config=scaling, run_config=RunConfig(storage_path=storage)
        )
        try:
            trainer.fit()
        except WorkerGroupError as error:
            causes = [_cause(failure) for failure in error.worker_failures.values()]
            if loss := _loss(causes):
                return loss
            raise _first(causes) from error
    return None


def _broadcast(value: Any) -> Any:
    """Return the chief's value; called in every worker.

    Ray means this collective for a kilobyte at most, so a reference goes through it.
    """
    import ray
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero

    own = [ray.put(value)] if get_context().get_world_rank() == 0 else None
    (reference,) = broadcast_from_rank_zero(own)
    return ray.get(reference)


def _cause(failure: Exception) -> Exception:
    """What Ray Train has wrapped: an exception of the training, or the end of a process."""
    wrapped = (getattr(failure, name, None) for name in ("_base_exc", "health_check_failure"))
    return next(filter(None, wrapped), failure)


def _loss(causes: list[Exception]) -> str | None:
    """How a worker was lost, if one was.

    The others fail with it, and may be heard first: TensorFlow then calls the lost one unavailable.
    """
    from ray import exceptions

    losses = (
        exceptions.ActorDiedError,
        exceptions.ActorUnavailableError,
        exceptions.NodeDiedError,
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
    )
    losses_seen = [type(cause).__name__ for cause in causes if isinstance(cause, losses)]
    unavailable = [type(c).__name__ for c in causes if type(c).__name__ == "UnavailableError"]
    return next(iter([*losses_seen, *unavailable]), None)


def _first(causes: list[Exception]) -> Exception:
    """What went wrong first; the others only miss their fellow."""
    ours = [cause for cause in causes if not type(cause).__module__.startswith("tensorflow")]
    return (ours or causes)[0]


def _silence() -> Any:
    return contextlib.redirect_stdout(Path(os.devnull).open("w"))  # to the process's end
