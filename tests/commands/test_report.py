import pytest

from steelexp.__main__ import main
from steelexp.command_line import program
from steelexp.commands import report
from tests.finished_runs import finished


@pytest.fixture
def run(tmp_path):
    return finished(tmp_path / "runs" / "b4_dice" / "3f9c1a7e").path


def test_writes_the_page_and_says_where(run, tmp_path, capsys):
    assert main(["report", str(run.parent.parent)]) == 0
    assert capsys.readouterr().out == f"Report: {tmp_path}/runs/report.html\n"
    assert "3f9c1a7e" in (tmp_path / "runs" / "report.html").read_text()


def test_writes_it_where_it_is_wanted(run, tmp_path):
    assert main(["report", str(run), "--out", str(tmp_path / "a.html")]) == 0
    assert (tmp_path / "a.html").is_file()
    assert not (run / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no runs here"),
        (["runs", "--baseline", "focal"], "--baseline focal: no such strategy here; here: b4_dice"),
        (["runs", "--out", "runs"], "runs: not a file; name another file with --out"),
        (
            ["runs", "--out", "runs/b4_dice/3f9c1a7e/record.json/a"],
            "runs/b4_dice/3f9c1a7e/record.json: cannot be written: File exists; choose another",
        ),
    ],
)
def test_says_why_it_cannot(run, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *words]) == 2
    assert f"steelexp: {message}" in capsys.readouterr().err


def test_at_the_end_of_a_run_a_failure_is_said_and_no_more(run, monkeypatch, capsys):
    def fail(folder):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr(report, "write_page", fail)
    report.leave_report(run)
    out = capsys.readouterr().out
    assert "could not be written (ZeroDivisionError: by design)" in out
    assert f"try again: {program()} report {run}" in out


def test_where_no_run_has_begun_nothing_is_said(tmp_path, capsys):
    report.leave_report(tmp_path)
    assert capsys.readouterr().out == ""
