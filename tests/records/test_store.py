import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.command_line import command_line
from steelexp.errors import UserError
from steelexp.records import atomic
from steelexp.records.document import write_document
from steelexp.records.jsonl import JsonLines
from steelexp.records.run_file import way_out
from steelexp.records.store import BusyError, Epoch, RunFolder, read_epochs, run_folders, walk
from tests.finished_runs import finished, record, unfinished

ROOT = Path(__file__).parents[2]
FIRST = Epoch(1, step=10, seconds=2.5, metrics={"loss": 0.5, "val_dice_positive/1": 0.25})
SECOND = Epoch(2, step=20, seconds=2.25, metrics={"loss": 0.375, "val_dice_positive/1": 0.5})
THIRD = Epoch(3, step=30, seconds=2.0, metrics={"loss": 0.25})


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "b4_dice" / "3f9c1a7e")


def lines_of(*epochs):
    """What the file holds of epochs that were appended in this order."""
    text, check = "", ""
    for epoch in epochs:
        body = json.dumps(asdict(epoch))[:-1] + ", "
        check = xxhash.xxh3_64_hexdigest(f"{check} {body}".encode())
        text += f'{body}"check": "{check}"}}\n'
    return text


ONE = len(lines_of(FIRST))
TWO = len(lines_of(FIRST, SECOND))


class TestEpochs:
    @pytest.fixture
    def file(self, folder):
        folder.path.mkdir(parents=True)
        return folder.path / "epochs.jsonl"

    def test_are_none_at_first(self, folder):
        assert folder.epochs == []

    def test_come_back_as_they_were(self, folder, file):
        for epoch in (FIRST, SECOND, THIRD):
            folder.append(epoch)
        assert folder.epochs == read_epochs(folder.path) == [FIRST, SECOND, THIRD]
        assert file.read_text() == lines_of(FIRST, SECOND, THIRD)

    @settings(deadline=None, max_examples=30)
    @given(
        st.lists(
            st.tuples(
                st.integers(0),
                st.floats(0, 1e6),
                st.dictionaries(st.text(), st.floats(allow_nan=False)),
            ),
            max_size=4,
        )
    )
    def test_append_and_read_are_inverse(self, tmp_path_factory, values):
        folder = RunFolder(tmp_path_factory.mktemp("run"))
        epochs = [Epoch(number, *each) for number, each in enumerate(values, start=1)]
        for epoch in epochs:
            folder.append(epoch)
        assert folder.epochs == epochs

    @pytest.mark.parametrize("second", [FIRST, THIRD])
    def test_an_epoch_twice_or_left_out_is_said(self, folder, file, second):
        folder.append(FIRST)
        folder.append(second)
        said = rf":2: not an epoch \(epoch {second.epoch} after 1\); "
        with pytest.raises(UserError, match=said):
            folder.epochs  # noqa: B018

    @pytest.mark.parametrize("cut", range(ONE, TWO))
    def test_a_kill_anywhere_in_a_line_costs_that_line_alone(self, folder, file, cut):
        file.write_text(lines_of(FIRST, SECOND)[:cut])
        assert folder.epochs == [FIRST]
        folder.append(SECOND)
        folder.append(THIRD)
        assert folder.epochs == [FIRST, SECOND, THIRD]
        assert file.read_text() == lines_of(FIRST, SECOND, THIRD)

    def test_several_kills(self, folder, file):
        file.write_text(lines_of(FIRST)[:20])
        folder.append(FIRST)
        file.write_text(file.read_text() + lines_of(FIRST, SECOND)[ONE:][:30])
        folder.append(SECOND)
        assert folder.epochs == [FIRST, SECOND]

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "Expecting value"),
            ("{]", "Expecting property name"),
            ("5", "int in place of an object"),
            ("null", "NoneType in place of an object"),
            ("[]", "list in place of an object"),
            ("{}", "unknown or missing: 'check'"),
            (lines_of(SECOND), "it does not go on from the line before"),
        ],
    )
    def test_a_whole_line_that_is_none_is_said(self, folder, file, text, reason):
        file.write_text(lines_of(FIRST) + text.rstrip() + "\n" + lines_of(THIRD))
        with pytest.raises(UserError) as caught:
            read_epochs(folder.path)
        assert str(caught.value).startswith(f"{file}:2: not an epoch ({reason}")

    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({}, "epoch: Field required"),
            ({"epoch": 1}, "step: Field required"),
            (asdict(FIRST) | {"step": "many"}, "step: Input should be a valid integer"),
            (asdict(FIRST) | {"metrics": {"loss": None}}, "metrics.loss: Input should be a valid"),
        ],
    )
    def test_a_line_of_other_values_is_said(self, folder, file, values, reason):
        JsonLines(file, parse=dict, noun="", fix="").append(values)
        with pytest.raises(UserError) as caught:
            read_epochs(folder.path)
        assert str(caught.value).startswith(f"{file}:1: not an epoch ({reason}")


