"""Trials as tasks of Ray: several at once, on one machine or many.

The oracle and the search's files stay with the driver, the process that was started by hand. A
trial is a task of its own with its share of cores and GPUs, in a process of its own: TensorFlow
gives a GPU's memory back only when its process ends. What kills a process costs the epoch that it
was in, because the trial is submitted again and its run folder goes on from its last epoch.
"""

from typing import Any, cast

from steelexp.errors import UserError
from steelexp.search.attempts import PATIENCE, RETRIES, Attempt, run_in_free_folder
from steelexp.search.executor import Outcome, RunTrial, Trial
from steelexp.search.ray_cluster import (
    Place,
    connected,
    cores_for_each,
    gpus_for_each,
    nodes,
)


class RayExecutor:
    """Runs trials as Ray tasks, `slots` at once.

    A trial whose process or machine is lost is submitted again. Any other exception in a trial is
    raised by `next`, with the trial's own traceback as its cause.
    """

    def __init__(
        self,
        run_trial: RunTrial,
        *,
        workers: int,
        address: str | None = None,
        gpus_per_trial: float | None = None,
        retries: int = RETRIES,
        patience: float = PATIENCE,
    ) -> None:
        """Start Ray on this machine, or join a cluster.

        Args:
            run_trial: Function of a module that every machine can import, or a
                `functools.partial` of one; it is pickled.
            workers: Trials at once, each with an equal share of the cores.
            address: Address of a cluster; "auto" for the one of this machine; None for this
                machine alone.
            gpus_per_trial: GPUs of a trial; below 1, trials share one; None for one where there
                are GPUs.
            retries: Number of times that a trial which lost its process or machine is run again.
            patience: Seconds that a trial waits for a process of an earlier search to leave its
                run folder; Ray ends such processes within seconds of their driver's death.

        Raises:
            UserError: Ray is not installed or not at the address, or the trials do not fit.
        """
        self._ray = connected(address)
        try:
            offered = nodes(self._ray)
            gpus = gpus_for_each(offered, gpus_per_trial)
            cores = cores_for_each(offered, workers, gpus)
        except UserError:
            self._ray.shutdown()
            raise
        self.slots = workers
        self._retries = retries
        self._shares = {"num_cpus": cores, "num_gpus": gpus}
        self._task: Any = self._ray.remote(max_calls=1, max_retries=0)(_attempt)
        self._work = (run_trial, Place.here(gpus=gpus), patience)
        self._running: dict[Any, Attempt] = {}

    def submit(self, trial: Trial) -> None:
        """Take a trial."""
        self._start(Attempt.first(trial))

    def next(self) -> Outcome:
        """Wait for a trial to end.

        Raises:
            UserError: a trial lost its process or machine too often, or Ray itself broke.
            Exception: whatever else was raised in the trial.
        """
        while self._running:
            (done, *_), _ = self._ray.wait(list(self._running), num_returns=1)
            attempt = self._running.pop(done)
            result = self._result(done)
            if isinstance(result, Outcome):
                return result
            if (failed := self._again(attempt, result)) is not None:
                return failed
        raise ValueError("next: no trial is under way")

    def close(self) -> None:
        """Leave the cluster, which ends the tasks; a Ray of our own is stopped."""
        self._ray.shutdown()

    def _start(self, attempt: "Attempt") -> None:
        task = self._task.options(name=f"trial {attempt.trial.id}", **self._shares)
        self._running[task.remote(*self._work, attempt.trial)] = attempt

    def _result(self, done: Any) -> Outcome | Exception:
        """Outcome of a task, or the loss of its process."""
        errors = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(done)
        except errors.RayTaskError as error:
            raise error.cause from error  # whose text is the traceback in the worker
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as loss:
            return cast(Exception, loss)
        except errors.RayError as error:
            raise UserError(f"Ray broke down: {error}", "The same command goes on") from error
        return outcome

    def _again(self, attempt: "Attempt", loss: Exception) -> Outcome | None:
        """Submit a lost trial again; after too many losses fail it."""
        retry = attempt.after_loss(_describe_loss(loss), self._retries)
        if retry.losses <= self._retries:
            self._start(retry)
            return None
        if isinstance(loss, self._ray.exceptions.OutOfMemoryError):
            return retry.failed("out of memory: Ray ended its process each time it was run")
        raise UserError(_describe_failure(retry, loss))


def _attempt(run_trial: RunTrial, place: Place, patience: float, trial: Trial) -> Outcome:
    """In a worker: run a trial."""
    place.settle()
    return run_in_free_folder(run_trial, trial, patience)


def _describe_failure(attempt: Attempt, loss: Exception) -> str:
    """Message about a trial whose process does not survive."""
    return (
        f"trial {attempt.trial.id} ({dict(attempt.trial.values)}): {_describe_loss(loss)}, "
        f"{attempt.losses} times by now. Look for the cause: too little memory (dmesg, a job's "
        "limit), a time limit, a machine that is taken away. The same command goes on from here"
    )


def _describe_loss(loss: Exception) -> str:
    reasons = {"NodeDiedError": "its machine was lost", "OutOfMemoryError": "memory ran out"}
    return reasons.get(type(loss).__name__, "its process was killed")
