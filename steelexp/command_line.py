"""Commands in messages, as they can be typed in the shell that started this process.

The package can be started as the installed script `steelexp`, or as `python -m steelexp` by an
interpreter that need not be the `python` of the PATH. A command that is printed starts with what
works here. It ends the line, after a colon, so that it can be copied.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path

SCRIPT = "steelexp"
"""Name of the installed script; recorded commands start with it, on any machine."""

RUNS = Path("runs")
"""Default of --runs."""


def command_line(*words: str | Path) -> str:
    """A steelexp command for the user's shell.

    Args:
        words: The command and its arguments, such as "show" and a run folder.
    """
    return shlex.join([*_program(), *map(str, words)])


def python_line(*words: str | Path) -> str:
    """A command of the Python that runs this process, for the user's shell.

    Args:
        words: Arguments of the interpreter, such as "-m" and a module.
    """
    return shlex.join([_interpreter(), *map(str, words)])


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
    return shlex.join([script, *map(str, words)])


def program() -> str:
    """The start of every steelexp command, such as "python -m steelexp"."""
    return shlex.join(_program())


def runs_words(runs: Path) -> list[str]:
    """The option that names the folder of the run folders; nothing for the default."""
    return [] if runs == RUNS else ["--runs", str(runs)]


def recorded(*words: str | Path) -> str:
    """A steelexp command for a record, which is read on other machines, too."""
    return shlex.join([SCRIPT, *map(str, words)])


def again_line(command: str, run: Path) -> str:
    """A command that trains a finished run anew, for the user's shell.

    Where the spec of the recorded command is not found from here, the run is reproduced from its
    own folder.

    Args:
        command: Recorded command of the run.
        run: Run folder.
    """
    words = shlex.split(command)[1:]
    if len(words) < 2 or not Path(words[1]).exists():
        return command_line("reproduce", run)
    return command_line(*words, "--fresh")


def _program() -> list[str]:
    started_as = sys.argv[0]
    if Path(started_as).name == SCRIPT and (script := shutil.which(started_as)):
        on_path = shutil.which(SCRIPT)
        return [SCRIPT if on_path and _same(script, on_path) else started_as]
    return [_interpreter(), "-m", "steelexp"]


def _interpreter() -> str:
    """`python` if that is this interpreter, else the path as it was typed, else the full path."""
    for word in ("python", sys.orig_argv[0]):
        if (path := shutil.which(word)) and _same(path, sys.executable):
            return word
    return sys.executable


def _same(first: str, second: str) -> bool:
    """Whether two paths are one; links are kept, because a venv's Python is a link."""
    return os.path.abspath(first) == os.path.abspath(second)  # noqa: PTH100