class TestRecord:
    def test_is_none_before_the_end(self, folder):
        assert folder.record is None
        assert not folder.is_finished

    def test_comes_back(self, folder):
        finished(folder.path)
        assert folder.record == record()
        assert folder.is_finished

    def test_has_the_hashes_of_what_came_out(self, folder):
        unfinished(folder.path)
        folder.append(FIRST)
        folder.write("evaluation.json", "{}")
        folder.write("notes.txt", "of nobody")
        made = folder.finish(record())
        assert made.files == {
            name: xxhash.xxh3_128_hexdigest((folder.path / name).read_bytes())
            for name in ("epochs.jsonl", "evaluation.json")
        }
        assert folder.record == made

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "not a record (Expecting value"),
            ('{"name": "b4', "not a record (Unterminated string"),
            ("{}", "no schema_version"),
            ("[]", "not a record (list in place of an object)"),
            (b"\xff", "not a record ('utf-8' codec can't decode"),
            ('{"schema_version": 4}', "damaged: its checksum is missing"),
        ],
    )
    def test_that_is_none_is_said(self, folder, text, reason):
        file = folder.write("record.json", "")
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UserError) as caught:
            folder.record  # noqa: B018
        assert str(caught.value).startswith(f"{file}: {reason}")
        assert folder.is_finished

    def test_with_another_field_is_said(self, folder):
        unfinished(folder.path)
        write_document(folder.path / "record.json", record().model_dump() | {"loss": 0.1})
        with pytest.raises(UserError, match=r"record\.json: not a record \(loss: Extra inputs"):
            folder.record  # noqa: B018

    def test_of_another_version(self, folder):
        finished(folder.path)
        write_document(folder.path / "record.json", record().model_dump() | {"schema_version": 2})
        with pytest.raises(UserError, match=r"schema_version 2, and this version .* reads 4"):
            folder.record  # noqa: B018

    def test_of_another_run(self, folder):
        unfinished(folder.path, "3f9c1a7e")
        folder.finish(record(digest="0b5e77d2"))
        with pytest.raises(UserError) as caught:
            folder.record  # noqa: B018
        assert str(caught.value) == (
            f"{folder.path / 'record.json'}: of the run 0b5e77d2, and run.json is of 3f9c1a7e; "
            "restore the files of one run, or remove the file of another run and go on: "
            f"{command_line('run', folder.path)}"
        )

    def test_without_the_description_of_its_run(self, folder):
        folder.finish(record())
        with pytest.raises(UserError, match=r"of the run 3f9c1a7e, and run\.json is missing"):
            folder.record  # noqa: B018


class TestFile:
    def test_is_the_path_of_what_the_run_wrote(self, folder):
        finished(folder.path)
        assert folder.file("spec.yaml") == folder.path / "spec.yaml"
        assert folder.is_whole("spec.yaml")

    @pytest.mark.parametrize("is_finished", [False, True])
    def test_that_describes_the_run_and_was_changed(self, folder, is_finished):
        (finished if is_finished else unfinished)(folder.path)
        file = folder.path / "spec.yaml"
        file.write_text(file.read_text().replace("seed: 42", "seed: 43"))
        with pytest.raises(UserError) as caught:
            folder.file("spec.yaml")
        assert str(caught.value) == (
            f"{file}: damaged: it is not what the run wrote; {way_out(folder.path)}"
        )
        assert not folder.is_whole("spec.yaml")

    def test_that_describes_the_run_and_is_lost(self, folder):
        unfinished(folder.path)
        (folder.path / "spec.yaml").unlink()
        with pytest.raises(UserError, match=r"spec\.yaml: .*let the run write it anew"):
            folder.file("spec.yaml")
        assert not folder.is_whole("spec.yaml")

    def test_that_came_out_and_was_changed(self, folder):
        unfinished(folder.path)
        folder.write("evaluation.json", "{}")
        folder.finish(record())
        assert folder.is_whole("evaluation.json")
        folder.write("evaluation.json", "[]")
        with pytest.raises(UserError) as caught:
            folder.file("evaluation.json")
        assert str(caught.value) == (
            f"{folder.path / 'evaluation.json'}: damaged: it is not what the run wrote; evaluate "
            f"the run again: {command_line('evaluate', folder.path)}"
        )

    def test_of_epochs_that_a_finished_run_lost(self, folder):
        unfinished(folder.path)
        for epoch in (FIRST, SECOND):
            folder.append(epoch)
        folder.finish(record())
        whole = folder.epochs_file.read_bytes()
        assert folder.epochs == [FIRST, SECOND]
        folder.epochs_file.write_bytes(whole[: whole.index(b"\n") + 1])
        with pytest.raises(UserError, match=r"epochs\.jsonl: damaged: .*let the run write it anew"):
            folder.epochs  # noqa: B018


