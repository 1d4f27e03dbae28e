"""Text for a terminal: what a terminal would obey, or would not show, is spelled out.

Names of files and classes, settings, and answers of servers come from others. A terminal obeys
escape sequences in them, and characters of direction reorder a line. A line end in a name would
let it write a line of its own. So every line that is printed goes through `visible`.
"""

import argparse
import logging
import sys
import warnings
from contextlib import suppress
from typing import Any, NoReturn


def visible(text: str) -> str:
    r"""Spell out every character that cannot be printed as one: an escape becomes \x1b.

    Printable are letters, marks, digits, symbols and the blank. Bytes of a file name that are not
    UTF-8 are spelled as bytes.

    Args:
        text: One line.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _spelled(ord(each)) for each in text)


def visible_lines(text: str) -> str:
    """Spell out what cannot be printed in each of several lines; the line ends stay.

    Args:
        text: Lines of this program, such as a traceback.
    """
    return "\n".join(visible(line) for line in text.split("\n"))


def print_error(*lines: str, before: str = "") -> None:
    """Print lines on standard error.

    Args:
        lines: Lines of a message.
        before: Words before the first line and a colon, such as the name of the program.
    """
    head = f"{before}: " if before else ""
    for number, line in enumerate(lines):
        sys.stderr.write(visible(f"{'' if number else head}{line}") + "\n")


def prepare_output() -> None:
    """Let no output fail for its characters, and make warnings visible as well."""
    with suppress(AttributeError):  # None, or a stream of a caller
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_VisibleFormatter())
    warnings.formatwarning = _visible_warning


class Parser(argparse.ArgumentParser):
    """A parser whose errors repeat arguments in visible form."""

    def error(self, message: str) -> NoReturn:
        """End with usage and message."""
        super().error(visible(message))


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(super().format(record))


_format_warning = warnings.formatwarning


def _visible_warning(*warning: Any, **place: Any) -> str:
    return visible_lines(_format_warning(*warning, **place))


def _spelled(code: int) -> str:
    """A character as Python spells it in a string."""
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as the file system's names hold it
        code -= 0xDC00
    short = {9: "\\t", 10: "\\n", 13: "\\r"}
    if code in short:
        return short[code]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
