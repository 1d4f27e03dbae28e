import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelexp.__main__ import main
from steelexp.errors import UserError
from steelexp.terminal import Parser, prepare_output, print_error, visible, visible_lines

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \x9b31m \u202efdp.exe\u2066 \r\nsteelexp: all is well"
"""Clears the screen, sets the title, colours by one byte, reorders, adds a line."""
SPELLED = r"\x1b[2J\x1b]0;owned\x07 \x9b31m \u202efdp.exe\u2066 \r\nsteelexp: all is well"


class TestVisible:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("b4_dice 3f9c", "b4_dice 3f9c"),
            ("Kratzer groß, 刮痕, трещина", "Kratzer groß, 刮痕, трещина"),
            (HOSTILE, SPELLED),
            ("a\tb\x00\x7f", r"a\tb\x00\x7f"),
            ("\u200b\u00ad\ufeff\u2028", r"\u200b\xad\ufeff\u2028"),
            ("\udcff.png", r"\xff.png"),
            ("\ud800 \U000e0041", r"\ud800 \U000e0041"),
        ],
    )
    def test_by_hand(self, text, shown):
        assert visible(text) == shown

    @given(st.text(st.characters(codec=None)))
    def test_a_line_of_any_text_is_a_printable_line(self, text):
        shown = visible(text)
        assert shown.isprintable()
        assert visible(shown) == shown
        assert shown.encode("utf-8").decode("utf-8") == shown

    def test_lines_of_ours_stay(self):
        assert visible_lines("Traceback:\n  \x1b[2J\n") == "Traceback:\n  \\x1b[2J\n"


class TestErrors:
    def test_are_one_line_each(self, capsys):
        print_error(HOSTILE, "put it back", before="steelexp")
        assert capsys.readouterr().err == f"steelexp: {SPELLED}\nput it back\n"

    def test_of_a_spec_that_is_not_there(self, capsys):
        assert main(["check", f"{HOSTILE}.yaml"]) == 2
        assert capsys.readouterr().err.startswith(f"steelexp: {SPELLED}.yaml: no such spec")

    def test_keep_their_lines_apart(self):
        error = UserError("a:\n", "b")
        assert (error.lines, str(error)) == (("a:\n", "b"), "a:\n\nb")

    def test_of_argparse(self, capsys):
        for words in ([HOSTILE], ["list", "x", HOSTILE], ["predict", "r", "i", "--white", HOSTILE]):
            with pytest.raises(SystemExit):
                main(words)
            err = capsys.readouterr().err
            assert all(line.isprintable() for line in err.split("\n"))
            assert "owned" in err.splitlines()[-1]
        with pytest.raises(SystemExit):
            Parser(prog="x").parse_args([HOSTILE])
        assert SPELLED in capsys.readouterr().err

    def test_of_a_bug_in_line_and_log(self, capsys, tmp_path, monkeypatch):
        def fail(words):
            raise ValueError(HOSTILE)

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("steelexp.__main__._parsed", fail)
        assert main(["list"]) == 3
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "\x1b" not in err
        (log,) = tmp_path.glob("steelexp-error-*.log")
        content = log.read_text("utf-8")
        assert r"\x1b]0;owned" in content
        assert all(line.isprintable() for line in content.split("\n"))

    def test_of_a_warning(self):
        prepare_output()
        text = warnings.formatwarning(f"Glyph 27 ({HOSTILE})", UserWarning, "f.py", 1)
        assert text == visible_lines(f"f.py:1: UserWarning: Glyph 27 ({HOSTILE})\n")

    def test_of_the_log(self, capfd):
        prepare_output()
        record = logging.LogRecord("x", logging.WARNING, "f", 1, "Comet: %s", (HOSTILE,), None)
        assert logging.lastResort.format(record) == visible_lines(f"Comet: {HOSTILE}")


def test_output_of_another_encoding_names_the_character(tmp_path):
    (tmp_path / "刮痕").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "steelexp", "list", str(tmp_path / "刮痕")],
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 2
    assert rb"\u522e\u75d5: no runs here" in done.stderr