class TestDescribe:
    TEXTS: ClassVar = {"spec.yaml": "name: b4\n", "split.csv": "a.jpg,train\n"}

    def texts(self, folder):
        return {name: (folder.path / name).read_text() for name in self.TEXTS}

    def test_writes_the_files_and_whose_they_are(self, folder):
        folder.describe("3f9c1a7e", self.TEXTS)
        assert self.texts(folder) == self.TEXTS
        assert folder.digest == "3f9c1a7e"
        assert all(map(folder.is_whole, self.TEXTS))

    def test_leaves_what_is_whole(self, folder, capsys):
        folder.describe("3f9c1a7e", self.TEXTS)
        folder.describe("3f9c1a7e", dict.fromkeys(self.TEXTS, "of a later version"))
        assert self.texts(folder) == self.TEXTS
        assert capsys.readouterr().err == ""

    def test_writes_what_is_damaged_again_and_says_so(self, folder, capsys):
        folder.describe("3f9c1a7e", self.TEXTS)
        folder.write("split.csv", "a.jpg,test\n")
        folder.describe("3f9c1a7e", self.TEXTS)
        assert self.texts(folder) == self.TEXTS
        said = capsys.readouterr()
        assert said.out + said.err == f"{folder.path / 'split.csv'}: damaged; written again\n"

    def test_writes_all_again_where_nothing_says_whose_they_are(self, folder, capsys):
        folder.describe("3f9c1a7e", self.TEXTS)
        folder.write("run.json", "{")
        folder.write("split.csv", "a.jpg,test\n")
        folder.describe("3f9c1a7e", self.TEXTS)
        assert self.texts(folder) == self.TEXTS
        assert folder.digest == "3f9c1a7e"
        said = capsys.readouterr()
        assert "run.json: not the description of a run" in said.out + said.err

    def test_says_whether_it_has_anything_to_write(self, folder):
        assert not folder.is_described("3f9c1a7e", self.TEXTS)
        folder.describe("3f9c1a7e", self.TEXTS)
        assert folder.is_described("3f9c1a7e", self.TEXTS)
        assert not folder.is_described("0b5e77d2", self.TEXTS)
        assert not folder.is_described("3f9c1a7e", ["images.csv"])
        folder.write("split.csv", "a.jpg,test\n")
        assert not folder.is_described("3f9c1a7e", self.TEXTS)
        folder.write("run.json", "{")
        assert not folder.is_described("3f9c1a7e", self.TEXTS)

    def test_of_another_run_writes_all(self, folder):
        folder.describe("3f9c1a7e", self.TEXTS)
        others = dict.fromkeys(self.TEXTS, "other")
        folder.describe("0b5e77d2", others)
        assert self.texts(folder) == others
        assert folder.digest == "0b5e77d2"


HOLD = (
    "import sys; from pathlib import Path; from steelexp.records.store import RunFolder\n"
    "with RunFolder(Path(sys.argv[1])).hold():\n"
    "    print('held', flush=True); sys.stdin.read(1)\n"
    "print('free', flush=True); sys.stdin.read()\n"
)


