import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import steelexp
from steelexp.cores import available_cores
from steelexp.errors import UserError
from steelexp.records import packages, provenance
from steelexp.records.checkout import Checkout
from steelexp.records.machine import VARIABLES
from steelexp.records.packages import computing_packages, other_packages
from steelexp.records.provenance import Code, environment, running_code, write_session
from steelexp.records.source import SUFFIXES, changed_files, source_files, source_hash
from steelexp.records.store import RunFolder

PACKAGE = Path(steelexp.__file__).parent


class TestSource:
    @pytest.fixture
    def package(self, tmp_path):
        (tmp_path / "p" / "templates").mkdir(parents=True)
        (tmp_path / "p" / "a.py").write_text("a = 1\n")
        (tmp_path / "p" / "templates" / "t.html").write_text("<p>")
        (tmp_path / "p" / ".env").write_text("API_KEY=1")
        (tmp_path / "p" / "a.pyc").write_bytes(b"x")
        return tmp_path / "p"

    def test_modules_and_templates_are_hashed_and_nothing_else(self, package):
        files = source_files(package)
        assert list(files) == ["p/a.py", "p/templates/t.html"]
        # sha256 of "a = 1\n", by sha256sum.
        assert files["p/a.py"].startswith("cb78bd8a17f7b751")

    def test_one_letter_is_noticed(self, package):
        before = source_files(package)
        (package / "a.py").write_text("a = 2\n")
        (package / "b.py").write_text("")
        (package / "templates" / "t.html").unlink()
        now = source_files(package)
        assert (
            source_hash(now) != source_hash(before) == source_hash(dict(reversed(before.items())))
        )
        assert changed_files(before, now) == [
            "p/a.py changed",
            "p/b.py added",
            "p/templates/t.html removed",
        ]

    def test_every_file_of_this_package_is_source(self):
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "steelexp"],
            cwd=PACKAGE.parent,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")[:-1]
        assert {Path(name).suffix for name in tracked} == set(SUFFIXES)


class TestPackages:
    def test_what_computes_is_recorded_with_what_it_requires(self):
        versions = computing_packages()
        assert versions["numpy"] == np.__version__
        assert {"tensorflow", "tf-keras", "keras", "ml-dtypes", "h5py"} <= set(versions)
        assert "comet-ml" in other_packages()
        assert not versions.keys() & other_packages().keys()

    def test_every_package_that_the_network_imports_is_known(self):
        """No package that computes is imported and not recorded."""
        code = (
            "import sys; from importlib import metadata;"
            "import steelexp.experiment, segmentation_models; from steelexp.lazy import tf, keras;"
            "tf.constant(1), keras.layers; names = metadata.packages_distributions();"
            "print(*{d for m in list(sys.modules) for d in names.get(m.split('.')[0], ())})"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        names = done.stdout.splitlines()[-1].split()
        imported = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        known = {*computing_packages(), *other_packages(), *packages.WITHOUT_EFFECT, "steelexp"}
        assert "tensorflow" in imported
        assert imported - known <= {"editables"}, "record them or list them as without effect"

    def test_a_package_that_is_not_there_has_no_version(self, monkeypatch):
        assert packages._closure(("numpy", "no-such-package"), ()) == {"numpy": np.__version__}


class TestEnvironment:
    def test_names_what_runs(self):
        found = environment()
        assert found["python"] == sys.version.split()[0]
        assert found["cores"] == available_cores()
        assert found["packages"]["numpy"] == np.__version__

    def test_cores_are_those_of_the_run_and_not_of_the_machine(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert environment()["cores"] == 1

    def test_variables_that_change_numbers(self, monkeypatch):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
        monkeypatch.setenv("MALLOC_TOP_PAD_", "1")
        assert environment()["variables"] == {"ONEDNN_MAX_CPU_ISA": "AVX2"}


class TestSessions:
    @pytest.fixture
    def code(self, monkeypatch):
        """A setter of the code that seems to run."""

        def run_as(**files: str) -> None:
            names = {f"steelexp/{name}.py": content for name, content in files.items()}
            monkeypatch.setattr(
                provenance, "running_code", lambda: Code(names, Checkout("c0ffee", "main", False))
            )

        return run_as

    def test_a_session_like_the_one_before_writes_nothing(self, tmp_path, code):
        folder = RunFolder(tmp_path)
        code(a="1")
        assert write_session(folder, {}) == []
        before = sorted(path.name for path in tmp_path.iterdir())
        assert before == ["changes.patch", "environment.json", "source.json"]
        assert write_session(folder, {}) == []
        assert sorted(path.name for path in tmp_path.iterdir()) == before
        assert provenance.sessions_changes(tmp_path) == []

    def test_other_code_is_said_and_kept(self, tmp_path, code):
        folder = RunFolder(tmp_path)
        code(a="1", b="1")
        write_session(folder, {})
        code(a="2", b="1")
        assert write_session(folder, {}) == ["code steelexp/a.py changed"]
        code(a="2", c="1")
        assert write_session(folder, {}) == ["code steelexp/b.py removed, steelexp/c.py added"]
        assert write_session(folder, {}) == []
        assert provenance.sessions_changes(tmp_path) == [
            ["code steelexp/a.py changed"],
            ["code steelexp/b.py removed, steelexp/c.py added"],
        ]
        facts = json.loads((tmp_path / "environment.json").read_text())
        assert facts["source"] == source_hash({"steelexp/a.py": "1", "steelexp/b.py": "1"})

    @pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b"\xff", b'{"cores": 1'])
    def test_a_damaged_file_is_not_taken_for_the_same(self, tmp_path, code, damage):
        folder = RunFolder(tmp_path)
        code(a="1")
        write_session(folder, {})
        (tmp_path / "environment.json").write_bytes(damage)
        with pytest.raises(UserError, match=r"environment\.json: (damaged|not UTF-8)"):
            provenance.read_facts(tmp_path / "environment.json")
        words = "environment.json of a session is damaged, so what changed is unknown"
        assert write_session(folder, {}) == [words]
        assert provenance.sessions_changes(tmp_path) == [[words]]

    def test_a_changed_fact_is_damage(self, tmp_path, code):
        code(a="1")
        write_session(RunFolder(tmp_path), {})
        for name in ("environment.json", "source.json"):
            text = (tmp_path / name).read_text()
            (tmp_path / name).write_text(text.replace("1", "2", 1))
        with pytest.raises(UserError, match="damaged"):
            provenance.read_facts(tmp_path / "environment.json")
        assert provenance.read_source_files(tmp_path / "source.json") is None


class TestWords:
    def test_unknown_is_never_clean(self):
        code = Code({}, Checkout(unknown="git diff took more than 20 seconds"))
        assert code.facts()["dirty"] is None
        assert code.facts()["git_unknown"] == "git diff took more than 20 seconds"
        assert "dirty" not in code.words()

    def test_of_a_changed_checkout(self):
        code = Code({}, Checkout("c0ffee", "main", True, "patch"))
        assert code.words() == {
            "version": steelexp.__version__,
            "commit": "c0ffee",
            "branch": "main",
            "dirty": "true",
        }

    def test_git_is_asked_once(self):
        assert running_code() is running_code()
