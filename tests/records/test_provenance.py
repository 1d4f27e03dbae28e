import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from steelexp.cores import available_cores
from steelexp.records import provenance
from steelexp.records.machine import VARIABLES
from steelexp.records.provenance import GitState, environment, git_state

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ann"), ("EMAIL", "ann@example.com"))
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder that the package seems to be imported from; git looks no further up."""
    place = tmp_path / "checkout" / "steelexp" / "records"
    place.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(place / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for key, value in IDENTITY.items():
        monkeypatch.setenv(key, value)
    return tmp_path / "checkout"


def git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(package):
    git(package, "init", "--initial-branch", "trunk")
    (package / "train.py").write_text("rate = 0.1\n")
    (package / "image.png").write_bytes(bytes(range(256)))
    git(package, "add", ".")
    git(package, "commit", "--message", "one")
    return package


class TestGitState:
    def test_of_a_clean_checkout(self, checkout):
        assert git_state() == GitState(git(checkout, "rev-parse", "HEAD"), "trunk", False, "")

    def test_the_patch_makes_the_changes_again(self, checkout, tmp_path):
        (checkout / "train.py").write_text("rate = 0.2  # größer\n", encoding="utf-8")
        (checkout / "image.png").write_bytes(bytes(range(255, -1, -1)))
        (checkout / "new.py").write_text("")
        git(checkout, "add", "new.py")
        state = git_state()
        assert state.dirty
        git(tmp_path, "clone", "--quiet", str(checkout), "copy")
        (tmp_path / "changes.patch").write_text(state.patch, encoding="utf-8")
        git(tmp_path / "copy", "apply", str(tmp_path / "changes.patch"))
        for name in ("train.py", "image.png", "new.py"):
            assert (tmp_path / "copy" / name).read_bytes() == (checkout / name).read_bytes()

    @pytest.mark.parametrize(
        ("key", "value"),
        [("color.ui", "always"), ("diff.external", "true"), ("diff.noprefix", "1")],
    )
    def test_the_patch_does_not_depend_on_the_users_settings(self, checkout, key, value):
        (checkout / "train.py").write_text("rate = 0.2\n")
        plain = git_state().patch
        git(checkout, "config", key, value)
        assert git_state().patch == plain
        assert plain.startswith("diff --git a/train.py b/train.py\n")

    def test_untracked_files_do_not_count(self, checkout):
        (checkout / "notes.txt").write_text("x")
        assert not git_state().dirty

    def test_before_the_first_commit(self, package):
        git(package, "init")
        assert git_state() == GitState("", "", False, "")

    def test_outside_a_checkout(self, package):
        assert git_state() == GitState("", "", False, "")

    def test_without_git(self, checkout, monkeypatch):
        monkeypatch.setenv("PATH", str(checkout))
        assert git_state() == GitState("", "", False, "")

    def test_with_a_git_that_hangs(self, checkout, monkeypatch):
        def hang(command, **settings):
            raise subprocess.TimeoutExpired(command, settings["timeout"])

        monkeypatch.setattr(subprocess, "run", hang)
        assert git_state() == GitState("", "", False, "")


class TestEnvironment:
    def test_names_what_runs(self):
        found = environment()
        assert found["python"] == sys.version.split()[0]
        assert found["cores"] == available_cores()
        assert found["packages"]["numpy"] == np.__version__
        assert {"steelexp", "tensorflow", "tf-keras", "comet-ml"} <= set(found["packages"])

    def test_a_package_that_is_not_there_has_no_version(self, monkeypatch):
        monkeypatch.setattr(provenance, "_PACKAGES", ("numpy", "no-such-package"))
        assert environment()["packages"] == {"numpy": np.__version__, "no-such-package": None}

    def test_cores_are_those_of_the_run_and_not_of_the_machine(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert environment()["cores"] == 1

    def test_variables_that_change_numbers(self, monkeypatch):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        monkeypatch.setenv("MALLOC_TOP_PAD_", "1")
        assert environment()["variables"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}
