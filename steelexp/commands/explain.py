"""The command `explain`: what a setting of a spec means."""

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence

from steelexp.command_line import command_line
from steelexp.commands.outcome import DONE
from steelexp.errors import UserError
from steelexp.plan import SpecModel
from steelexp.progress import say
from steelexp.spec import json_schema
from steelexp.spec.explain import nearest
from steelexp.spec.reference import Part, Setting, parts_of, reference_page

WIDTH = 80
"""Columns of what is printed."""


def add(settings: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    settings.set_defaults(act=explain, prints_only=True)
    settings.add_argument(
        "key",
        nargs="?",
        metavar="KEY",
        help="a setting, a section or a component, such as loss.gamma, loss or focal; the last "
        "name of a setting will do (default: the sections)",
    )
    settings.add_argument(
        "--page", action="store_true", help="print all settings as a page in Markdown"
    )


def explain(args: argparse.Namespace) -> int:
    """Print what a setting, a section or a component means, or the whole reference."""
    parts = parts_of(json_schema(SpecModel))
    if args.page:
        if args.key:
            raise UserError("--page prints all settings; leave out KEY")
        sys.stdout.write(reference_page(parts))
        return DONE
    if args.key is None:
        say(*_sections(parts))
        return DONE
    found = list(_lines(parts, args.key)) or list(_lines_of_name(parts, args.key))
    if not found:
        names = {part.key for part in parts} | {part.component for part in parts}
        names |= {setting.key for part in parts for setting in part.settings}
        raise UserError(
            f"{args.key}: no such setting, section or component"
            f"{nearest(args.key, sorted(names - {''}))}; the sections: "
            f"{command_line('explain')}"
        )
    say(*found[:-1])
    return DONE


def _sections(parts: Sequence[Part]) -> Iterator[str]:
    """One line for each section, with its components."""
    yield "Settings at the top of a spec, and its sections with their components:"
    for setting in parts[0].settings:
        yield from _wrapped(f"{setting.key}: {setting.meaning}", 2)
    for key in dict.fromkeys(part.key for part in parts if part.key):
        names = [part.component for part in parts if part.key == key and part.component]
        names = [] if names == [key.rpartition(".")[2]] else names  # of a chain
        meaning = next(part.meaning for part in parts if part.key == key)
        yield from _wrapped(f"{key}: {', '.join(names) if names else meaning}", 2)


def _lines(parts: Sequence[Part], key: str) -> Iterator[str]:
    """What a key means, each answer with an empty line behind it."""
    for part in parts:
        names = {part.key, part.component, f"{part.key}.{part.component}"} - {""}
        whole = key in names
        settings = [each for each in part.settings if whole or each.key == key]
        if whole:
            yield from _wrapped(f"{_title(part.key, part.component)}: {part.meaning}", 0)
        for setting in settings:
            yield from _setting_lines(setting)
        if whole or settings:
            yield ""


def _lines_of_name(parts: Sequence[Part], name: str) -> Iterator[str]:
    """The settings of a name in any section, each answer with an empty line behind it."""
    for part in parts:
        for setting in part.settings:
            if setting.key.rpartition(".")[2] == name:
                yield from _setting_lines(setting)
                yield ""


def _title(key: str, component: str) -> str:
    return f"{key} {component}" if component and component != key.rpartition(".")[2] else key


def _setting_lines(setting: Setting) -> Iterator[str]:
    yield from _wrapped(f"{_title(setting.key, setting.component)}: {setting.meaning}", 2)
    default = "needed" if setting.default is None else f"default {setting.default}"
    yield from _wrapped(f"{setting.values}; {default}", 6)
    yield f"      {setting.example}"


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text.removesuffix(": "),
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 4),
    )
