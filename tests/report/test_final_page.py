from steelexp.command_line import program
from steelexp.report import final_page
from tests.finished_runs import finished


def test_at_the_end_of_a_run_a_failure_is_said_and_no_more(tmp_path, monkeypatch, capsys):
    def fail(folder):
        raise ZeroDivisionError("by design")

    run = finished(tmp_path / "runs" / "b4_dice" / "3f9c1a7e").path
    monkeypatch.setattr(final_page, "write_page", fail)
    assert final_page.leave_report(run) is None
    out = capsys.readouterr().out
    assert "could not be written (ZeroDivisionError: by design)" in out
    assert f"try again: {program()} report {run}" in out


def test_where_no_run_has_begun_nothing_is_said(tmp_path, capsys):
    assert final_page.leave_report(tmp_path) is None
    assert capsys.readouterr().out == ""


def test_the_file_is_named_and_returned(tmp_path, capsys):
    run = finished(tmp_path / "runs" / "b4_dice" / "3f9c1a7e").path
    assert final_page.leave_report(run) == run / "report.html"
    assert capsys.readouterr().out == f"Report: {run}/report.html\n"
