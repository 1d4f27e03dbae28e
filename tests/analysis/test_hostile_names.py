"""Class names that are script, TeX, Markdown, formulas and escapes at once."""

import csv
import html

import pytest
from matplotlib import rc_context

from analysis.compare_strategies import main as compare_strategies
from analysis.strategies.comparison_tables import plain_line, table
from steelexp.evaluation.plots import draw
from steelexp.records.evaluation_report import EvaluationReport
from tests.page_folders import evaluation_values
from tests.simulated_runs import Study, write_study

CLASSES = (
    "=1+1 $\\frac{a$ <script>alert(1)</script>",
    "@a $x_ [b](javascript:c) | \x1b[31m\n# heading",
)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("b4_dice <0.001 [0.1, 0.2]", "b4_dice <0.001 [0.1, 0.2]"),
        ("<b>a</b>\n# b", "&lt;b>a&lt;/b>\\n# b"),
        ("[a](javascript:b)", "[a]\\(javascript:b)"),
    ],
)
def test_a_line_of_markdown(text, line):
    assert plain_line(text) == line
    assert table(["a"], [[text]]).splitlines()[2:] == [f"| {line} |"]


def test_a_comparison_shows_them(tmp_path, capsys):
    write_study(tmp_path / "runs", Study(seeds=2, groups=20, held=(0.5, 0.5)), classes=CLASSES)
    words = [str(tmp_path / "runs"), "--baseline", "b4_dice", "--out", str(tmp_path / "out")]
    assert compare_strategies(words) == 0
    captured = capsys.readouterr()
    assert all(line.isprintable() for line in (captured.out + captured.err).split("\n"))
    text = (tmp_path / "out" / "comparison.md").read_text("utf-8")
    assert all(line.isprintable() for line in text.split("\n"))
    assert "&lt;script>" in text
    for attack in ("<script", "](javascript", "\n# heading"):
        assert attack not in text
    with (tmp_path / "out" / "comparison.csv").open(newline="") as stream:
        labels = {row["class"] for row in csv.DictReader(stream)}
    assert labels >= {f"'{name}" for name in CLASSES}


def test_the_plots_of_a_run_show_them(tmp_path):
    report = EvaluationReport.model_validate(evaluation_values(CLASSES))
    with rc_context({"svg.fonttype": "none"}):  # texts as texts
        for name, figure in draw(report).items():
            figure.savefig(tmp_path / f"{name}.svg")
    for name in ("pr", "calibration", "confusion"):
        assert html.escape(CLASSES[0], quote=False) in (tmp_path / f"{name}.svg").read_text("utf-8")
