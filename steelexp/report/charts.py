"""Charts as inline SVG: their content and their layout."""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from steelexp.palette import LIGHT_CHART

WIDTH: Final = 400
HEIGHT: Final = 240
LEFT = 44
RIGHT = 10
TOP = 10
BOTTOM = 36
COLOURS: Final = len(LIGHT_CHART)

Point = tuple[float, float]


class Series(NamedTuple):
    """One line, or one set of dots.

    Attributes:
        name: Name in the legend.
        points: Points (x, y).
        colour: Number of the colour; -1 is faint.
        kind: Shape: points joined by lines, by steps, or not at all.
        band: Range around it, (x, low, high).
        thin: Whether the line is thin, one of many.
    """

    name: str
    points: Sequence[Point]
    colour: int = 0
    kind: Literal["line", "dots", "steps"] = "line"
    band: Sequence[tuple[float, float, float]] = ()
    thin: bool = False


@dataclass(frozen=True)
class Chart:
    """What to draw.

    Attributes:
        title: Title above the chart.
        x: Label of the x axis, with the unit.
        y: Label of the y axis, with the unit.
        series: Series in the order of drawing.
        mark: Position of a vertical line and its label.
        diagonal: Whether y = x is drawn.
        log_x: Whether the x axis is logarithmic.
        x_names: Labels at x = 1, 2, 3, ... in place of numbers.
        x_range: Range of the x axis; None follows the points.
        y_range: Range of the y axis; None follows the points.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    mark: tuple[float, str] | None = None
    diagonal: bool = False
    log_x: bool = False
    x_names: Sequence[str] = ()
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


class Tick(NamedTuple):
    """A place on an axis, in pixels, and its label."""

    at: float
    label: str


class Line(NamedTuple):
    """A series as SVG has it.

    Attributes:
        name: Name in the legend.
        colour: Number of the colour; -1 is faint.
        dash: Number of the dash pattern, where colours are used again.
        kind: Shape of the series.
        path: Path in pixels, "x,y x,y".
        dots: Points in pixels, (x, y).
        band: Closed path in pixels.
        thin: Whether the line is thin, one of many.
    """

    name: str
    colour: int
    dash: int
    kind: str
    path: str
    dots: Sequence[Point]
    band: str
    thin: bool


@dataclass(frozen=True)
class Drawing:
    """The layout of a chart.

    Attributes:
        chart: Chart of the layout.
        x_ticks: Ticks from left to right.
        y_ticks: Ticks from the bottom up.
        lines: Lines in the chart's order.
        mark: Position of the vertical line in pixels.
        diagonal: Path of y = x, "x,y x,y".
        whole: Whether every x is a whole number.
        scale: Values at the edges of the axes: x left, x right, y bottom, y top.
        summary: Description in words, for screen readers.
    """

    chart: Chart
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    lines: Sequence[Line]
    mark: float | None
    diagonal: str
    whole: bool
    scale: Sequence[float]
    summary: str
    width: int = field(default=WIDTH)
    height: int = field(default=HEIGHT)


def draw(chart: Chart) -> Drawing | None:
    """Lay a chart out; None where there is no point to draw."""
    series = [each._replace(points=_finite(each.points, chart.log_x)) for each in chart.series]
    series = [each for each in series if each.points]
    if not series:
        return None
    points = [point for each in series for point in each.points]
    x_range = chart.x_range or _range([x for x, _ in points], around=0.0 if chart.log_x else 0.02)
    y_range = chart.y_range or _range([y for _, y in points], around=0.06)
    flat = math.log10 if chart.log_x else float
    across = _scale(flat(x_range[0]), flat(x_range[1]), LEFT, WIDTH - RIGHT)
    up = _scale(*y_range, HEIGHT - BOTTOM, TOP)

    def place(point: Point) -> Point:
        return round(across(flat(point[0])), 1), round(up(point[1]), 1)

    return Drawing(
        chart=chart,
        x_ticks=[
            Tick(round(across(flat(x)), 1), label) for x, label in _named(chart, x_range, points)
        ],
        y_ticks=[Tick(round(up(y), 1), _text(y)) for y in _ticks(*y_range)],
        lines=[_line(each, place) for each in series],
        mark=place((chart.mark[0], 0.0))[0] if chart.mark else None,
        diagonal=_path([place((0.0, 0.0)), place((1.0, 1.0))]) if chart.diagonal else "",
        whole=_whole(points),
        scale=[*map(flat, x_range), *y_range],
        summary=_summary(chart, series),
    )


def _named(
    chart: Chart, span: tuple[float, float], points: Sequence[Point]
) -> Iterable[tuple[float, str]]:
    """Where the x axis has ticks, and what they say."""
    if chart.x_names:
        return [(float(n), name) for n, name in enumerate(chart.x_names, start=1)]
    ticks = _log_ticks(*span) if chart.log_x else _ticks(*span, whole=_whole(points))
    return [(x, _text(x)) for x in ticks]


def _line(series: Series, place: Callable[[Point], Point]) -> Line:
    dots = [place(point) for point in series.points]
    high = [place((x, top)) for x, _, top in series.band]
    low = [place((x, foot)) for x, foot, _ in reversed(series.band)]
    steps = [step for a, b in itertools.pairwise(dots) for step in (a, (b[0], a[1]))]
    return Line(
        name=series.name,
        colour=series.colour if series.colour < 0 else series.colour % COLOURS,
        dash=max(series.colour, 0) // COLOURS % 3,
        kind=series.kind,
        path=_path([*steps, dots[-1]] if series.kind == "steps" else dots),
        dots=dots,
        band=_path([*high, *low]),
        thin=series.thin,
    )


def _finite(points: Iterable[Point], positive: bool) -> list[Point]:
    return [
        (x, y)
        for x, y in points
        if math.isfinite(x) and math.isfinite(y) and (x > 0 or not positive)
    ]


def _path(points: Iterable[Point]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _scale(low: float, high: float, at_low: float, at_high: float) -> Callable[[float], float]:
    return lambda value: at_low + (value - low) / (high - low) * (at_high - at_low)


def _range(values: Sequence[float], *, around: float) -> tuple[float, float]:
    """From the least to the greatest, and some room; never empty."""
    low = min(values)
    high = max(values)
    room = (high - low) * around
    if low == high:
        room = abs(low) / 2 or 0.5
    return low - room, high + room


def _whole(points: Sequence[Point]) -> bool:
    return all(float(x).is_integer() for x, _ in points)


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Round numbers, three to seven of them: 1, 2 or 5 times a power of ten apart."""
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = min((power * n for n in (1, 2, 5, 10)), key=lambda s: abs((high - low) / s - 4.5))
    if whole:
        step = max(1.0, step)
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 10) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; where that is too many, the powers."""
    powers = [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    fine = [power * n for power in powers for n in (1, 2, 5) if low <= power * n <= high]
    coarse = [power for power in powers if low <= power <= high]
    return coarse if len(fine) > 6 and len(coarse) > 1 else fine


def _text(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}").replace(
        "e\N{MINUS SIGN}0", "e\N{MINUS SIGN}"
    )


def _summary(chart: Chart, series: Sequence[Series]) -> str:
    """Where each line begins and ends; of many, how many there are."""
    lines = [each for each in series if each.kind != "dots" and each.colour >= 0][:8]
    ends = [f"{each.name} {each.points[0][1]:.3g} to {each.points[-1][1]:.3g}" for each in lines]
    rest = len(series) - len(lines)
    return f"{chart.title}: {chart.y} by {chart.x}. " + "; ".join(
        [*ends, *([f"{rest} more"] if rest else [])]
    )
