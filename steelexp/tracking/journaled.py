"""A run mirrored to a tracking service by way of its journal.

The run folder is the truth and the service holds a copy. The tracker writes every event into the
journal and wakes a process that sends it (`sending`). So training neither waits for the service nor
fails with it. `steelexp sync` sends later what was not sent when the run ended. The journal holds
the key of the experiment. A resumed run and every later `sync` continue the same experiment. A new
run folder is a new experiment.
"""

import logging
import math
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from steelexp.errors import reason
from steelexp.records.jsonl import DamageError
from steelexp.tracking import delivery
from steelexp.tracking.alerts import Alert, alert_content, headline_values
from steelexp.tracking.attachments import Part
from steelexp.tracking.delivery import NO_PROCESS, SPARE_SECONDS
from steelexp.tracking.details import Details
from steelexp.tracking.journal import FIX, Event, New
from steelexp.tracking.journal import NAME as JOURNAL
from steelexp.tracking.machine_use import Sampler
from steelexp.tracking.receipt import read_progress, read_receipt, set_aside
from steelexp.tracking.recorder import Recorder
from steelexp.tracking.results import final_metrics, last_epoch, results
from steelexp.tracking.review_events import ALL_PICTURES, NO_PICTURES, ReviewPictures, review_events
from steelexp.tracking.run_events import (
    data_content,
    file_events,
    picture_events,
    run_content,
)
from steelexp.tracking.service import Mode
from steelexp.tracking.services import SERVICES
from steelexp.tracking.tracker import (
    ModelFormat,
    Picture,
    TrackedModel,
    TrackedRun,
)

LOGGER = logging.getLogger(__name__)

RETRY_SECONDS = 300.0
"""Seconds after which sending that failed is tried again while the run goes on."""

FINISH_SECONDS = 60.0
"""Seconds that the rest may take to be sent when a run has ended; 1 as a rule."""

SYSTEM_SECONDS = 30.0
"""Seconds between two samples of the machine, unless a spec says otherwise."""


