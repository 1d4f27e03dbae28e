"""The files around the package agree with one another: pins, bounds, README, Makefile, layers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUNTIME = [Requirement(text) for text in PROJECT["dependencies"]]
DEVELOPMENT = [Requirement(text) for text in PROJECT["optional-dependencies"]["dev"]]


def linux(python: str) -> dict[str, str]:
    """Return what markers are evaluated against."""
    return {
        **default_environment(),
        "python_version": python,
        "python_full_version": f"{python}.5",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
    }


def applies(requirement: Requirement, python: str) -> bool:
    """Say whether a requirement's marker holds on Linux with one Python."""
    return requirement.marker is None or requirement.marker.evaluate(linux(python))


def pins(lock: str, python: str) -> dict[str, str]:
    """Return name -> version of what a lock installs on Linux with one Python."""
    found: dict[str, str] = {}
    for line in re.findall(r"^(\w.*?==.*?) *\\?$", lock, flags=re.MULTILINE):
        requirement = Requirement(line)
        if applies(requirement, python):
            name = canonicalize_name(requirement.name)
            assert name not in found, f"the lock pins {name} twice for Python {python}"
            found[name] = str(requirement.specifier).removeprefix("==")
    return found


def unmet(requirements: list[Requirement], lock: str, python: str) -> list[str]:
    """Return the requirements that no pin of the lock satisfies."""
    pinned = pins(lock, python)
    missing = []
    for requirement in requirements:
        version = pinned.get(canonicalize_name(requirement.name))
        met = version is not None and requirement.specifier.contains(version)
        if applies(requirement, python) and not met:
            missing.append(str(requirement))
    return missing


def unexplained(pyproject: str) -> list[str]:
    """Return the lines that bound a version without giving the reason in a comment."""
    bound = re.compile(r'"(?:[A-Za-z][\w.-]*(?:\[[\w,-]+\])?)? *[<>=!~]=? *\d')
    reason = re.compile(r"#.*\w+.* \w+")
    return [
        line.strip()
        for line in pyproject.splitlines()
        if bound.search(line.partition("#")[0]) and not reason.search(line)
    ]


def machine_traces(text: str) -> list[str]:
    """Return the absolute paths of a machine and the addresses of package indexes in a text."""
    folder = r"(?<![\w.$}~-])/(?:root|home|Users|work|opt|mnt|srv)/[\w.-]+"
    index = r"(?:pypi|pythonhosted)\.org|--(?:(?:extra-)?index-url|find-links)"
    return re.findall(f"{folder}|{index}", text)


def tree(readme: str) -> list[str]:
    """Return the paths named in the README's tree: the fenced block with a line `steelexp/`.

    One path a line, children indented below their folder (with or without rules), then two
    spaces or more and a phrase.
    """
    blocks = re.findall(r"^```\w*\n(.*?)^```", readme, flags=re.MULTILINE | re.DOTALL)
    block = next(block for block in blocks if re.search(r"^[│├└─ ]*steelexp/", block, re.MULTILINE))
    paths: list[str] = []
    parents: list[tuple[int, str]] = []
    for line in filter(str.strip, block.splitlines()):
        depth = len(line) - len(line.lstrip("│├└─ \u00a0"))
        name = line[depth:].split()[0]
        parents = [parent for parent in parents if parent[0] < depth]
        path = "".join(parent for _, parent in parents) + name
        paths.append(path)
        if name.endswith("/"):
            parents.append((depth, name))
    return paths


