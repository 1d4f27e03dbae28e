import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steelexp.spreadsheet import csv_text, formula_lines, guarded, original

ROOT = Path(__file__).parents[1]


class TestGuarded:
    @pytest.mark.parametrize(
        "text",
        [
            "=1+1",
            '=HYPERLINK("http://x","open")',
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "  =1",
            "\uff1d1+1",
            "-image.png",
            "-inf",
            "'=1",
        ],
    )
    def test_text_that_a_spreadsheet_would_calculate(self, text):
        assert guarded(text) == f"'{text}"

    @pytest.mark.parametrize(
        "value", ["a=1", "0007a.jpg", "'quoted'", "", "-0.5", "+1e-05", "-.5", -0.5, -3, None, True]
    )
    def test_names_and_numbers_stay(self, value):
        assert guarded(value) is value

    @given(st.text(st.sampled_from("'=+-@ \t\r\n1.e,\"a")))
    @example("'=1")
    @example("''")
    def test_reading_takes_the_apostrophe_off_again(self, text):
        assert original(guarded(text)) == text


TEXTS = st.text(st.sampled_from("'=-\r\n,;\" a1é"))
ROWS = st.lists(st.lists(TEXTS, min_size=1), min_size=1)


class TestTables:
    @given(ROWS)
    def test_no_cell_begins_like_a_formula_and_all_are_read_back(self, rows):
        cells = list(csv.reader(io.StringIO(csv_text(rows), newline="")))
        assert not any(cell.lstrip(" ").startswith(tuple("=\r\n")) for row in cells for cell in row)
        assert [[original(cell) for cell in row] for row in cells] == rows

    @given(ROWS)
    def test_verbatim_ones_are_read_back_as_they_are(self, rows):
        text = csv_text(rows, verbatim=True, end="\r\n")
        assert list(csv.reader(io.StringIO(text, newline=""))) == rows

    def test_by_hand(self):
        rows = [["a", 1, 0.1, None, True, -2.5], ["-x", 'say "=1"', "a;=1", "", "\r", "-2.5"]]
        assert csv_text(rows) == 'a,1,0.1,,True,-2.5\n\'-x,"say ""=1""","a;=1",,"\'\r",-2.5\n'


def test_a_table_of_another_form_names_the_first_formula():
    line = (
        "t.csv: a spreadsheet would calculate 2 of its names, such as =b.png; "
        "open it there with all columns as text"
    )
    assert formula_lines(Path("t.csv"), ["a.png", "=b.png", "@c"]) == [line]
    assert formula_lines(Path("t.csv"), ["a.png", "1"]) == []


def test_every_table_is_written_here():
    paths = [path for folder in ("steelexp", "analysis") for path in (ROOT / folder).rglob("*.py")]
    words = ("csv.writer", "DictWriter", "to_csv", "savetxt")
    assert [path for path in paths if any(word in path.read_text("utf-8") for word in words)] == []