class JournaledTracker:
    """Mirrors one run to one experiment of a service.

    Args:
        service: Name in SERVICES.
        project: Project at the service.
        workspace: Workspace at the service; None for the user's default.
        mode: Whether events are sent, or kept for an archive.
        alerts: Alerts of a run.
        trial_alerts: Alerts of a trial of a search.
        model_format: Form of the network that a finished run registers.
        model_status: Status of the registered version; None for none.
        with_data: Whether the data are described at the service.
        parts: Parts that are added to metrics, settings and pictures.
        system_seconds: Seconds between two samples of the machine.
        pictures: Number of pictures of the review to send.
    """

    def __init__(
        self,
        service: str,
        *,
        project: str,
        workspace: str | None,
        mode: Mode,
        alerts: Sequence[Alert] = (),
        trial_alerts: Sequence[Alert] = (),
        model_format: ModelFormat = "none",
        model_status: str | None = None,
        with_data: bool = True,
        parts: Sequence[Part] = (),
        system_seconds: float = SYSTEM_SECONDS,
        pictures: ReviewPictures = ALL_PICTURES,
    ) -> None:
        self._pictures = pictures
        self.wants_data = with_data
        self.model_format = model_format
        self._model_status = model_status
        self._service = service
        self._name = SERVICES[service]().name
        self._project = project
        self._workspace = workspace
        self._mode = mode
        self._alerts = {False: tuple(alerts), True: tuple(trial_alerts)}
        self._parts = parts
        self._system_seconds = system_seconds
        self._sampler: Sampler | None = None
        self._sampler_lock = threading.Lock()
        self._recorder = Recorder(self._warnings)
        self._process: subprocess.Popen[bytes] | None = None
        self._started = -RETRY_SECONDS
        self._warned: set[str] = set()

    def start(self, run: TrackedRun) -> None:
        """Open the run's journal, or begin another one in place of a damaged one, and send it."""
        self._run = run
        with self._warnings():
            try:
                read_progress(run.folder)
            except DamageError as error:
                why = str(error).removesuffix(f"; {FIX}")
                ending = set_aside(run.folder)
                self._warn(f"{why}; kept with the ending {ending}, and tracked as a new experiment")
        self._open(run)
        self._note(self._details.opening())
        if self._details.wants("system") and self._recorder.is_open:
            count = sum(event.kind == "machine" for event in self._events)
            self._sampler = Sampler(run.folder, self._system_seconds, count, self._sample)

    def _sample(self, number: int, values: Mapping[str, float]) -> None:
        """Note a sample of the machine; it is sent with the next epoch."""
        with self._sampler_lock:
            if self._sampler is not None:
                self._note([("machine", {"sample": number, "metrics": dict(values)})])

    def _stop_sampling(self) -> None:
        with self._sampler_lock:
            if self._sampler is not None:
                self._sampler.stop()
            self._sampler = None

    def _open(self, run: TrackedRun) -> None:
        self._run = run
        self._details = Details(run, self._parts, self._warnings)
        self._recorder.open(run.folder)
        self._note(self._opening(run))
        self._wake()

    def epoch(
        self, epoch: int, metrics: Mapping[str, float], step: int, pictures: Sequence[Picture] = ()
    ) -> None:
        """Note an epoch and its pictures."""
        place = {"epoch": epoch, "step": step}
        self._note([("epoch", {**place, "metrics": dict(metrics)})])
        self._note(picture_events(place, pictures, self._run.folder, self._warnings))
        self._note(self._details.console(self._events))
        self._note(self._better(metrics))
        self._wake()

    def trained(self) -> None:
        """Note that no further epoch follows."""
        self._note([("others", {"status": "evaluating"})])
        self._wake()

    def finish(
        self,
        metrics: Mapping[str, float],
        model: TrackedModel | None = None,
        *,
        diverged: bool = False,
    ) -> str:
        """Note what came out; the experiment's key."""
        status = "finished" if metrics else "diverged" if diverged else "stopped"
        if metrics:
            pictures = self._pictures if self._run.trial is None else NO_PICTURES
            step = last_epoch(self._events)["step"]
            self._note(review_events(self._run.folder, step, pictures))
        closing = results(
            self._run,
            metrics,
            self._events,
            status=status,
            model=model,
            model_status=self._model_status,
        )
        self._stop_sampling()
        if metrics:
            self._note(self._details.evaluation(self._events))
        self._note(closing)
        self._note(self._alert(status, headline_values(metrics)))
        self._wake()
        if not self._recorder.is_open:
            return f"{self._name}: not tracked"
        return f"{self._name}: experiment {self._events[0].content['key']}"

    def close(self, page: Path | None = None) -> str:
        """Note the page and the end of the console, and wait for the rest to be sent."""
        if page is not None:
            self._note(self._details.page(page))
        self._note(self._details.console(self._events))
        return self._close()

    def evaluated(
        self, run: TrackedRun, name: str, metrics: Mapping[str, float], folder: Path
    ) -> str:
        """Note the metrics of a run that was tracked and is evaluated again."""
        if not (run.folder / JOURNAL).is_file():
            return f"{self._name}: not tracked"
        self._open(run)  # no other one: it would hold nothing but this evaluation
        self._note(final_metrics(folder, name, metrics, self._events))
        return self._close()

    @property
    def _events(self) -> Sequence[Event]:
        return self._recorder.events

    def _note(self, news: Iterable[New]) -> None:
        self._recorder.note(news)

    def _close(self) -> str:
        """Wait for the rest to be sent; how far it is.

        That takes at most FINISH_SECONDS, SPARE_SECONDS and KILL_SECONDS together.
        """
        if not self._recorder.is_open:
            return f"{self._name}: not tracked"
        self._started = -RETRY_SECONDS
        self._wake()
        problem: str | None = NO_PROCESS
        try:
            if self._process is not None:
                problem = delivery.end(self._process, FINISH_SECONDS + SPARE_SECONDS)
            return delivery.status_line(self._run.folder, problem=problem)
        except Exception as error:  # the run must not fail with its tracking
            return f"{self._name}: not sent ({reason(error)})"

    def _opening(self, run: TrackedRun) -> Iterator[New]:
        yield (
            "run",
            run_content(
                run,
                service=self._service,
                project=self._project,
                workspace=self._workspace,
                alerts=self._alerts_of(run),
            ),
        )
        yield from file_events(run.files, run.folder, self._warnings)
        if run.data is not None and self.wants_data:
            with self._warnings("left out: "):
                yield "data", data_content(run.data, run.folder)

    def _better(self, metrics: Mapping[str, float]) -> Iterator[New]:
        """The alert about an epoch that is better than every finished run, once a run."""
        goal = self._run.goal
        if goal is None or "best" not in self._alerts_of(self._run):
            return
        value = metrics.get(goal.metric, math.nan)
        sign = -1 if goal.lower_is_better else 1
        earlier = goal.earlier_best()
        if earlier is not None and sign * value > sign * earlier:
            yield from self._alert("best", {goal.metric: value, "best before": earlier})

    def _alerts_of(self, run: TrackedRun) -> tuple[Alert, ...]:
        return self._alerts[run.trial is not None]

    def _alert(self, name: str, values: Mapping[str, float]) -> Iterator[New]:
        """The event of an alert, if the run has it."""
        for alert in self._alerts_of(self._run):
            if alert == name:
                yield "alert", alert_content(alert, self._run.name, values)

    def _wake(self) -> None:
        """Tell the sending process that there is more, or start one."""
        if not self._recorder.is_open:
            return
        if self._process is not None and self._process.poll() is None:
            delivery.prompt(self._process)
        else:
            with self._warnings():
                self._replace_process()

    def _replace_process(self) -> None:
        """Start a process in place of one that has ended, but not too often."""
        if self._process is not None and (problem := read_receipt(self._run.folder).problem):
            self._warn(problem)
        if time.monotonic() - self._started >= RETRY_SECONDS:
            self._started = time.monotonic()
            if self._process is not None:
                delivery.end(self._process, 0)  # it has ended; its pipe has not
            self._process = None
            with self._warnings(f"{NO_PROCESS}: "):
                self._process = delivery.begin_sending(self._run.folder, self._mode, FINISH_SECONDS)

    @contextmanager
    def _warnings(self, before: str = "") -> Iterator[None]:
        """Turn errors into warnings: the run must not fail with its tracking.

        Args:
            before: Words before the error.
        """
        try:
            yield
        except Exception as error:
            path = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            self._warn(f"{before}{path}{reason(error)}")

    def _warn(self, problem: str) -> None:
        """Warn in one line, of the same thing once."""
        if problem not in self._warned:
            LOGGER.warning("%s: %s (the run is not affected)", self._name, problem)
        self._warned.add(problem)