def tracked() -> Iterator[tuple[str, str]]:
    """Yield path and text of every file that is, or is about to be, tracked."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        try:
            yield name, (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # a picture, or deleted and not yet committed


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in the project's folder, as from a shell and not from the make that runs pytest."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def python_of(version: str, folder: Path) -> Path:
    """Write a Python that says it is of some version and makes no environments."""
    python = folder / "python"
    info = tuple(int(part) for part in version.split("."))
    python.write_text(
        f"#!{sys.executable}\nimport sys\nsys.version_info = {info}\n"
        f"if sys.argv[1] == '-V': print('Python {version}')\n"
        "elif sys.argv[1] == '-c': exec(sys.argv[2])\n"
        "else: sys.exit(' '.join(sys.argv[1:3]) + ': not here')\n"
    )
    python.chmod(0o755)
    return python


def uv_that_records(venv: Path, *, refuses: str) -> Path:
    """Write a uv that notes its arguments and fails for one Python; return the notes."""
    uv, notes = venv / "bin" / "uv", venv / "notes"
    uv.parent.mkdir()
    fails = f'case "$*" in *"--python-version {refuses or "none"} "*) exit 1;; esac'
    uv.write_text(f'#!/bin/sh\necho "$*" >> {notes}\n{fails}\n')
    uv.chmod(0o755)
    return notes


class TestLock:
    LOCK = (ROOT / "requirements.lock").read_text()

    def test_pins_are_read_by_python(self):
        lock = (
            "# of a tool\nAbsl_Py==2.5.1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\n"
            "numpy==2.2.6 ; python_full_version < '3.12' \\\n    --hash=sha256:22\n"
            "numpy==2.4.6 ; python_full_version >= '3.12' \\\n    --hash=sha256:33\n"
            "colorama==0.4.6 ; sys_platform == 'win32' \\\n    # via pytest\n"
        )
        assert pins(lock, "3.11") == {"absl-py": "2.5.1", "numpy": "2.2.6"}
        assert pins(lock, "3.13") == {"absl-py": "2.5.1", "numpy": "2.4.6"}

    def test_unmet_names_missing_and_wrong_pins(self):
        wanted = ["numpy>=2.2", "rich>=14", "pillow", "tomli; python_version < '3.12'"]
        requirements = [Requirement(text) for text in wanted]
        lock = "numpy==2.1.9 \\\nrich==14.0 \\\n"
        assert unmet(requirements, lock, "3.12") == ["numpy>=2.2", "pillow"]
        assert len(unmet(requirements, lock, "3.11")) == 3

    @pytest.mark.parametrize("python", PYTHONS)
    def test_satisfies_pyproject(self, python):
        assert unmet(RUNTIME + DEVELOPMENT, self.LOCK, python) == []

    def test_every_pin_has_a_hash(self):
        requirements = re.split(r"^(?=\w)", self.LOCK, flags=re.MULTILINE)[1:]
        assert len(requirements) > len(RUNTIME)
        assert [text for text in requirements if "--hash=sha256:" not in text] == []

    def test_environment_yml_has_the_same_pins(self):
        conda = yaml.safe_load((ROOT / "environment.yml").read_text())
        assert "python=3.11" in conda["dependencies"]
        pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
        pinned = pins(self.LOCK, "3.11")
        names = [canonicalize_name(requirement.name) for requirement in RUNTIME]
        assert pip == [f"{name}=={pinned[name]}" for name in names] + ["-e ."]

    def test_scaling_names_the_same_ray(self):
        page = (ROOT / "docs" / "scaling.md").read_text()
        named = re.findall(r"(?:\[default\]==|rayVersion: \"|Ray )(\d+\.\d+\.\d+)", page)
        assert set(named) == {pins(self.LOCK, "3.11")["ray"]}
        manifest = yaml.safe_load_all(page.partition("```yaml\n")[2].partition("```")[0])
        assert [part["kind"] for part in manifest] == ["PersistentVolumeClaim", "RayJob"]


class TestPyproject:
    def test_unexplained_sees_bare_bounds(self):
        text = 'a = [\n  "numpy>=2.2",\n  "rich>=14",  # 14: live tables\n]\nb = ">=3.11"\nc = "2"'
        assert unexplained(text) == ['"numpy>=2.2",', 'b = ">=3.11"']
        assert unexplained('gpu = ["tensorflow[and-cuda]>=2.21,<2.22"]  # wheels') != []

    def test_every_bound_has_its_reason(self):
        assert unexplained((ROOT / "pyproject.toml").read_text()) == []

    def test_tools_look_from_the_oldest_python(self):
        pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
        assert PROJECT["requires-python"] == f">={PYTHONS[0]},<3.14"
        assert pyproject["tool"]["mypy"]["python_version"] == PYTHONS[0]
        assert pyproject["tool"]["ruff"]["target-version"] == f"py{PYTHONS[0].replace('.', '')}"
        assert f"PYTHONS := {' '.join(PYTHONS)}\n" in (ROOT / "Makefile").read_text()


class TestFiles:
    def test_traces_are_seen(self):
        home, index = "/home" + "/ann/data", "https://" + "pypi" + ".org/simple"
        assert machine_traces(f"root: {home}\nsee {index}") == ["/home" + "/ann", "pypi" + ".org"]
        assert machine_traces("https://example.com/home/x ../mnt/y ${HOME}/opt/z </srv>") == []

    def test_no_tracked_file_knows_a_machine(self):
        found = {name: traces for name, text in tracked() if (traces := machine_traces(text))}
        assert found == {}


class TestReadme:
    def test_tree_is_read_with_and_without_rules(self):
        plain = (
            "```\nx\n```\n```text\nMakefile  entry\nsteelexp/  package\n  data/\n    rle.py  a b\n"
        )
        plain += "  lazy.py\ndocs/\n```\n"
        ruled = "```\nMakefile  entry\nsteelexp/\n├── data/\n│   └── rle.py  a\n"
        ruled += "└── lazy.py\ndocs/\n```\n"
        expected = ["Makefile", "steelexp/", "steelexp/data/", "steelexp/data/rle.py"]
        assert tree(plain) == tree(ruled) == [*expected, "steelexp/lazy.py", "docs/"]

    def test_names_the_two_commands(self):
        readme = (ROOT / "README.md").read_text()
        assert "make run" in readme
        assert "make test" in readme

    def test_what_the_tree_names_exists(self):
        named = tree((ROOT / "README.md").read_text())
        assert [path for path in named if not (ROOT / path).exists()] == []

    def test_the_tree_names_every_module(self):
        named = set(tree((ROOT / "README.md").read_text()))
        modules = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / "steelexp").rglob("*.py")
            if path.name != "__init__.py"
        }
        assert sorted(modules - named) == []


class TestMakefile:
    def test_help_lists_every_target(self):
        targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
        rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        listed = re.findall(r"^  make ([\w-]+) +\S", make().stdout, re.MULTILINE)
        assert listed == rules == targets.group(1).split()

    @pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
    def test_refuses_another_python(self, tmp_path, version):
        refused = make(
            "setup", f"PYTHON={python_of(version, tmp_path)}", f"STEELEXP_VENV={tmp_path / 'venv'}"
        )
        assert refused.returncode != 0
        assert (
            f"needs Python 3.11 to 3.13 and {tmp_path}/python is Python {version}" in refused.stderr
        )
        assert "make setup PYTHON=python3.12" in refused.stderr
        assert not (tmp_path / "venv").exists()

    @pytest.mark.parametrize("version", [f"{python}.5" for python in PYTHONS])
    def test_accepts_the_promised_pythons(self, tmp_path, version):
        venv = tmp_path / "venv"
        begun = make("setup", f"PYTHON={python_of(version, tmp_path)}", f"STEELEXP_VENV={venv}")
        assert begun.stdout.startswith(f"Setting up {venv}")
        assert "-m venv: not here" in begun.stderr

    def test_check_lock_asks_for_every_python(self, tmp_path):
        asked = uv_that_records(tmp_path, refuses="")
        done = make("check-lock", f"STEELEXP_VENV={tmp_path}")
        assert done.returncode == 0
        assert re.findall(r"--python-version (\S+)", asked.read_text()) == [*PYTHONS]
        assert done.stdout.count("wheels of everything") == len(PYTHONS)

    def test_check_lock_names_the_python_that_cannot_install_it(self, tmp_path):
        asked = uv_that_records(tmp_path, refuses="3.12")
        refused = make("check-lock", f"STEELEXP_VENV={tmp_path}")
        assert refused.returncode != 0
        assert "make: Python 3.12 cannot install requirements.lock from wheels" in refused.stderr
        assert len(asked.read_text().splitlines()) == 2

    def test_names_a_python_that_is_not_there(self, tmp_path):
        missing = make("run", "PYTHON=python3.99", f"STEELEXP_VENV={tmp_path / 'venv'}")
        assert missing.returncode != 0
        assert "there is no 'python3.99' here" in missing.stderr
        assert "make run PYTHON=python3.12" in missing.stderr


class TestLayers:
    """Each contract of pyproject.toml is broken once, in a copy."""

    @pytest.fixture
    def lint(self, tmp_path):
        for package in ("steelexp", "analysis"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", tmp_path)

        def run() -> list[str]:
            tool = Path(sys.executable).with_name("lint-imports")
            output = subprocess.run(
                [tool, "--no-logo", "--no-cache"], cwd=tmp_path, capture_output=True, text=True
            ).stdout
            assert "Contracts:" in output
            return re.findall(r"^(.*) BROKEN", output, re.MULTILINE)

        return run

    def test_hold_as_shipped(self, lint):
        assert lint() == []

    @pytest.mark.parametrize(
        ("module", "line", "contract"),
        [
            ("steelexp/spec/__init__.py", "import steelexp.records", "Each layer"),
            ("steelexp/data/dataset.py", "import steelexp.model", "Each layer"),
            ("steelexp/training/__init__.py", "import steelexp.evaluation", "Each layer"),
            ("steelexp/helpers.py", "", "Each layer"),
            ("steelexp/records/__init__.py", "import steelexp.lazy", "Specs, records"),
            ("steelexp/spec/__init__.py", "import tensorflow", "Specs, records"),
            ("steelexp/report/__init__.py", "import steelexp.lazy", "Specs, records"),
            ("analysis/scores.py", "from steelexp.lazy import tf", "Specs, records"),
            ("steelexp/model/__init__.py", "import tf_keras", "TensorFlow is reached"),
            ("steelexp/training/__init__.py", "import comet_ml", "Only steelexp.tracking"),
            ("steelexp/model/__init__.py", "import keras_tuner", "Only steelexp.search"),
            ("steelexp/experiment.py", "import ray.train", "Only steelexp.search"),
            ("analysis/scores.py", "import steelexp.data.rle", "Analyses import"),
            ("analysis/scores.py", "import steelexp.experiment", "Analyses import"),
        ],
    )
    def test_break(self, lint, tmp_path, module, line, contract):
        with (tmp_path / module).open("a") as file:
            file.write(f"\n{line}\n")
        assert any(name.startswith(contract) for name in lint())
