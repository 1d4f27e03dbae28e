"""Figures that show names as they are."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plain_figure(**settings: Any) -> "Figure":
    r"""An empty figure whose texts are no formulas.

    matplotlib reads what stands between two dollar signs as TeX. A class named "$\frac{$" would
    stop the drawing.

    Args:
        settings: Arguments of `matplotlib.figure.Figure`.
    """
    import matplotlib as mpl  # 0.5 s that --help and check need not pay
    from matplotlib.figure import Figure

    mpl.rcParams["text.parse_math"] = False  # read when a text is made, which is after this
    return Figure(**settings)
