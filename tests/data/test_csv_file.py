"""Tables are read in one way: by rows with line numbers, and refused with the reason."""

import pytest

from steelexp.data.csv_file import CsvFileError, read_csv
from steelexp.limits import TABLE_LINE


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_have_the_line_of_their_end(tmp_path, end):
    path = tmp_path / "a.csv"
    text = end.join(['"image";part', "a;1", "", '"b', 'c";2', ";", "torn"])
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    header, rows = read_csv(path, lambda line: ";" if ";" in line else ",")
    assert header == ["image", "part"]
    quoted = [f"b{end}c", "2"]
    assert rows == [(2, ["a", "1"]), (5, quoted), (6, ["", ""]), (7, ["torn"])]
    assert read_csv(path, lambda line: ";", rows=2).rows == rows[:1]


def test_an_empty_file_has_neither_header_nor_rows(tmp_path):
    (tmp_path / "a.csv").touch()
    assert read_csv(tmp_path / "a.csv") == ([], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image\n\xe4\n", r"not a readable table of UTF-8 text \(.*can't decode byte 0xe4"),
        (b"a\n" + b"1" * (TABLE_LINE + 1), "line 2: more than 16,777,216 characters"),
        (None, r"not a readable table of UTF-8 text \(No such file or directory\)"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(tmp_path, content, message):
    path = tmp_path / "a.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CsvFileError, match=message):
        read_csv(path)
