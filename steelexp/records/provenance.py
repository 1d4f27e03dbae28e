"""Where a run came from: sources, versions, machine."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from steelexp.cores import available_cores
from steelexp.records.machine import instruction_sets, processor, variables

_PACKAGES = (
    "steelexp",
    "tensorflow",
    "tf-keras",
    "segmentation-models",
    "numpy",
    "opencv-python-headless",
    "comet-ml",
)

# Whatever the user's settings: a patch that `git apply` takes.
_PATCH = ("--binary", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/")


class GitState(NamedTuple):
    """The sources a run was made with.

    Attributes:
        commit: hash, or "" outside a checkout.
        branch: name, or "".
        dirty: whether tracked files differ from the commit.
        patch: Uncommitted changes as a patch.
    """

    commit: str
    branch: str
    dirty: bool
    patch: str


def git_state() -> GitState:
    """The state of the checkout that this package is imported from."""
    commit = _git("rev-parse", "HEAD")
    branch = _git("rev-parse", "--abbrev-ref", "HEAD")
    patch = _git("diff", "HEAD", *_PATCH) if commit else ""
    return GitState(commit.strip(), branch.strip(), bool(patch), patch)


def environment() -> dict[str, Any]:
    """Versions, machine, and the environment variables that can change a number."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "cores": available_cores(),
        "variables": variables(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
