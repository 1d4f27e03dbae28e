import json
import os
import resource
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from steelexp import __version__
from steelexp.__main__ import main
from steelexp.command_line import program, python_line
from steelexp.commands import COMMANDS, crash_log
from steelexp.data.dataset import DataError
from steelexp.model.losses import LOSSES
from steelexp.records.store import BusyError, Epoch
from steelexp.training.fit import DivergedError
from tests.finished_runs import METRICS, finished, reseal, unfinished
from tests.simulated_searches import THREE_TRIALS, write_search

ROOT = Path(__file__).parents[1]
SHIPPED = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("experiments/**/*.yaml"))
SPEC = """\
name: good
data: {source: severstal, root: absent}
split: {kind: random}
tiling: {kind: columns}
model: {architecture: unet, backbone: mobilenet, weights: none}
loss: {name: dice}
optimizer: {name: adam}
training: {epochs: 2, batch_size: 4}
tracking: {name: none}
seed: 1
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with good.yaml and bad.yaml in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text(SPEC)
    (tmp_path / "bad.yaml").write_text("extends: good.yaml\nseed: -1\n")
    return tmp_path


@pytest.fixture
def steelexp(capsys):
    """Run the command in this process: exit code, lines of stdout, lines of stderr."""

    def run(*arguments):
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


class TestCheck:
    def test_shipped_specs(self, steelexp, monkeypatch):
        monkeypatch.chdir(ROOT)
        monkeypatch.setenv("STEELEXP_SEVERSTAL", "no/such/folder")
        code, out, err = steelexp("check", "experiments")
        assert (code, err) == (0, [])
        lines = [line for line in out if not line.endswith("; dropped")]  # inherited settings
        assert [line.partition(":")[0] for line in lines] == SHIPPED
        assert "experiments/b4_dice.yaml: ok (its data is not at no/such/folder)" in out

    def test_of_several_says_everything_that_is_wrong(self, steelexp, folder):
        (folder / "worse.yaml").write_text("extends: good.yaml\nloss: {name: dise}\n")
        assert steelexp("check", "bad.yaml", "good.yaml", "worse.yaml") == (
            2,
            ["good.yaml: ok (its data is not at absent)"],
            [
                "steelexp: these specs cannot be used:",
                "bad.yaml:2: seed: -1: input should be greater than or equal to 0",
                (
                    f"worse.yaml:2: loss.name: 'dise' is not known; allowed: {', '.join(LOSSES)}; "
                    "did you mean dice?"
                ),
            ],
        )

    def test_data_are_read_when_asked_for(self, steelexp, folder):
        before = files(folder)
        code, out, err = steelexp("check", "--data", "good.yaml")
        assert (code, out, err[0]) == (2, [], "steelexp: these specs cannot be used:")
        assert err[1].startswith("data.root: there is no folder absent; ")
        assert files(folder) == before

    def test_specs_may_follow_an_option(self, steelexp, folder):
        code, _, err = steelexp("check", "good.yaml", "--data", "bad.yaml")
        assert code == 2
        assert [line.partition(":")[0] for line in err[1:]] == ["data.root", "bad.yaml"]

    @pytest.mark.parametrize(
        ("word", "message"),
        [
            ("absent.yaml", "absent.yaml: no such spec or folder; the shipped ones: experiments/"),
            ("empty", "empty: no .yaml below this folder"),
            ("seed=1", "seed=1: no such spec or folder; the shipped ones: experiments/"),
        ],
    )
    def test_what_is_no_spec(self, steelexp, folder, word, message):
        (folder / "empty").mkdir()
        assert steelexp("check", word) == (2, [], [f"steelexp: {message}"])


class TestRun:
    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            ([], "data.root: there is no folder absent; download the competition's data from "),
            (
                ["data={source: mask_folder, root: absent, classes: [pit]}"],
                "data.images: there is no folder absent/images; set data.root or data.images",
            ),
            (["data.root=."], "data.root: . is not Severstal's folder: it lacks train.csv and "),
        ],
    )
    def test_without_its_data_says_so_and_writes_nothing(
        self, steelexp, folder, overrides, message
    ):
        before = files(folder)
        code, out, err = steelexp("run", "good.yaml", *overrides)
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith(f"steelexp: {message}")
        assert files(folder) == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["bad.yaml"], "bad.yaml:2: seed: -1: input should be greater than or equal to 0"),
            (["seed=1"], "no spec was named; for example: experiments/quickstart.yaml"),
            (
                ["good.yaml", "tiling.size=100"],
                "argument 'tiling.size=100': tiling.size: 100: input should be a multiple of 32",
            ),
            (
                ["good.yaml", "--seeds", "0,x"],
                "argument 'seed=x': seed: 'x': input should be a valid integer",
            ),
            (
                ["good.yaml", "--seeds", ""],
                "argument 'seed=': seed: None: input should be a valid integer",
            ),
        ],
    )
    def test_wrong_requests(self, steelexp, folder, arguments, message):
        assert steelexp("run", *arguments) == (2, [], [f"steelexp: {message}"])

    def test_nothing_is_run_when_one_spec_of_several_is_wrong(self, steelexp, folder, monkeypatch):
        monkeypatch.setattr(
            "steelexp.commands.extended_plan.prepare", lambda spec, runs: pytest.fail("begun")
        )
        code, out, err = steelexp("run", "good.yaml", "bad.yaml")
        assert (code, out, len(err)) == (2, [], 1)

    def test_a_problem_of_all_seeds_is_said_once(self, steelexp, folder):
        _, _, err = steelexp("run", "good.yaml", "--seeds", "1,2,3", "loss.name=dise")
        assert len(err) == 1

    @pytest.fixture
    def prepared(self, monkeypatch):
        """Name and seed of every spec that is begun; none goes on."""
        started = []

        def prepare(spec, runs):
            started.append((spec.name, spec.seed, spec.training.epochs, str(runs)))
            raise DataError("no data")

        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
        return started

    def test_every_spec_with_every_seed(self, steelexp, folder, prepared):
        (folder / "more" / "deep").mkdir(parents=True)
        (folder / "more" / "b.yaml").write_text("extends: ../good.yaml\nname: b\n")
        (folder / "more" / "deep" / "a.yaml").write_text("extends: ../b.yaml\nname: a\n")
        code, out, err = steelexp(
            "run", "good.yaml", "--runs", "elsewhere", "training.epochs=9", "--seeds", "7,8", "more"
        )
        assert prepared == [
            (name, seed, 9, "elsewhere") for name in ("good", "b", "a") for seed in (7, 8)
        ]
        assert code == 1  # some were tried
        assert err[0] == "steelexp: good, seed 7: no data"
        assert len(err) == 6
        assert out[0] == "--- 1 of 6: good, seed 7"
        assert out[-1] == "0 of 6 runs are finished in elsewhere"

    @pytest.mark.parametrize(
        ("error", "code", "message"),
        [
            (BusyError("runs/x: another process"), 2, "steelexp: runs/x: another process"),
            (DivergedError("the loss is nan"), 1, "steelexp: good, seed 1: the loss is nan"),
            (KeyboardInterrupt(), 130, "steelexp: stopped; the same command goes on from here"),
        ],
    )
    def test_exit_codes(self, steelexp, folder, monkeypatch, error, code, message):
        def prepare(spec, runs):
            raise error

        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
        result, out, err = steelexp("run", "good.yaml")
        assert (result, out, [line for line in err if line]) == (code, [], [message])

    def test_a_bug_is_one_line_and_its_traceback_a_file(self, steelexp, folder, monkeypatch):
        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", lambda spec, runs: {}["bug"])
        code, out, err = steelexp("run", "good.yaml")
        (log,) = folder.glob("steelexp-error-*.log")
        assert (code, out) == (3, [])
        message = (
            f"this is a bug (KeyError: 'bug'); the traceback is in {log.name}, please report it"
        )
        assert err == [f"steelexp: {message}"]
        text = log.read_text()
        assert "Traceback (most recent call last)" in text
        assert text.endswith("KeyError: 'bug'\n")

    def test_a_system_error_that_nobody_foresaw_names_its_path(self, steelexp, folder, monkeypatch):
        monkeypatch.setattr(
            "steelexp.commands.extended_plan.prepare",
            lambda spec, runs: open("no/where"),  # noqa: PTH123, SIM115
        )
        code, out, err = steelexp("run", "good.yaml")
        (log,) = folder.glob("steelexp-error-*.log")
        message = f"no/where: No such file or directory; the traceback is in {log.name}"
        assert (code, out, err) == (3, [], [f"steelexp: {message}"])

    def test_the_log_lies_elsewhere_where_the_working_directory_takes_none(
        self, steelexp, folder, monkeypatch
    ):
        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", lambda spec, runs: {}["bug"])
        monkeypatch.setattr(crash_log.tempfile, "gettempdir", lambda: str(folder))
        words = ["run", str(folder / "good.yaml")]
        monkeypatch.chdir("/proc/self")
        _, _, err = steelexp(*words)
        (log,) = folder.glob("steelexp-error-*.log")
        assert f"the traceback is in {log}, please" in err[0]

    def test_a_run_folder_that_cannot_be_written(self, steelexp, folder, monkeypatch):
        def prepare(spec, runs):
            runs.mkdir()

        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
        message = (
            "/proc/none: cannot be written: No such file or directory; choose another folder with "
            "--runs"
        )
        assert steelexp("run", "good.yaml", "--runs", "/proc/none") == (
            2,
            [],
            [f"steelexp: {message}"],
        )


class TestList:
    def test_the_leaderboard(self, steelexp, tmp_path):
        finished(tmp_path / "b4_dice" / "3f9c1a7e")
        finished(tmp_path / "b4_focal" / "00c0ffee", metrics=METRICS | {"val_dice_positive": 0.9})
        code, out, err = steelexp("list", str(tmp_path))
        assert (code, err) == (0, [])
        order = [line.split()[1] for line in out if line.startswith("│")]
        assert order == ["b4_focal/00c0ffee", "b4_dice/3f9c1a7e"]

    @pytest.mark.parametrize("name", [".", "absent"])
    def test_of_no_runs(self, steelexp, folder, name):
        message = [f"steelexp: {name}: no runs here; make one: make run"]
        assert steelexp("list", name) == (2, [], message)


class TestShow:
    def test_a_finished_run(self, steelexp, tmp_path):
        run = finished(tmp_path / "b4_dice" / "3f9c1a7e")
        code, out, err = steelexp("show", str(run.path))
        assert (code, err) == (0, [])
        assert out[0].rstrip() == "b4_dice 3f9c1a7e, val images"
        assert f"Run folder: {run.path}" in out
        assert out[-1] == f"Again: {program()} run experiments/b4_dice.yaml --fresh"
        assert steelexp("show", str(tmp_path)) == (0, out, [])  # the only one below

    def test_an_unfinished_run(self, steelexp, tmp_path):
        run = unfinished(tmp_path / "1")
        run.append(Epoch(1, step=10, seconds=1.0, metrics={}))
        run.append(Epoch(2, step=20, seconds=1.0, metrics={}))
        message = [f"{run.path}: unfinished, 2 epochs; go on with: {run.go_on}"]
        assert steelexp("show", str(run.path)) == (0, message, [])

    def test_a_search(self, steelexp, tmp_path):
        write_search(tmp_path, THREE_TRIALS)
        code, out, err = steelexp("show", str(tmp_path))
        assert (code, err) == (0, [])
        assert out[0].rstrip() == "b4: 3 trials, running"
        assert out[-1] == f"Figures: {python_line('-m', 'analysis.search_history', tmp_path)}"

    def test_one_of_several(self, steelexp, folder):
        for name in ("a", "b"):
            finished(Path("runs") / name)
        message = ["steelexp: runs: one run folder is expected; here: runs/a, runs/b"]
        assert steelexp("show", "runs") == (2, [], message)
        assert steelexp("show", "x") == (2, [], ["steelexp: x: one run folder is expected"])

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("record.json", "{", "runs/a/record.json: not a record ("),
            ("record.json", "{}", "runs/a/record.json: no schema_version, and this version of"),
            ("run.json", "{", "runs/a/run.json: not the description of a run ("),
            ("spec.yaml", "name: a", "runs/a/spec.yaml: damaged: it is not what the run wrote; "),
        ],
    )
    def test_a_damaged_run(self, steelexp, folder, name, text, message):
        finished(Path("runs/a")).write(name, text)
        code, out, err = steelexp("show", "runs/a")
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith(f"steelexp: {message}")

    def test_a_run_of_another_spec(self, steelexp, folder):
        finished(Path("runs/a")).write("spec.yaml", "name: a")
        reseal(Path("runs/a"))
        code, out, err = steelexp("show", "runs/a")
        assert (code, out, len(err)) == (2, [], 1)
        assert err[0].startswith("steelexp: runs/a/spec.yaml: not a spec that this version wrote (")


class TestDraw:
    def test_a_set_that_severstals_loader_reads(self, steelexp, tmp_path):
        root = tmp_path / "drawn"
        code, out, err = steelexp("data", "generate", str(root), "--strips", "3", "--seed", "5")
        assert (code, err) == (0, [])
        assert out == [
            f"Generating 4 strips in {root}, about 0 MB, once",
            f"{root}: 3 images; use it with data.source=severstal data.root={root}",
        ]
        assert len(list((root / "train_images").iterdir())) == 3
        assert json.loads((root / "generator.json").read_text())["seed"] == 5

    @pytest.mark.parametrize(
        ("option", "value", "message"),
        [
            ("--strips", "0", "strips: 0 is less than 1"),
            ("--seed", "-1", "seed: -1 is less than 0"),
            ("--rarity", "1.5", "rarity: 1.5 is not between 0 and 1"),
        ],
    )
    def test_wrong_settings(self, steelexp, tmp_path, option, value, message):
        root = tmp_path / "drawn"
        code, _, err = steelexp("data", "generate", str(root), option, value)
        assert (code, err) == (2, [f"steelexp: {message}"])
        assert list(tmp_path.iterdir()) == []


class TestPlacesThatCannotBeWritten:
    @pytest.mark.parametrize(
        ("words", "fix"),
        [
            (
                ["data", "generate", "/proc/none/a", "--strips", "1"],
                "choose another folder with data.",
            ),
            (["report", "runs", "--out", "/proc/none/a"], "choose another file with --out"),
        ],
    )
    def test_are_named_with_the_way_out(self, steelexp, folder, words, fix):
        finished(folder / "runs" / "a")
        code, _, err = steelexp(*words)
        why = "/proc/none: cannot be written: No such file or directory"
        assert (code, len(err)) == (2, 1)
        assert err[0].startswith(f"steelexp: {why}; {fix}")


class TestBrokenPipe:
    """`steelexp list | head -1` ends quietly, with the shell's exit code for a broken pipe."""

    @pytest.mark.parametrize("words", [["list", "."], ["schema"]])
    def test_of_a_reader_that_has_gone(self, tmp_path, words):
        finished(tmp_path / "b4_dice" / "3f9c1a7e")
        read, write = os.pipe()
        os.close(read)
        command = [sys.executable, "-m", "steelexp", *words]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=write,
            stderr=subprocess.PIPE,
        )
        os.close(write)
        assert (done.returncode, done.stderr) == (141, b"")

    def test_of_another_pipe_is_a_bug(self, steelexp, folder, monkeypatch):
        def prepare(spec, runs):
            raise BrokenPipeError(32, "Broken pipe")

        monkeypatch.setattr("steelexp.commands.extended_plan.prepare", prepare)
        code, _, err = steelexp("run", "good.yaml")
        assert (code, len(err)) == (3, 1)
        assert err[0].startswith("steelexp: Broken pipe; the traceback is in ")


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "the following arguments are required: COMMAND"),
            (["train"], "invalid choice: 'train'"),
            (["run"], "the following arguments are required: SPEC|FOLDER|RUN|key=value"),
            (["run", "a.yaml", "--fast"], "unknown arguments: --fast"),
            (["list", "runs", "more"], "unknown arguments: more"),
            (["schema", "x"], "invalid choice: 'x'"),
            (["data"], "the following arguments are required: WHAT"),
        ],
    )
    def test_wrong_ones(self, capsys, arguments, message):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        err = capsys.readouterr().err
        assert err.startswith(f"usage: {program()}")
        assert message in err.splitlines()[-1]

    def test_version(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert (caught.value.code, capsys.readouterr().out) == (0, f"{__version__}\n")

    def test_the_installed_script_is_called_by_its_name(self, tmp_path, capsys, monkeypatch):
        scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
        script = tmp_path / "steelexp"
        script.touch(mode=0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "argv", [str(script), "check", "--help"])
        with pytest.raises(SystemExit) as caught:
            EntryPoint("steelexp", scripts["steelexp"], "console_scripts").load()()
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith("usage: steelexp check")

    def test_help_names_commands_examples_and_exit_codes(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["--help"])
        assert caught.value.code == 0
        out = capsys.readouterr().out
        for command in ("run", "check", "list", "show", "report", "schema", "data"):
            assert f"\n    {command} " in out
        assert f"{program()} run experiments/quickstart.yaml" in out
        assert "exit codes: 0 done, 1 a run failed, 2 the request was wrong" in out

    @pytest.mark.parametrize("command", COMMANDS)
    def test_every_command_has_help(self, capsys, command):
        with pytest.raises(SystemExit) as caught:
            main([command, "--help"])
        assert caught.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: {program()} {command}")


HEAVY = {
    "tensorflow",
    "keras",
    "tf_keras",
    "segmentation_models",
    "comet_ml",
    "matplotlib",
    "pandas",
    "pyarrow",
    "keras_tuner",
    "ray",
    "sklearn",
    "scipy",
    "h5py",
}
LIGHT = {
    "help": ["--help"],
    "check": ["check", *SHIPPED],
    "list": ["list", "RUNS"],
    "show": ["show", "RUNS/b4_dice"],
    "schema": ["schema"],
}


class TestStart:
    """Looking at specs and runs must not wait for TensorFlow."""

    @pytest.fixture
    def runs(self, tmp_path):
        finished(tmp_path / "b4_dice" / "3f9c1a7e")
        return tmp_path

    def start(self, runs, script, name):
        words = [word.replace("RUNS", str(runs)) for word in LIGHT.get(name, [])]
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done

    @pytest.mark.parametrize("name", LIGHT)
    def test_loads_nothing_heavy(self, runs, name):
        script = (
            "import runpy, sys\n"
            "try: runpy.run_module('steelexp', run_name='__main__', alter_sys=True)\n"
            f"except SystemExit as end: print(sorted({HEAVY} & set(sys.modules)), "
            "file=sys.stderr); sys.exit(end.code)"
        )
        done = self.start(runs, script, name)
        assert done.stdout != ""
        assert done.stderr == "[]\n"

    @pytest.mark.parametrize("words", [["--help"], ["--version"]])
    def test_help_loads_no_library(self, words):
        """Importing pydantic, NumPy and Rich would take four times as long as all the rest."""
        script = (
            "import runpy, sys\n"
            "try: runpy.run_module('steelexp', run_name='__main__', alter_sys=True)\n"
            "except SystemExit: print(sorted({'pydantic', 'numpy', 'rich', 'cv2', 'yaml'} & "
            "set(sys.modules)), file=sys.stderr)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=ROOT, capture_output=True, text=True
        )
        assert (done.stdout != "", done.stderr) == (True, "[]\n")

    def test_takes_little_more_than_its_libraries(self, runs):
        """At most six times the import of what it cannot do without: measured, 2.5 times.

        Importing TensorFlow would make it over twenty. Processor time, the best of three, because
        others use the machine too.
        """

        def best(script, name):
            spent = []
            for _ in range(3):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                self.start(runs, script, name)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            return min(spent)

        command = "from steelexp.__main__ import main; raise SystemExit(main())"
        assert best(command, "check") < 6 * best("import numpy, pydantic, cv2", "")


def test_python_m_steelexp_ends_with_the_exit_code(folder):
    done = subprocess.run(
        [sys.executable, "-m", "steelexp", "run", "good.yaml"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("steelexp: data.root: there is no folder absent; ")
    assert files(folder) == ["bad.yaml", "good.yaml"]
