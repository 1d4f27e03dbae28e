import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from steelexp import command_line as lines
from steelexp.command_line import (
    again_line,
    command_line,
    install_line,
    program,
    python_line,
    runs_words,
    script_line,
    shell_word,
)


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Pretend that the process was started by these words, with this folder on the PATH."""

    def start(argv0, typed, *, executable, path=tmp_path):
        monkeypatch.setattr(sys, "argv", [argv0])
        monkeypatch.setattr(sys, "orig_argv", [typed])
        monkeypatch.setattr(sys, "executable", str(executable))
        monkeypatch.setenv("PATH", str(path))

    return start


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


class TestProgram:
    def test_the_python_of_the_path(self, started, tmp_path):
        python = executable(tmp_path / "python")
        started("x/steelexp/__main__.py", str(python), executable=python)
        assert program() == "python -m steelexp"

    def test_another_python_as_it_was_typed(self, started, tmp_path, monkeypatch):
        executable(tmp_path / "bin" / "python")
        venv = executable(tmp_path / "my venv" / "bin" / "python")
        monkeypatch.chdir(tmp_path)
        started("x/__main__.py", "my venv/bin/python", executable=venv, path=tmp_path / "bin")
        assert program() == "'my venv/bin/python' -m steelexp"

    def test_its_full_path_where_what_was_typed_leads_elsewhere_by_now(
        self, started, tmp_path, monkeypatch
    ):
        venv = executable(tmp_path / "venv" / "bin" / "python")
        (tmp_path / "sub").mkdir()
        monkeypatch.chdir(tmp_path / "sub")
        started("x/__main__.py", "venv/bin/python", executable=venv)
        assert program() == f"{venv} -m steelexp"

    def test_the_link_of_a_venv_is_not_the_python_it_leads_to(self, started, tmp_path):
        system = executable(tmp_path / "python")
        (tmp_path / "venv").mkdir()
        venv = tmp_path / "venv" / "python"
        venv.symlink_to(system)
        started("x/__main__.py", str(venv), executable=venv)
        assert program() == f"{venv} -m steelexp"

    def test_the_installed_script(self, started, tmp_path):
        script = executable(tmp_path / "steelexp")
        started(str(script), "python", executable=tmp_path / "python")
        assert program() == "steelexp"

    def test_an_installed_script_off_the_path(self, started, tmp_path, monkeypatch):
        executable(tmp_path / ".venv" / "bin" / "steelexp")
        monkeypatch.chdir(tmp_path)
        started(".venv/bin/steelexp", "python", executable=tmp_path / "python")
        assert program() == ".venv/bin/steelexp"


class TestScript:
    def test_beside_a_python_off_the_path(self, started, tmp_path, monkeypatch):
        venv = executable(tmp_path / ".venv" / "bin" / "python")
        executable(tmp_path / ".venv" / "bin" / "comet")
        executable(tmp_path / "bin" / "comet")  # of another Python
        monkeypatch.chdir(tmp_path)
        started("x/__main__.py", ".venv/bin/python", executable=venv, path=tmp_path / "bin")
        assert script_line("comet", "upload", "a b") == ".venv/bin/comet upload 'a b'"

    def test_of_an_activated_environment(self, started, tmp_path):
        venv = executable(tmp_path / "bin" / "python")
        executable(tmp_path / "bin" / "comet")
        started("x/__main__.py", "python", executable=venv, path=tmp_path / "bin")
        assert script_line("comet", "login") == "comet login"

    def test_that_is_not_there_keeps_its_name(self, started, tmp_path):
        venv = executable(tmp_path / "bin" / "python")
        started("x/__main__.py", str(venv), executable=venv)
        assert script_line("comet", "login") == "comet login"


def test_an_extra_is_installed_for_this_python():
    assert install_line("ray") == python_line("-m", "pip", "install", "steelexp[ray]")


def test_what_is_printed_runs():
    words = shlex.split(command_line("--version"))
    assert subprocess.run(words, check=True, capture_output=True).stdout
    words = shlex.split(python_line("-c", "print(1 + 1)"))
    assert subprocess.run(words, check=True, capture_output=True).stdout == b"2\n"


def test_words_are_quoted():
    assert command_line("show", Path("my runs/a")) == f"{program()} show 'my runs/a'"


def test_the_default_folder_of_runs_is_not_named():
    assert runs_words(Path("runs")) == []
    assert runs_words(Path("my runs")) == ["--runs", "my runs"]


class TestAgain:
    def test_names_fresh_because_the_run_is_finished(self, tmp_path):
        spec = tmp_path / "a.yaml"
        spec.touch()
        command = lines.recorded("run", spec, "seed=1", "--runs", "elsewhere")
        assert command == f"steelexp run {spec} seed=1 --runs elsewhere"
        message = again_line(command, Path("elsewhere/a/1"))
        assert message == f"{program()} run {spec} seed=1 --runs elsewhere --fresh"

    def test_reproduces_a_run_whose_spec_is_not_here(self):
        message = again_line("steelexp run no/where.yaml", Path("runs/a/1"))
        assert message == f"{program()} reproduce runs/a/1"


HOSTILE_WORDS = [
    "plain",
    "two words",
    "it's",
    "$(touch x) `y` !z",
    "a\nb",
    "\x1b[2J",
    "\x071'\\",
    "a\u202eb",
    "tab\tquote'",
    "\udcff not UTF-8",
    "\x80\x85\u2028 strange ends",
    "\x01é",
]


class TestShellWord:
    def test_gives_the_shell_the_word_and_prints_as_a_line(self):
        line = " ".join(map(shell_word, HOSTILE_WORDS))
        assert line.isprintable()
        done = subprocess.run(
            ["bash", "--norc", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True
        )
        assert done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == HOSTILE_WORDS

    def test_a_path_is_no_option(self):
        assert shell_word(Path("-rf")) == "./-rf"
        assert shell_word("--runs") == "--runs"
        assert runs_words(Path("-x")) == ["--runs", "./-x"]
        assert command_line("show", Path("-x y")).endswith("show './-x y'")


def test_a_recorded_command_that_was_damaged_is_not_repeated(tmp_path):
    assert again_line("steelexp run 'a.yaml", tmp_path) == command_line("reproduce", tmp_path)
    hostile = again_line(f"steelexp run {tmp_path} ; rm -rf $(x)", tmp_path)
    assert hostile.endswith(f"run {tmp_path} ';' rm -rf '$(x)' --fresh")


class TestPublicLine:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        folder = tmp_path / "the home"
        folder.mkdir()
        monkeypatch.setenv("HOME", str(folder))
        return folder

    @pytest.mark.parametrize(
        "word",
        [
            "{}/a.yaml",
            "{}/my runs/a",
            "data.root={}/x",
            "data.root={}/it's",
            "plain",
            "two words",
            "",
        ],
    )
    def test_a_shell_reads_it_as_it_was(self, home, word):
        line = lines.recorded("run", word.format(home), "seed=1")
        assert str(home) not in line
        command = f"printf '%s\\n' {line}"
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout == f"steelexp\nrun\n{word.format(home)}\nseed=1\n"

    def test_secrets_are_hidden(self):
        line = lines.recorded("run", "a.yaml", "tracking.api_key=abcdef")
        assert line == "steelexp run a.yaml tracking.api_key=***"

    def test_it_is_found_again(self, home):
        (home / "a.yaml").write_text("")
        line = lines.recorded("run", home / "a.yaml")
        again = lines.again_line(line, home / "runs" / "a" / "1")
        assert again == lines.command_line("run", home / "a.yaml", "--fresh")
