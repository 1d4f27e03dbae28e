"""The git state of a checkout of this project, and what never passes as clean."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from steelexp.records import checkout
from steelexp.records.checkout import INSTALLED, Checkout, read_checkout

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.com"))
}
PROJECT = '[project]\nname = "steelexp"\n'


@pytest.fixture(autouse=True)
def no_settings(tmp_path, monkeypatch):
    """Git looks no further up than the tests' folder, and has no settings of the user's."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for key, value in IDENTITY.items():
        monkeypatch.setenv(key, value)


@pytest.fixture
def project(tmp_path):
    """The files of a checkout, without git."""
    top = tmp_path / "checkout"
    (top / "steelexp" / "report").mkdir(parents=True)
    (top / "steelexp" / "__init__.py").write_text("")
    (top / "steelexp" / "train.py").write_text("rate = 0.1\n")
    (top / "steelexp" / "report" / "page.html").write_text("<p>\n")
    (top / "pyproject.toml").write_text(PROJECT)
    (top / "notes.txt").write_text("one\n")
    (top / ".env").write_text("API_KEY=one\n")
    return top


@pytest.fixture
def top(project):
    """A checkout with one commit of every file."""
    git(project, "init", "--quiet", "--initial-branch", "trunk")
    commit(project)
    return project


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> None:
    git(folder, "add", "--force", ".")
    git(folder, "commit", "--quiet", "--message", "one")


def state(top: Path) -> Checkout:
    return read_checkout(top / "steelexp")


def test_a_clean_checkout(top):
    assert state(top) == Checkout(git(top, "rev-parse", "HEAD"), "trunk", dirty=False)


def test_the_patch_makes_the_changes_again(top, tmp_path):
    (top / "steelexp" / "train.py").write_text("rate = 0.2  # größer\n", encoding="utf-8")
    (top / "steelexp" / "report" / "page.html").write_bytes(bytes(range(256)))
    (top / "steelexp" / "report" / "new.py").write_text("untracked = True\n")
    (top / "steelexp" / "empty.py").write_text("")
    (top / "steelexp" / "added.py").write_text("added = True\n")
    git(top, "add", "steelexp/added.py")
    (top / "steelexp" / "__init__.py").unlink()
    found = state(top)
    assert found.dirty
    assert set(found.untracked) == {
        f"steelexp/{name}" for name in ("report/new.py", "empty.py", "added.py")
    }
    git(tmp_path, "clone", "--quiet", str(top), "copy")
    (tmp_path / "changes.patch").write_text(found.patch, encoding="utf-8")
    git(tmp_path / "copy", "apply", str(tmp_path / "changes.patch"))
    for name in ("train.py", "report/page.html", "report/new.py", "empty.py", "added.py"):
        copy = tmp_path / "copy" / "steelexp" / name
        assert copy.read_bytes() == (top / "steelexp" / name).read_bytes()
    assert not (tmp_path / "copy" / "steelexp" / "__init__.py").exists()


def test_other_files_of_the_checkout_are_none_of_its_business(top):
    for name in (".env", "notes.txt", "new.txt", "steelexp/.env", "steelexp/notes.txt"):
        (top / name).write_text("API_KEY=two\n")
    assert (state(top).dirty, state(top).patch) == (False, "")


def test_ignored_modules_count(top):
    (top / ".gitignore").write_text("*.py\n")
    (top / "steelexp" / "mine.py").write_text("rate = 0.3\n")
    found = state(top)
    assert (found.dirty, found.untracked) == (True, ("steelexp/mine.py",))
    assert "+rate = 0.3" in found.patch


def test_compiled_modules_do_not_count(top):
    (top / "steelexp" / "__pycache__").mkdir()
    (top / "steelexp" / "__pycache__" / "train.cpython-311.pyc").write_bytes(b"x")
    assert state(top).dirty is False


@pytest.mark.parametrize("bit", ["--assume-unchanged", "--skip-worktree"])
def test_a_change_that_the_users_index_hides(top, bit):
    git(top, "update-index", bit, "steelexp/train.py")
    (top / "steelexp" / "train.py").write_text("rate = 0.2\n")
    assert git(top, "status", "--porcelain") == ""
    assert state(top).dirty


