import math

import pytest

from steelexp.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Chart, Series, draw


def chart(*series, **fields):
    return draw(Chart("Loss", "epoch", "loss", series, **fields))


class TestDraw:
    def test_corners_by_hand(self):
        drawn = chart(Series("a", [(0, 0.0), (1, 1.0)]), x_range=(0.0, 1.0), y_range=(0.0, 1.0))
        assert drawn.lines[0].path == f"{LEFT},{HEIGHT - BOTTOM} {WIDTH - RIGHT},{TOP}"

    def test_middle_by_hand(self):
        drawn = chart(Series("a", [(5, 0.5)]), x_range=(0.0, 10.0), y_range=(0.0, 1.0))
        assert drawn.lines[0].dots == [(217.0, 107.0)]  # halfway from 44 to 390, 204 to 10

    def test_ticks_are_round_and_epochs_whole(self):
        drawn = chart(Series("a", [(1, 0.31), (2, 0.52), (3, 0.68)]))
        assert [tick.label for tick in drawn.x_ticks] == ["1", "2", "3"]
        assert [tick.label for tick in drawn.y_ticks] == ["0.3", "0.4", "0.5", "0.6", "0.7"]

    @pytest.mark.parametrize("span", [(0.0, 1.0), (0.301, 0.302), (-3.0, 40.0), (0.0, 1e6)])
    def test_there_are_three_to_nine_ticks_within_the_axis(self, span):
        ticks = chart(Series("a", [(0, span[0]), (1, span[1])]), y_range=span).y_ticks
        assert 3 <= len(ticks) <= 9
        assert all(TOP <= tick.at <= HEIGHT - BOTTOM for tick in ticks)

    def test_logarithmic_axis_has_its_middle_at_the_geometric_mean(self):
        drawn = chart(Series("a", [(1e-4, 0), (1e-3, 1), (1e-2, 2)], kind="dots"), log_x=True)
        left, middle, right = (x for x, _ in drawn.lines[0].dots)
        assert middle - left == pytest.approx(right - middle)
        assert next(tick.label for tick in drawn.x_ticks) == "0.0001"

    def test_names_stand_at_one_two_three(self):
        drawn = chart(
            Series("a", [(2.0, 1.0)], kind="dots"), x_names=["dice", "focal"], x_range=(0.5, 2.5)
        )
        assert [tick.label for tick in drawn.x_ticks] == ["dice", "focal"]
        assert drawn.lines[0].dots[0][0] == drawn.x_ticks[1].at

    def test_steps_go_across_before_they_go_up(self):
        drawn = chart(
            Series("a", [(0, 0.0), (1, 1.0)], kind="steps"), x_range=(0.0, 1.0), y_range=(0.0, 1.0)
        )
        assert drawn.lines[0].path == "44,204 390,204 390,10"

    def test_a_band_goes_there_above_and_back_below(self):
        series = Series("a", [(0, 0.5), (1, 0.5)], band=[(0, 0.0, 1.0), (1, 0.0, 1.0)])
        drawn = chart(series, x_range=(0.0, 1.0), y_range=(0.0, 1.0))
        assert drawn.lines[0].band == "44,10 390,10 390,204 44,204"

    def test_what_is_no_number_is_left_out(self):
        points = [(1, math.nan), (2, math.inf), (3, 0.5)]
        assert len(chart(Series("a", points)).lines[0].dots) == 1
        assert chart(Series("a", points[:2])) is None

    def test_nothing_to_draw_is_no_drawing(self):
        assert chart() is None
        assert chart(Series("a", [])) is None

    def test_a_ninth_colour_is_the_first_with_another_dash(self):
        lines = chart(*(Series(str(n), [(0, n)], n) for n in (0, 8))).lines
        assert [(line.colour, line.dash) for line in lines] == [(0, 0), (0, 1)]

    def test_summary_says_where_lines_begin_and_end(self):
        drawn = chart(Series("val", [(1, 0.25), (2, 0.5)]), Series("x", [(1, 1)], -1, thin=True))
        assert drawn.summary == "Loss: loss by epoch. val 0.25 to 0.5; 1 more"
