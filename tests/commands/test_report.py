import pytest

from steelexp.__main__ import main
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
