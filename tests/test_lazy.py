import os
import subprocess
import sys
from pathlib import Path

import pytest

from steelexp import lazy

ROOT = Path(__file__).parents[1]
FILES = Path("/proc/self/fd")

LOUD = """\
import os, sys
print("text on stdout"); print("text on stderr", file=sys.stderr, end="")
os.write(1, b"bytes on 1\\n"); os.write(2, b"bytes on 2\\n")
answer = 42
loads = int(os.environ.get("LOADS", 0)) + 1
os.environ["LOADS"] = str(loads)
"""


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Two modules that write to every stream: one that loads and one that cannot."""
    (tmp_path / "loud_module.py").write_text(LOUD)
    (tmp_path / "broken_module.py").write_text(LOUD + "raise ImportError('libcuda is missing')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LOADS", "0")
    yield tmp_path
    for name in ("loud_module", "broken_module"):
        sys.modules.pop(name, None)


def test_a_module_is_loaded_once_and_only_when_used(modules):
    proxy = lazy._Lazy("loud_module")
    assert "loud_module" not in sys.modules
    assert (proxy.answer, proxy.loads) == (42, 1)
    assert lazy._Lazy("loud_module").loads == 1


def test_it_is_the_module(modules):
    proxy = lazy._Lazy("loud_module")
    proxy.answer  # noqa: B018
    sys.modules["loud_module"].answer = 43
    assert proxy.answer == 43


def test_an_attribute_it_does_not_have(modules):
    with pytest.raises(AttributeError, match="module 'loud_module' has no attribute 'question'"):
        lazy._Lazy("loud_module").question  # noqa: B018


def run(folder, script):
    """Run a script that finds the two modules: what it wrote to stdout and stderr."""
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
    return done.stdout, done.stderr


def test_loading_is_silent_and_what_comes_before_and_after_is_not(modules):
    script = (
        "import os, sys; from steelexp.lazy import _Lazy\n"
        "print('before', end=' '); print('before too', end=' ', file=sys.stderr)\n"
        "_Lazy('loud_module').answer\n"
        "print('after'); os.write(2, b'after too')\n"
    )
    assert run(modules, script) == (b"before after\n", b"before too after too")


def test_a_module_that_cannot_be_loaded_says_why_and_leaves_the_streams(modules):
    script = (
        "import os; from steelexp.lazy import _Lazy\n"
        "try: _Lazy('broken_module').answer\n"
        "except ImportError as error: print(error)\n"
        "os.write(2, b'after')\n"
    )
    assert run(modules, script) == (b"libcuda is missing\n", b"after")


def test_a_module_that_is_not_there():
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        lazy._Lazy("no_such_module").answer  # noqa: B018


@pytest.mark.skipif(not FILES.is_dir(), reason="this kernel does not list open files")
def test_no_file_stays_open(modules):
    before = sorted(FILES.iterdir())
    lazy._Lazy("loud_module").answer  # noqa: B018
    assert sorted(FILES.iterdir()) == before


def test_what_tensorflow_reads_at_its_import_is_set_before(modules, monkeypatch):
    names = ["TF_USE_LEGACY_KERAS", "SM_FRAMEWORK", "TF_ENABLE_ONEDNN_OPTS", "TF_CPP_MIN_LOG_LEVEL"]
    for name in names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")  # would break segmentation-models
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")  # somebody's wish
    script = f"import os, steelexp; print(*(os.environ[name] for name in {names}))"
    assert run(modules, script) == (b"1 tf.keras 1 0\n", b"")
