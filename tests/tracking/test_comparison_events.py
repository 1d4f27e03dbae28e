"""Comparisons of strategies at the server: once each, with what their dashboard shows."""

import shutil
from pathlib import Path

import pytest

from analysis.compare_strategies import main as compare
from steelexp.__main__ import main
from steelexp.tracking.comet.dashboard import dashboards
from steelexp.tracking.comet.panels import view_state
from steelexp.tracking.comparison_events import comparison_journal
from steelexp.tracking.journal import read_events
from tests.comet_server import CometServer
from tests.simulated_runs import Study, write_study
from tests.view_names import held_names, lacking, names_of

EFFECTS = {"b4_dice": 0.0, "b4_focal": 0.3, "b4_bce": -0.2}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What compare_strategies.py writes of runs of three strategies."""
    root = tmp_path_factory.mktemp("study")
    write_study(root / "runs", Study(EFFECTS, groups=20))
    out = root / "comparison"
    assert compare([str(root / "runs"), "--baseline", "b4_dice", "--out", str(out)]) == 0
    return out


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "comparison"))


def test_the_same_comparison_is_logged_once_and_another_is_another(
    server: CometServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert main(["dashboard", "comparison", str(folder), "--project", "steel"]) == 0
    (key,) = server.experiments
    assert f"at http://comet/{key}" in capsys.readouterr().out
    assert server.tags(key) == {"comparison", "b4_dice"}
    differences = [(n, step) for n, _, step, _ in server.metrics(key) if n == "difference"]
    assert differences == [("difference", 1), ("difference", 2)]
    assert [name for name, *_ in server.pictures(key)] == ["differences", "classes"]
    assert sorted(name for name, _ in server.assets(key)) == [
        "comparison.csv", "comparison.md", "runs.csv",
    ]  # fmt: skip
    (folder / "comparison.md").write_text("# Another text\n")
    assert main(["dashboard", "comparison", str(folder), "--project", "steel"]) == 0
    assert len(server.experiments) == 2


def test_the_home_folder_stays_here(folder: Path) -> None:
    text = f"Left out: {Path.home()}/steel/runs/b4_bce/3f9c1a7e: unfinished, 2 epochs.\n"
    (folder / "comparison.md").write_text(text)
    journal = comparison_journal(folder, service="comet", project="steel", workspace=None)
    sent = (journal / "comparison.md").read_text()
    assert sent == "Left out: ${HOME}/steel/runs/b4_bce/3f9c1a7e: unfinished, 2 epochs.\n"


@pytest.mark.parametrize("lines", [0, 1, 4])
def test_a_journal_that_a_kill_cut_is_completed(
    server: CometServer, folder: Path, lines: int
) -> None:
    journal = comparison_journal(folder, service="comet", project="steel", workspace=None)
    events = read_events(journal)
    file = journal / "journal.jsonl"
    parts = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(parts[:lines]) + parts[lines][:20])
    assert main(["dashboard", "comparison", str(folder), "--project", "steel"]) == 0
    again = read_events(journal)
    assert [(e.kind, e.content) for e in again] == [(e.kind, e.content) for e in events]
    (key,) = server.experiments
    assert [name for name, *_ in server.pictures(key)] == ["differences", "classes"]


def test_the_numbers_are_those_of_the_table(server: CometServer, folder: Path) -> None:
    assert main(["dashboard", "comparison", str(folder)]) == 0
    (key,) = server.experiments
    values = {name: value for name, value, *_ in server.metrics(key)}
    lines = (folder / "comparison.csv").read_text().splitlines()
    head = lines[0].split(",")
    sent = dict(server.assets(key))["comparison.csv"].file.decode().splitlines()
    assert sent[0].startswith("metric,class,strategy,difference,low,high,verdict,baseline,")
    assert sent[1].startswith("dice_positive,all,b4_")
    assert {line.split(",")[1] for line in sent[1:]} == {"all", "1", "2", "3", "4"}
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    for row in rows:
        if (row["metric"], row["class"]) == ("dice_positive", "all"):
            name = f"difference of {row['strategy']}"
            assert values[name] == float(row["difference"])
    assert values["difference of b4_focal"] > 0 > values["difference of b4_bce"]


def test_every_name_of_its_dashboard_is_at_the_server(server: CometServer, folder: Path) -> None:
    assert main(["dashboard", "comparison", str(folder)]) == 0
    (key,) = server.experiments
    names = names_of(view_state(dashboards(["1"])[3]))
    assert names.pictures == {"differences", "classes"}
    assert lacking(names, held_names(server, key)) == {}


def test_without_a_key_it_waits_and_the_printed_command_sends_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dashboard", "comparison", str(folder)]) == 1
    line = capsys.readouterr().out
    assert "no API key is configured" in line
    (journal,) = (folder / "tracked").iterdir()
    assert main(["sync", str(journal)]) == 1
    assert f"{journal}: Comet: not sent" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["comparison.csv", "differences.png"])
def test_what_is_no_comparison_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (folder / name).unlink()
    assert main(["dashboard", "comparison", str(folder)]) == 2
    assert f"{folder / name}: not there; give the folder that" in capsys.readouterr().err


def test_a_table_of_something_else_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "comparison.csv").write_text("a,b\n1,2\n")
    assert main(["dashboard", "comparison", str(folder)]) == 2
    assert "comparison.csv: not the table of a comparison" in capsys.readouterr().err


def test_a_text_of_another_encoding_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "comparison.md").write_bytes("Übersicht\n".encode("latin-1"))
    assert main(["dashboard", "comparison", str(folder)]) == 2
    assert "comparison.md: not UTF-8; compare the strategies again" in capsys.readouterr().err
