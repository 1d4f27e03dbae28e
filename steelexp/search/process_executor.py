"""Trials as processes of this machine: several at once, without Ray.

The tuner and the search's files stay with the driver, the process that was started by hand. Each
trial is a fresh process with its share of cores and GPUs. Nothing is forked, because TensorFlow's
threads do not survive a fork. A process that is killed costs the epoch that it was in: the trial
is started again, and its run folder goes on from its last epoch. A process that has lost its
driver ends at once. What it prints is in `trials/<id>/output.txt`. What is private is taken out
once it has ended.

`concurrent.futures` is no help here: one killed worker breaks a whole pool.
"""

import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from multiprocessing import connection, context, get_context, parent_process
from pathlib import Path
from typing import NamedTuple

from steelexp.cores import available_cores
from steelexp.errors import UserError
from steelexp.privacy import public
from steelexp.records.atomic import write_atomically
from steelexp.search.attempts import PATIENCE, RETRIES, Attempt, run_in_free_folder
from steelexp.search.executor import Outcome, RunTrial, Trial
from steelexp.search.shares import environment, shares, visible_gpus
from steelexp.terminal import prepare_output

OUTPUT = "output.txt"
_END_SECONDS = 30.0  # for a process to end after its result


class ProcessExecutor:
    """Runs trials in processes of this machine, `slots` at once.

    A trial whose process is killed is started again. An exception in a trial is raised by `next`,
    with the trial's own traceback as its cause.
    """

    def __init__(
        self,
        run_trial: RunTrial,
        *,
        workers: int,
        folder: Path,
        retries: int = RETRIES,
        patience: float = PATIENCE,
    ) -> None:
        """Divide the cores and GPUs of this machine; no process is started yet.

        Args:
            run_trial: Function of a module, or an object that can be pickled.
            workers: Trials at once, each with an equal share of the cores and GPUs.
            folder: Folder of the search, for the output of the trials.
            retries: Number of times that a trial whose process was killed is started again.
            patience: Seconds that a trial waits for a process of an earlier search to leave its
                run folder.

        Raises:
            UserError: There are fewer cores than workers.
        """
        cores = available_cores()
        if workers > cores:
            raise UserError(
                f"workers: {workers}: there are {cores} cores here, and each trial needs one; ask "
                "for fewer workers"
            )
        self.slots = workers
        self._run = run_trial
        self._folder = folder
        self._retries = retries
        self._patience = patience
        self._shares = shares(workers, cores, visible_gpus())
        self._waiting: deque[Attempt] = deque()
        self._running: dict[connection.Connection, Worker] = {}

    def submit(self, trial: Trial) -> None:
        """Take a trial; it begins at once if a slot is free."""
        self._waiting.append(Attempt.first(trial))
        self._fill()

    def next(self) -> Outcome:
        """Wait for a trial to end.

        Raises:
            UserError: The process of a trial ended by itself without a result.
            Exception: Whatever else was raised in the trial.
        """
        while self._running:
            (ready, *_) = connection.wait(list(self._running))
            assert isinstance(ready, connection.Connection)
            worker = self._running.pop(ready)
            result = _receive(ready)
            self._end(worker, _END_SECONDS)
            if isinstance(result, TrialError):
                raise result.error from TrialTracebackError(result.text)
            outcome = result or self._again(worker)
            self._fill()
            if outcome is not None:
                return outcome
        raise ValueError("next: no trial is under way")

    def close(self) -> None:
        """Kill the running trials; their run folders go on from their last epochs."""
        self._waiting.clear()
        while self._running:
            results, worker = self._running.popitem()
            self._end(worker, 0.0)
            results.close()

    def _again(self, worker: "Worker") -> Outcome | None:
        """Put a lost trial at the head of the queue; after too many losses fail it."""
        attempt = worker.attempt
        code = worker.process.exitcode
        if code is None or code >= 0:
            raise UserError(
                f"trial {attempt.trial.id}: its process ended by itself with exit code {code} and "
                f"without a result; {self._output(attempt.trial)} has what it printed. The same "
                "command goes on from here"
            )
        loss = f"its process was killed by {signal.Signals(-code).name}"
        retry = attempt.after_loss(loss, self._retries)
        if retry.losses <= self._retries:
            self._waiting.appendleft(retry)
            return None
        return retry.failed(
            f"{loss}, each of the {retry.losses} times it was run; too little memory, or see "
            f"{OUTPUT} of the trial"
        )

    def _end(self, worker: "Worker", seconds: float) -> None:
        """Wait for a process to end by itself, then kill it, and filter what it printed."""
        worker.process.join(seconds)
        worker.process.kill()
        worker.process.join()
        _filter(self._output(worker.attempt.trial))

    def _output(self, trial: Trial) -> Path:
        return self._folder / trial.folder / OUTPUT

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self.slots:
            self._start(self._waiting.popleft())

    def _start(self, attempt: Attempt) -> None:
        busy_slots = {worker.slot for worker in self._running.values()}
        slot = next(number for number in range(self.slots) if number not in busy_slots)
        output = self._output(attempt.trial)
        output.parent.mkdir(parents=True, exist_ok=True)
        spawn = get_context("spawn")
        results, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(
            target=_work, args=(self._run, attempt.trial, self._patience, output, sender)
        )
        with environment(self._shares[slot]):
            process.start()
        sender.close()  # the process has the only one: its end closes it
        self._running[results] = Worker(attempt, process, slot)


class Worker(NamedTuple):
    """A process, its trial and its slot."""

    attempt: Attempt
    process: context.SpawnProcess
    slot: int


class TrialError(NamedTuple):
    """An exception of a trial, and its traceback as text."""

    error: Exception
    text: str


class TrialTracebackError(Exception):
    """Traceback of a trial in its process, as text."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _receive(results: connection.Connection) -> "Outcome | TrialError | None":
    """Result of a trial; None where its process ended without one."""
    with results:
        try:
            result: Outcome | TrialError = results.recv()
        except (EOFError, OSError):
            return None
    return result


def _filter(output: Path) -> None:
    """Take what is private out of the output of a process that has ended."""
    if not output.is_file():
        return
    text = output.read_text(encoding="utf-8", errors="replace")
    if (filtered := public(text)) != text:
        write_atomically(output, filtered.encode())


def _work(
    run_trial: RunTrial,
    trial: Trial,
    patience: float,
    output: Path,
    sender: connection.Connection,
) -> None:
    """In a process of its own: run a trial and send its outcome to the driver."""
    threading.Thread(target=_end_with_driver, daemon=True).start()
    # Ctrl-C reaches every process of a terminal; the driver ends this one.
    signal.signal(signal.SIGINT, lambda *_: None)
    result: Outcome | TrialError
    try:
        _print_to(output)
        result = run_in_free_folder(run_trial, trial, patience)
    except Exception as error:
        result = TrialError(_portable(error), traceback.format_exc())
    sender.send(result)


def _end_with_driver() -> None:
    """End this process as soon as the driver has ended, however that was killed."""
    driver = parent_process()
    assert driver is not None
    driver.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _print_to(output: Path) -> None:
    """Append what this process and its libraries print to a file."""
    with output.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    prepare_output()


def _portable(error: Exception) -> Exception:
    """An exception that another process can read: itself, or its text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
