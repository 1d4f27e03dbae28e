import time
from io import StringIO

import pytest
from rich.table import Table

from steelexp import progress
from steelexp.progress import duration, say, show, steps


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when told to."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns, without colours."""
    console = type(progress.CONSOLE)(
        file=StringIO(), force_terminal=True, color_system=None, width=80, markup=False
    )
    monkeypatch.setattr(progress, "CONSOLE", console)
    return console


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (120 * 60, "2 h 0 min"),
        (2 * 3600 + 5 * 60 + 29, "2 h 5 min"),
        (50 * 3600, "50 h 0 min"),
    ],
)
def test_duration_in_words(seconds, words):
    assert duration(seconds) == words


class TestSay:
    @pytest.mark.parametrize(
        "text",
        [
            "[bold]not markup[/bold]",
            "runs/[x]/y: [/]",
            ":warning: is no picture",
            "a line that is far longer than a terminal is wide " * 5,
        ],
    )
    def test_as_it_stands(self, capsys, text):
        say(text)
        assert capsys.readouterr().out == f"{text}\n"

    def test_a_line_stays_a_line(self, capsys):
        say("a\nsteelexp: ok", "b\x1b]0;title\x07")
        assert capsys.readouterr().out == "a\\nsteelexp: ok\nb\\x1b]0;title\\x07\n"


class TestShow:
    @pytest.fixture
    def table(self):
        table = Table(title="Runs")
        for number in range(12):
            table.add_column(f"column {number}")
        table.add_row(*(f"figure {number}.0000" for number in range(12)))
        return table

    def test_gives_a_file_the_whole_table(self, capsys, table):
        show(table)
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 6  # title, rule, head, rule, row, rule
        assert all(f"figure {number}.0000" in lines[4] for number in range(12))

    def test_prints_titles_heads_and_cells_as_they_stand(self, capsys):
        table = Table(title="[red]\x1b[2Jrun[/red]")
        table.add_column("[link=file:///etc]a\u202eb")
        table.add_row("[blink]\nscratch")
        show(table)
        out = capsys.readouterr().out
        for text in ("[red]\\x1b[2Jrun[/red]", "[link=file:///etc]a\\u202eb", "[blink]\\nscratch"):
            assert text in out
        assert len(out.splitlines()) == 6

    @pytest.fixture
    def long_table(self):
        """250 rows, of other widths, with wide characters and ones that are spelled."""
        table = Table(title="Runs", title_justify="left", title_style="bold")
        table.add_column("run", overflow="fold")
        table.add_column("a figure", justify="right", overflow="fold")
        for number in range(250):
            table.add_row(f"run {'x' * (number % 7)} \u9244\x1b", f"{number / 3:.{number % 4}f}")
        return table

    def test_many_rows_look_as_few_do(self, capsys, monkeypatch, long_table):
        show(long_table)
        fast = capsys.readouterr().out
        monkeypatch.setattr(progress, "LONG", 1000)
        show(long_table)
        assert fast == capsys.readouterr().out
        assert len(fast.splitlines()) == 255

    def test_many_rows_look_as_few_do_in_a_terminal(self, terminal, monkeypatch, long_table):
        show(long_table)
        fast = terminal.file.getvalue()
        monkeypatch.setattr(progress, "LONG", 1000)
        show(long_table)
        assert terminal.file.getvalue() == 2 * fast

    def test_many_rows_are_folded_to_a_terminal(self, terminal, monkeypatch, long_table):
        long_table.add_row("y" * 100, "1")
        show(long_table)
        lines = terminal.file.getvalue().splitlines()
        assert max(map(len, lines)) <= terminal.width
        assert sum(line.count("y") for line in lines) == 100

    def test_folds_it_to_a_terminal(self, terminal, table):
        show(table)
        assert max(map(len, terminal.file.getvalue().splitlines())) <= terminal.width


class TestPlainLines:
    def test_come_at_intervals_with_the_time_left(self, capsys, clock):
        with steps("epoch 1/3", 100, every=60.0) as advance:
            for done in range(1, 101):
                clock.now += 10.0
                advance(done, f"loss {done / 100:.2f}")
        assert capsys.readouterr().out.splitlines()[:3] == [
            "epoch 1/3  6/100  16 min left  loss 0.06",
            "epoch 1/3  12/100  15 min left  loss 0.12",
            "epoch 1/3  18/100  14 min left  loss 0.18",
        ]

    def test_are_none_for_what_is_quick(self, capsys, clock):
        with steps("epoch", 100, every=60.0) as advance:
            for done in range(1, 101):
                clock.now += 0.1
                advance(done)
        assert capsys.readouterr().out == ""

    @pytest.mark.parametrize("done", [0, 5])
    def test_are_none_at_the_start_and_at_the_end(self, capsys, clock, done):
        with steps("epoch", 5, every=60.0) as advance:
            clock.now += 100.0
            advance(done)
        assert capsys.readouterr().out == ""

    def test_end_without_blanks_where_there_is_no_note(self, capsys, clock):
        with steps("drawing", 4, every=1.0) as advance:
            clock.now += 40.0
            advance(2)
        assert capsys.readouterr().out == "drawing  2/4  40 s left\n"


class TestBar:
    def test_shows_label_count_and_note(self, terminal):
        with steps("epoch 1/3", 40) as advance:
            advance(30, "loss 0.25")
        text = terminal.file.getvalue()
        assert "epoch 1/3" in text
        assert "30/40" in text
        assert "loss 0.25" in text

    def test_shows_label_and_note_as_they_stand(self, terminal):
        with steps("[red]\x1b]8;;file:///x\x07", 40) as advance:
            advance(30, "[/]\r\x9b2J")
        text = terminal.file.getvalue()
        assert "[red]\\x1b]8;;file:///x\\x07" in text
        assert "[/]\\r\\x9b2J" in text

    def test_goes_away_when_an_error_ends_it(self, terminal):
        with pytest.raises(ZeroDivisionError), steps("epoch", 40):
            raise ZeroDivisionError
        say("after")
        assert terminal.file.getvalue().endswith("after\n")


def test_what_was_printed_is_kept_until_it_is_taken(capsys):
    progress.take_printed()
    table = Table("class", "dice")
    table.add_row("1", "0.5")
    progress.say("one", "t\x1bwo")
    progress.show(table)
    lines = progress.take_printed()
    assert lines[:2] == ["one", r"t\x1bwo"]
    assert any("class" in line and "dice" in line for line in lines[2:])
    assert progress.take_printed() == []
    assert capsys.readouterr().out.splitlines() == lines


def test_of_very_much_the_latest_is_kept():
    progress.take_printed()
    for number in range(progress.PRINTED.maxlen + 5):
        progress.PRINTED.append(str(number))
    assert progress.take_printed()[0] == "5"