class TestHold:
    @pytest.fixture
    def holder(self, folder):
        """Another process that holds the folder until a byte comes."""
        command = [sys.executable, "-c", HOLD, str(folder.path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
            assert process.stdout.readline() == b"held\n"
            yield process
            process.kill()

    def refused(self, folder):
        with pytest.raises(BusyError) as caught, folder.hold():
            pytest.fail("two hold it")
        assert str(caught.value) == (
            f"{folder.path}: another process is running this experiment; wait for it or stop it"
        )

    def test_keeps_another_process_out_until_let_go(self, folder, holder):
        self.refused(folder)
        holder.stdin.write(b"x")
        holder.stdin.flush()
        assert holder.stdout.readline() == b"free\n"
        with folder.hold():
            assert holder.poll() is None  # let go, and not ended

    def test_ends_with_its_process(self, folder, holder):
        self.refused(folder)
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with folder.hold():
            pass

    def test_keeps_this_process_out_too(self, folder):
        with folder.hold():
            self.refused(folder)
        with folder.hold():
            pass

    def test_ends_with_an_error(self, folder):
        with pytest.raises(ZeroDivisionError), folder.hold():
            raise ZeroDivisionError
        with folder.hold():
            pass

    def test_writes_the_name_of_a_new_folder_through(self, tmp_path, monkeypatch):
        synced = []
        monkeypatch.setattr(atomic, "sync", synced.append)
        with RunFolder(tmp_path / "runs" / "b4" / "3f9c1a7e").hold():
            assert synced == [tmp_path, tmp_path / "runs", tmp_path / "runs" / "b4"]

    def test_keeps_the_folder_from_being_set_aside(self, folder, holder):
        with pytest.raises(BusyError):
            folder.set_aside()
        assert folder.path.is_dir()
        assert [path.name for path in folder.path.parent.iterdir()] == ["3f9c1a7e"]


class TestSetAside:
    def test_of_nothing_is_nothing(self, folder):
        assert folder.set_aside() is None
        assert not folder.path.parent.exists()

    def test_never_overwrites(self, folder):
        kept = []
        for number in range(3):
            folder.write("spec.yaml", str(number))
            kept.append(folder.set_aside())
            assert not folder.path.exists()
        assert [path.name for path in kept] == [f"3f9c1a7e.old-{n}" for n in (1, 2, 3)]
        assert [(path / "spec.yaml").read_text() for path in kept] == ["0", "1", "2"]

    def test_passes_over_the_numbers_that_are_taken(self, folder):
        taken = folder.path.with_name("3f9c1a7e.old-1")
        taken.mkdir(parents=True)
        folder.write("spec.yaml", "new")
        assert folder.set_aside() == folder.path.with_name("3f9c1a7e.old-2")
        assert list(taken.iterdir()) == []


class TestRunFolders:
    @pytest.fixture
    def runs(self, tmp_path):
        for name in ("b/2", "a/1", "b/1", "b/1.old-1", "deep/er/c/3"):
            RunFolder(tmp_path / name).write("spec.yaml", "name: x\n")
        (tmp_path / "a" / "1" / "weights").mkdir()
        (tmp_path / "empty" / "4").mkdir(parents=True)
        return tmp_path

    def test_are_found_at_any_depth_in_order(self, runs):
        found = [folder.path.relative_to(runs).as_posix() for folder in run_folders(runs)]
        assert found == ["a/1", "b/1", "b/2", "deep/er/c/3"]

    def test_nothing_within_a_run_is_looked_at(self, runs, monkeypatch):
        (runs / "a" / "1" / "epochs.jsonl").touch()
        visited = [path.relative_to(runs).as_posix() for path, _ in walk(runs)]
        assert "a/1" in visited
        assert "a/1/weights" not in visited

    def test_a_stray_spec_hides_no_runs_below_it(self, runs):
        (runs / "b" / "spec.yaml").write_text("name: x\n")
        found = [folder.path.relative_to(runs).as_posix() for folder in run_folders(runs)]
        assert found == ["a/1", "b", "b/1", "b/2", "deep/er/c/3"]

    @pytest.mark.parametrize("name", ["a/1", "b/1.old-1"])
    def test_a_run_is_itself(self, runs, name):
        assert list(run_folders(runs / name)) == [RunFolder(runs / name)]

    @pytest.mark.parametrize("name", ["empty", "absent", "a/1/spec.yaml"])
    def test_elsewhere_are_none(self, runs, name):
        assert list(run_folders(runs / name)) == []


def test_text_is_written_as_utf_8(folder):
    assert folder.write("spec.yaml", "Schäden 0x\u263a\n").read_bytes() == "Schäden 0x☺\n".encode()


def test_places(folder):
    place = folder.path
    assert folder.last_weights == place / "weights" / "last.h5"
    assert folder.best_weights == place / "weights" / "best.h5"
    assert folder.overlay(7, "0002cc93b.jpg") == place / "overlays" / "epoch_007" / "0002cc93b.png"
    assert folder.overlay(7, "line1/a.b.jpg").name == "line1__a.b.png"
