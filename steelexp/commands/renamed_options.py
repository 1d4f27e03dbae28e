"""Options and commands of version 0.1 that have another name now."""

from collections.abc import Sequence

from steelexp.command_line import command_line
from steelexp.errors import UserError

RENAMED = {
    "evaluate": {
        "--windows": "--inference (gaussian is sliding now, tiles is published)",
        "--flips": "--tta",
        "--pictures": "--overlays",
    },
    "export": {"--strips": "--images"},
    "predict": {"--engine": "--runtime"},
    "reproduce": {"--within": "--tolerance"},
    "run": {"--engine": "--executor"},
}
"""Command -> old option -> new option."""


def check_names(arguments: Sequence[str]) -> None:
    """Refuse what was renamed, before the parser calls it unknown.

    Args:
        arguments: Words of the command line.

    Raises:
        UserError: An option or a command is of version 0.1; the message has its new name.
    """
    if list(arguments[:2]) == ["data", "draw"]:
        new = command_line("data", "generate", *arguments[2:])
        raise UserError(f"data draw: it was renamed; type: {new}")
    command = next(iter(arguments), "")
    for word in arguments[1:]:
        old = word.partition("=")[0]
        if (new_option := RENAMED.get(command, {}).get(old)) is not None:
            raise UserError(f"{command} {old}: it was renamed; write {new_option}")
