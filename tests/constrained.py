"""Commands in a place that is full, read-only or limited, and again once it is not.

A process imports steelexp once and forks a child for each case, which starts in a tenth of a
second. It imports no library that starts threads, such as ONNX Runtime: a fork would lack them.
Mounts are in a namespace of the child and end with it.

The script reads cases from standard input and answers on standard output, a line of JSON each.
"""

import ctypes
import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
ROOM = "300m"
"""Size of the file system once there is room."""

_NEWNS, _NEWUSER = 0x00020000, 0x10000000
_CAPABILITIES = 0x20080522  # version of the kernel's structure
_DAC = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@dataclass(frozen=True)
class Case:
    """A command in a constrained place.

    Attributes:
        words: The command.
        folder: Working directory.
        place: Folder in it that is constrained; it begins as a copy of what is there.
        kind: "room", "full", "read-only", "file size" or "unprivileged".
        size: Bytes of the file system, or of a file at most.
        keep: Folder that gets a copy of the place at the end.
        environment: Environment variables.
    """

    words: Sequence[str]
    folder: str
    place: str
    kind: str
    size: int
    keep: str
    environment: dict[str, str]


class Ended(NamedTuple):
    """The end of a command."""

    code: int
    out: list[str]
    err: list[str]


class Answer(NamedTuple):
    """What a command did under the constraint, and then without it.

    Attributes:
        first: End under the constraint.
        left: Content of each file in the place after it.
        second: End of the same command without it.
        after: Content of each file then.
    """

    first: Ended
    left: dict[str, bytes]
    second: Ended
    after: dict[str, bytes]


class Constrained:
    """Runs cases in a process of their own.

    Args:
        heavy: Whether to import TensorFlow beforehand, too.
    """

    def __init__(self, *, heavy: bool = False) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *(["heavy"] if heavy else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            text=True,
        )
        self.mounts = self._line() == "mounts"

    def run(
        self,
        *words: str,
        folder: Path,
        place: str,
        kind: str,
        size: int = 0,
        **environment: str,
    ) -> Answer:
        """Run a command twice: under a constraint and without it."""
        with tempfile.TemporaryDirectory() as keep:
            case = Case(words, str(folder), place, kind, size, keep, environment)
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asdict(case)) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._line())
            return Answer(
                Ended(*answer["first"]),
                _files(Path(keep, "left")),
                Ended(*answer["second"]),
                _files(Path(keep, "after")),
            )

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _serve() -> None:
    """Answer cases until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    mounts = _in_child(lambda: _mount_once() or {"mounts": True}).get("mounts", False)
    print("mounts" if mounts else "none", file=answers, flush=True)
    for line in sys.stdin:
        case = Case(**json.loads(line))
        print(json.dumps(_in_child(lambda: _try(case))), file=answers, flush=True)  # noqa: B023


def _in_child(act: Callable[[], Any]) -> Any:
    """The value of a function in a forked process; {} if it failed."""
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        with suppress(BaseException), os.fdopen(write, "w") as answer:
            answer.write(json.dumps(act()))
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        content = answer.read()
    os.waitpid(pid, 0)
    return json.loads(content or "{}")


def _mount_once() -> None:
    with tempfile.TemporaryDirectory() as folder:
        _own_mounts()
        _mount("-t", "tmpfs", "none", folder)
        _umount(folder)


def _try(case: Case) -> dict[str, Ended]:
    os.chdir(case.folder)
    os.environ.update(case.environment)
    place = Path(case.place).absolute()
    keep = Path(case.keep)
    with _constraint(case, place) as lift:
        first = _command(case.words)
        shutil.copytree(place, keep / "left", symlinks=True)
        lift()
        second = _command(case.words)
        shutil.copytree(place, keep / "after", symlinks=True)
    return {"first": first, "second": second}


@contextmanager
def _constraint(case: Case, place: Path) -> Iterator[Callable[[], object]]:
    """Constrain a place; the function that is yielded lifts the constraint."""
    if case.kind == "unprivileged":
        effective = _capabilities(drop=_DAC)
        place.chmod(0o555)
        yield lambda: (_capabilities(restore=effective), place.chmod(0o755))
        return
    if case.kind == "file size":
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (case.size, limits[1]))
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        return
    _own_mounts()
    with tempfile.TemporaryDirectory() as beside:
        content = Path(shutil.copytree(place, Path(beside, "content")))
        size = case.size if case.kind == "full" else ROOM
        _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(place))
        shutil.copytree(content, place, dirs_exist_ok=True)
        if case.kind == "read-only":
            _mount("-o", "remount,ro", str(place))
            yield lambda: _mount("-o", "remount,rw", str(place))
        else:
            yield lambda: _mount("-o", f"remount,size={ROOM}", str(place))
        os.chdir("/")
        _umount(str(place))


def _command(words: Sequence[str]) -> Ended:
    """Run a command in this process; what it prints goes into pipes, which have no size limit."""
    from steelexp.__main__ import main

    streams = sys.stdout, sys.stderr
    pipes = [os.pipe() for _ in streams]
    for number, (_, write) in enumerate(pipes, start=1):
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 2**20)
        os.dup2(write, number)
        os.close(write)
    sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w") for number in (1, 2))
    try:
        code = main(words)
    except Exception:
        traceback.print_exc()
        code = -1
    sys.stdout.close()
    sys.stderr.close()
    sys.stdout, sys.stderr = streams
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    texts = [os.fdopen(read).read().splitlines() for read, _ in pipes]
    return Ended(code, *texts)


def _own_mounts() -> None:
    """Go into a namespace of mounts; without the right to, into one of users, too."""
    if not hasattr(_own_mounts, "done"):
        uid = os.getuid()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_NEWNS if uid == 0 else _NEWNS | _NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        if uid:
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        _mount("--make-rprivate", "/")
        _own_mounts.done = True  # type: ignore[attr-defined]


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def _umount(place: str) -> None:
    subprocess.run(["umount", "-l", place], check=True, capture_output=True)


def _capabilities(*, drop: int = 0, restore: int | None = None) -> int:
    """Change the effective capabilities; root without some is an ordinary account for files.

    Returns:
        Those before.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, and their upper halves
    assert libc.capget(header, data) == 0
    before = data[0]
    data[0] = before & ~drop if restore is None else restore
    assert libc.capset(header, data) == 0
    return before


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    import cv2  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.ndimage  # noqa: F401

    import steelexp.__main__  # noqa: F401

    if sys.argv[1:] == ["heavy"]:
        from steelexp.lazy import keras, segmentation_models, tf

        _ = keras.layers, tf.nn, segmentation_models.Unet
    _serve()
