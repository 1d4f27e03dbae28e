"""Commands in messages, as they can be typed in the shell that started this process.

The package can be started as the installed script `steelexp`, or as `python -m steelexp` by an
interpreter that need not be the `python` of the PATH. A command that is printed starts with what
works here. It ends the line, after a colon, so that it can be copied.
"""

import functools
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from steelexp.privacy import HOME, with_home, without_home, without_secrets

SCRIPT = "steelexp"
"""Name of the installed script; recorded commands start with it, on any machine."""

RUNS = Path("runs")
"""Default of --runs."""


def command_line(*words: str | Path) -> str:
    """A steelexp command for the user's shell.

    Args:
        words: The command and its arguments, such as "show" and a run folder.
    """
    return " ".join([program(), *map(shell_word, words)])


def python_line(*words: str | Path) -> str:
    """A command of the Python that runs this process, for the user's shell.

    Args:
        words: Arguments of the interpreter, such as "-m" and a module.
    """
    return _joined([_interpreter(), *words])


def install_line(extra: str) -> str:
    """The command that installs an extra of this package, for the user's shell."""
    return python_line("-m", "pip", "install", f"steelexp[{extra}]")


def script_line(script: str, *words: str | Path) -> str:
    """A command of a script that another package has installed beside this Python.

    Args:
        script: Name of the script, such as "comet".
        words: Arguments of the script.
    """
    beside = Path(sys.executable).with_name(script)
    on_path = shutil.which(script)
    if not (on_path and _same(on_path, str(beside))) and beside.is_file():
        script = str(Path(_interpreter()).with_name(script))
    return _joined([script, *words])


def argument(word: str | Path) -> str:
    """A word as it is typed; a path that begins with a dash would be taken for an option."""
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def shell_word(word: str | Path) -> str:
    r"""Quote a word for a shell, so that it can be printed and pasted.

    Characters that cannot be printed are spelled in $'...', which bash, zsh and POSIX.1-2024 read:
    a name with a line end becomes $'a\012b'. Octal digits end after three, hexadecimal ones do not
    in every shell.
    """
    text = argument(word)
    return shlex.quote(text) if text.isprintable() else f"$'{''.join(map(_spelled, text))}'"


def program() -> str:
    """The start of every steelexp command, such as "python -m steelexp"."""
    started = (sys.argv[0], sys.orig_argv[0], sys.executable)
    return _program_line(started, os.environ.get("PATH"), os.getcwd())  # noqa: PTH109


def runs_words(runs: Path) -> list[str]:
    """The option that names the folder of the run folders; nothing for the default."""
    return [] if runs == RUNS else ["--runs", argument(runs)]


def recorded(*words: str | Path) -> str:
    """A steelexp command for a record, which is read on other machines, too."""
    return public_line(shlex.join([SCRIPT, *map(argument, words)]))


def public_line(line: str) -> str:
    """A command for a file that is passed on, without secrets and without the home folder.

    The shell puts its own home folder in the place of "${HOME}", which stands outside of single
    quotes.

    Args:
        line: Command whose words are quoted as `shlex.quote` does.
    """
    pieces = re.split(r"('[^']*')", without_secrets(line))
    pieces[::2] = [without_home(piece).replace(HOME, f'"{HOME}"') for piece in pieces[::2]]
    pieces[1::2] = [
        f"'{without_home(piece[1:-1])}'".replace(HOME, f"'\"{HOME}\"'").replace("''", "")
        if piece != "''"
        else piece
        for piece in pieces[1::2]
    ]
    return "".join(pieces)


def again_line(command: str, run: Path) -> str:
    """A command that trains a finished run anew, for the user's shell.

    Where the spec of the recorded command is not found from here, the run is reproduced from its
    own folder.

    Args:
        command: Recorded command of the run.
        run: Run folder.
    """
    try:
        words = [with_home(word) for word in shlex.split(command)[1:]]
    except ValueError:  # an open quotation in a record that was changed
        words = []
    if len(words) < 2 or not Path(words[1]).exists():
        return command_line("reproduce", run)
    return command_line(*words, "--fresh")


@functools.cache  # each file of a thousand runs has a way out for its message
def _program_line(_started: tuple[str, ...], _path: str | None, _folder: str) -> str:
    return _joined(_program())


def _program() -> list[str]:
    started_as = sys.argv[0]
    if Path(started_as).name == SCRIPT and (script := shutil.which(started_as)):
        on_path = shutil.which(SCRIPT)
        return [SCRIPT if on_path and _same(script, on_path) else started_as]
    return [_interpreter(), "-m", "steelexp"]


def _joined(words: Iterable[str | Path]) -> str:
    return " ".join(map(shell_word, words))


def _spelled(character: str) -> str:
    """A character within $'...'."""
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def _interpreter() -> str:
    """`python` if that is this interpreter, else the path as it was typed, else the full path."""
    for word in ("python", sys.orig_argv[0]):
        if (path := shutil.which(word)) and _same(path, sys.executable):
            return word
    return sys.executable


def _same(first: str, second: str) -> bool:
    """Whether two paths are one; links are kept, because a venv's Python is a link."""
    return os.path.abspath(first) == os.path.abspath(second)  # noqa: PTH100
