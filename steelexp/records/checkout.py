"""The git checkout that this package is imported from: commit, branch, uncommitted changes.

Only a checkout of this project counts: its top folder holds the package and the project's
`pyproject.toml`, both tracked. A package that is installed into another project has no commit,
whatever repository lies around it.

The changes are those of `PATHS`: the modules and templates of the package, and what declares its
dependencies. They decide what ran. The spec of a run is in its folder, so other specs are no part
of it. Neither are scripts that read finished runs, and files that somebody keeps beside.

Git is asked with an index of its own. The user's index could hide a change, by the bits
assume-unchanged and skip-worktree or by the time of a file.
"""

import os
import subprocess
import tempfile
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

from steelexp.privacy import public
from steelexp.records.source import SUFFIXES

_PROJECT = "steelexp"

_SOURCE = tuple(f":(glob){_PROJECT}/**/*{suffix}" for suffix in SUFFIXES)

PATHS = (*_SOURCE, "pyproject.toml", "requirements.lock")
"""Paths below the top of the checkout that decide what runs, as git's patterns."""

SECONDS = 20.0
"""Seconds that git may take for all questions together."""

# Whatever the user's settings: a patch that `git apply` takes, and no program of the user's.
_CONFIG = (
    *("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "core.sparseCheckout=false", "-c", "core.quotePath=true"),
)
_DIFF = (
    *("--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
)
_KEPT_VARIABLES = ("GIT_CEILING_DIRECTORIES", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_NOSYSTEM")


class Checkout(NamedTuple):
    """State of the sources that a run was made with.

    Attributes:
        commit: Hash of the commit; "" if unknown or for an installed package.
        branch: Name of the branch; "" if there is none.
        dirty: Whether files of `PATHS` differ from the commit; None if unknown.
        patch: Uncommitted changes, with untracked files, as a patch; secrets in it are hidden.
        untracked: Untracked modules and templates of the package.
        unknown: Reason why git's answer is missing; "" if it is not.
    """

    commit: str = ""
    branch: str = ""
    dirty: bool | None = None
    patch: str = ""
    untracked: tuple[str, ...] = ()
    unknown: str = ""


INSTALLED = Checkout()
"""A package outside a checkout of this project."""


class _GitError(Exception):
    """Git gave no answer; the message says why."""


def read_checkout(package: Path) -> Checkout:
    """Ask git about the checkout that holds a package.

    Args:
        package: Folder of the package, without symbolic links.
    """
    top = package.parent
    if package.name != _PROJECT or not _is_this_project(top):
        return INSTALLED
    try:
        with tempfile.TemporaryDirectory(prefix="steelexp-git-") as folder:
            return _Git(top, Path(folder, "index")).checkout()
    except (_GitError, OSError) as error:
        return Checkout(unknown=public(" ".join(str(error).split())))


class _Git:
    """Questions to git about one checkout, in at most `SECONDS`.

    Args:
        top: Top folder of the checkout.
        index: Path of a new index file.
    """

    def __init__(self, top: Path, index: Path) -> None:
        self._top = top
        self._deadline = time.monotonic() + SECONDS
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("GIT_") or name in _KEPT_VARIABLES
        }
        self._variables = variables | {"GIT_INDEX_FILE": str(index), "LC_ALL": "C"}

    def checkout(self) -> Checkout:
        """The state of the checkout.

        Raises:
            _GitError: Git fails, or takes too long.
        """
        top = Path(os.fsdecode(self._ask("rev-parse", "--show-toplevel").rstrip(b"\n")))
        if top.resolve() != self._top.resolve():
            return INSTALLED
        commit = self._text("rev-parse", "--verify", "HEAD^{commit}")
        tracked = self._ask("ls-tree", "-z", "--name-only", "HEAD", "--", *self._identity())
        if len(tracked.split(b"\0")) <= len(self._identity()):
            return INSTALLED
        self._ask("read-tree", commit)
        untracked = self._untracked()
        patch = [self._ask("diff", *_DIFF, commit, "--", *PATHS)]
        patch += [self._ask("diff", "--no-index", *_DIFF, "/dev/null", n, ok=1) for n in untracked]
        text = public(b"".join(patch).decode("utf-8", "replace"), code=True)
        branch = self._text("rev-parse", "--abbrev-ref", "HEAD")
        return Checkout(commit, branch, bool(text) or bool(untracked), text, tuple(untracked))

    def _identity(self) -> tuple[str, str]:
        """The tracked files by which a checkout of this project is known."""
        return (f"{_PROJECT}/__init__.py", "pyproject.toml")

    def _untracked(self) -> list[str]:
        """Untracked modules and templates of the package, ignored ones too."""
        names = self._ask("ls-files", "-z", "--others", "--", *_SOURCE)
        return [os.fsdecode(name) for name in names.split(b"\0") if name]

    def _text(self, *words: str) -> str:
        return self._ask(*words).decode("utf-8", "replace").strip()

    def _ask(self, *words: str, ok: int = 0) -> bytes:
        """Output of a git command.

        Args:
            words: Command and its arguments.
            ok: Exit code that is no failure, beside 0.

        Raises:
            _GitError: Git fails, or takes too long.
        """
        try:
            done = subprocess.run(
                ["git", "--no-pager", "--no-optional-locks", *_CONFIG, *words],
                cwd=self._top,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=max(self._deadline - time.monotonic(), 0.01),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _GitError(f"git {words[0]} took more than {SECONDS:g} seconds") from None
        except OSError as error:
            raise _GitError(f"git cannot be started: {error.strerror}") from None
        if done.returncode not in (0, ok):
            lines = done.stderr.decode("utf-8", "replace").splitlines() or ["no reason given"]
            raise _GitError(f"git {words[0]} failed: {lines[0]}")
        return done.stdout


def _is_this_project(top: Path) -> bool:
    """Whether a folder is the top of a checkout of this project, by its own files."""
    if not (top / ".git").exists():
        return False
    try:
        project = tomllib.loads((top / "pyproject.toml").read_text("utf-8")).get("project", {})
    except (OSError, ValueError):
        return False
    return isinstance(project, dict) and project.get("name") == _PROJECT