def test_a_change_of_the_same_size_and_time(top):
    path = top / "steelexp" / "train.py"
    times = path.stat()
    git(top, "config", "core.trustctime", "false")
    path.write_text("rate = 0.2\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert state(top).dirty


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("color.ui", "always"),
        ("diff.external", "false"),
        ("diff.noprefix", "1"),
        ("diff.mnemonicPrefix", "1"),
        ("core.pager", "false"),
        ("core.fsmonitor", "false"),
        ("diff.renames", "copies"),
        ("status.showUntrackedFiles", "no"),
    ],
)
def test_the_users_settings_change_nothing(top, key, value):
    (top / "steelexp" / "train.py").write_text("rate = 0.2\n")
    plain = state(top)
    git(top, "config", key, value)
    assert state(top) == plain
    assert plain.patch.startswith("diff --git a/steelexp/train.py b/steelexp/train.py\n")


def test_the_users_index_and_variables_are_left_alone(top, tmp_path, monkeypatch):
    before = (top / ".git" / "index").read_bytes()
    (top / "steelexp" / "new.py").write_text("")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set while a git hook runs
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert state(top).untracked == ("steelexp/new.py",)
    assert (top / ".git" / "index").read_bytes() == before


class TestInstalled:
    def test_outside_a_checkout(self, project):
        assert state(project) == INSTALLED

    def test_inside_somebodys_repository(self, tmp_path, project):
        """An environment below a repository that somebody tracks, with a file of secrets."""
        site = tmp_path / "theirs" / "env" / "lib"
        site.mkdir(parents=True)
        git(tmp_path / "theirs", "init", "--quiet")
        (project / "steelexp").rename(site / "steelexp")
        (tmp_path / "theirs" / ".env").write_text("API_KEY=two\n")
        commit(tmp_path / "theirs")
        (tmp_path / "theirs" / ".env").write_text("API_KEY=three\n")
        assert read_checkout(site / "steelexp") == INSTALLED

    @pytest.mark.parametrize("theirs", ['[project]\nname = "theirs"\n', "", "[[["])
    def test_copied_to_the_top_of_somebodys_repository(self, top, theirs):
        (top / "pyproject.toml").write_text(theirs)
        commit(top)
        assert state(top) == INSTALLED

    def test_beside_an_untracked_copy(self, tmp_path, project):
        git(project, "init", "--quiet")
        git(project, "add", "notes.txt")
        git(project, "commit", "--quiet", "--message", "one")
        assert state(project) == INSTALLED


class TestUnknown:
    def test_before_the_first_commit(self, project):
        git(project, "init", "--quiet")
        assert state(project).dirty is None
        assert state(project).unknown.startswith("git rev-parse failed: fatal: ")

    def test_without_git(self, top, monkeypatch):
        monkeypatch.setenv("PATH", str(top))
        assert state(top) == Checkout(unknown="git cannot be started: No such file or directory")

    def test_a_git_that_hangs(self, top, tmp_path, monkeypatch):
        slow = tmp_path / "bin" / "git"
        slow.parent.mkdir()
        slow.write_text("#!/bin/sh\nexec /bin/sleep 60\n")
        slow.chmod(slow.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(slow.parent))
        monkeypatch.setattr(checkout, "SECONDS", 0.2)
        assert state(top) == Checkout(unknown="git rev-parse took more than 0.2 seconds")

    def test_a_checkout_of_another_owner(self, top, monkeypatch):
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        monkeypatch.setattr(
            checkout,
            "_KEPT_VARIABLES",
            (*checkout._KEPT_VARIABLES, "GIT_TEST_ASSUME_DIFFERENT_OWNER"),
        )
        found = state(top)
        assert (found.commit, found.dirty) == ("", None)
        assert "dubious ownership" in found.unknown

    def test_a_damaged_repository(self, top):
        (top / ".git" / "HEAD").write_text("nothing\n")
        assert state(top).dirty is None
        assert state(top).unknown
