"""The page at the end of a run, a search or several runs."""

from pathlib import Path

from steelexp.command_line import command_line
from steelexp.errors import reason
from steelexp.progress import say
from steelexp.report.page import PageError, write_page


def leave_report(folder: Path) -> Path | None:
    """Write the page and name it; an error here fails no run.

    Returns:
        The file of the page; None without one.
    """
    try:
        path = write_page(folder)
    except PageError:
        return None  # no run has got so far that there is anything to show
    except Exception as error:
        say(
            f"The report could not be written ({type(error).__name__}: {reason(error)}); "
            f"try again: {command_line('report', folder)}"
        )
        return None
    say(f"Report: {path}")
    return path
