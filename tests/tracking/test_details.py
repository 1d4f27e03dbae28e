"""Details of a run as events of its journal; nothing is sent."""

from pathlib import Path

import pytest

from steelexp.progress import say, take_printed
from steelexp.tracking import TrackedTrial, details
from steelexp.tracking.attachments import PARTS
from steelexp.tracking.comet.tracker import comet
from steelexp.tracking.journal import read_events
from tests.tracked_run import described, draw_page, metrics_of


def texts(folder: Path) -> list[str]:
    """Texts of the console in the journal."""
    return [e.content["text"] for e in read_events(folder) if e.kind == "console"]


def test_secrets_that_were_printed_stay_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "t0ken-of-the-environment")
    take_printed()
    tracker = comet(mode="offline", contents=("console",))
    tracker.start(described(folder))
    say("with t0ken-of-the-environment", "plain")
    tracker.epoch(1, metrics_of(1), 50)
    tracker.epoch(2, metrics_of(2), 100)
    assert texts(folder) == ["with ***\nplain\n"]


def test_a_console_that_is_too_long_ends_with_one_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(details, "CONSOLE_CHARACTERS", 10)
    take_printed()
    tracker = comet(mode="offline", contents=("console",))
    tracker.start(described(folder))
    for epoch, line in enumerate(["1234567", "two", "x"], start=1):
        say(line)
        tracker.epoch(epoch, metrics_of(epoch), 50 * epoch)
    assert texts(folder) == ["1234567\n"]  # and no single line that would fit again
    assert [record.getMessage() for record in caplog.records] == [
        "Comet: rest of the console left out: over 10 characters (the run is not affected)"
    ]


def test_a_trial_sends_what_is_its_own(folder: Path) -> None:
    trial = TrackedTrial("b4_search", "0007", {"loss.gamma": 2.0})
    tracker = comet(mode="offline")
    tracker.start(described(folder, trial=trial))
    tracker.finish({"val_dice": 0.5})
    tracker.close(draw_page(folder))
    paths = [e.content["path"] for e in read_events(folder) if e.kind == "asset"]
    assert not [path for path in paths if path.startswith("tracked/")]
    assert any(e.kind == "code" and e.content["packages"] for e in read_events(folder))


def test_where_nothing_can_be_kept_the_rest_is_told(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "tracked").write_text("in the way")
    tracker = comet(mode="offline", contents=PARTS)
    tracker.start(described(folder))
    tracker.epoch(1, metrics_of(1), 50)
    tracker.finish({"val_dice": 0.5})
    tracker.close(draw_page(folder))
    kinds = [event.kind for event in read_events(folder)]
    assert {"run", "code", "epoch", "final"} <= set(kinds)
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(": ")[2].partition(":")[0] for line in said] == [
        "source left out",
        "page left out",
    ]
