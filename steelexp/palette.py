"""Colours of overlays, of the report's page and of figures, safe for colour-blind readers."""

from typing import Final, TypeAlias

RGB: TypeAlias = tuple[int, int, int]

# Okabe and Ito, "Color Universal Design" (2008). Indigo, of Tol's "muted" scheme (2021), replaces
# their black, which is lost on the black beyond a sheet's edge.
SKY_BLUE: Final = "#56b4e9"
ORANGE: Final = "#e69f00"
VERMILLION: Final = "#d55e00"
BLUE: Final = "#0072b2"
YELLOW: Final = "#f0e442"
INDIGO: Final = "#332288"
PURPLE: Final = "#cc79a7"
GREEN: Final = "#009e73"

# The order is measured. Blended over grey 60 to 170 and seen normally, by deuteranopes and by
# protanopes, the first four stay at least CIELAB 10.9 apart from one another and from the steel.
# Yellow comes within 9.4 of orange, and purple and green within 4.0 and 0.8 of the steel. The
# closest pairs of the first four are 1 with 4 and 2 with 3. They share the fewest images of
# Severstal, and their outlines have hair lines of different colours (steelexp/overlays/overlay.py).
_FIRST_COLOURS: Final = (SKY_BLUE, ORANGE, VERMILLION, BLUE, YELLOW, INDIGO, PURPLE, GREEN)

# Found as in Glasbey et al., "Colour displays for categorical images" (2007): one after another,
# the colour that is furthest from those before in CIELAB, of a grid of 16 values a channel, with a
# lightness of 25 to 90 and a chroma of at least 25. Each is at least 33.9 from those before, seen
# normally. Colour-blind readers cannot tell all of them apart.
_MORE_COLOURS: Final = (
    "#00ff00",
    "#ff00ff",
    "#0000ff",
    "#554411",
    "#ff0066",
    "#ddcc99",
    "#44aa11",
    "#771122",
    "#cc0099",
    "#bb77ff",
    "#00ffaa",
    "#553355",
    "#55eeee",
    "#ff9988",
    "#115500",
    "#888811",
    "#ff0022",
    "#0055ff",
    "#bbee88",
    "#aaee00",
    "#bbaaff",
    "#006666",
    "#2277ee",
    "#8800cc",
)

CLASS_COLOURS: Final = _FIRST_COLOURS + _MORE_COLOURS
"""Colour of each class, by class number."""

RUN_COLOURS: Final = (BLUE, ORANGE, GREEN, PURPLE, VERMILLION, SKY_BLUE, "#000000")
"""Colour of each run or strategy in figures of analysis/."""

STRATEGY_ORDER: Final = (3, 2, 7, 1, 6, 5, 0, 4)
"""Chart colour of each strategy on the page; it keeps the two blues and indigo apart."""

LIGHT: Final = {
    "paper": "#ffffff",
    "raised": "#f6f8fa",
    "ink": "#1b2127",
    "muted": "#56606b",
    "rule": "#d8dee4",
    "accent": "#0a58a8",
    "good": "#0b6b4f",
    "bad": "#b3400a",
    "tint": "rgb(10 88 168 / 13%)",
}
"""Colours of the page in a light scheme, by the name of their CSS variable."""

DARK: Final = {
    "paper": "#0f1419",
    "raised": "#182029",
    "ink": "#e4e9ee",
    "muted": "#9ba7b3",
    "rule": "#303a45",
    "accent": "#79b8ff",
    "good": "#56d4a4",
    "bad": "#ff9a62",
    "tint": "rgb(121 184 255 / 20%)",
}
"""Colours of the page in a dark scheme."""

# The first eight class colours, darkened or lightened to a contrast of 3 with the page's paper.
LIGHT_CHART: Final = (
    "#3297d3",
    "#b97a00",
    "#cc5500",
    "#004f80",
    "#8d8400",
    "#332288",
    "#b0578d",
    "#00805e",
)
DARK_CHART: Final = (
    "#56b4e9",
    "#e69f00",
    "#ee7420",
    "#3f93d0",
    "#f0e442",
    "#9a8cf0",
    "#d88ab5",
    "#1fb98b",
)

INK: Final = LIGHT["ink"]
"""Colour of text and axes."""


def rgb(colour: str) -> RGB:
    """Red, green and blue of a colour like "#56b4e9", each 0 to 255."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
