import errno
import os
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from steelexp.errors import (
    RunFailedError,
    UserError,
    explain_read_errors,
    explain_write_errors,
    name_path,
    reason,
)

FIX = "choose another folder with --out"


def system_error(code, path=None):
    return OSError(code, os.strerror(code), path)


class TestWriteErrors:
    @pytest.mark.parametrize(
        ("error", "path"),
        [
            (system_error(errno.EACCES, "out/masks/a.png"), "out/masks/a.png"),
            (system_error(errno.EACCES, b"out/masks/a.png"), "out/masks/a.png"),
            (system_error(errno.EROFS, "out"), "out"),
            (system_error(errno.ENOENT, "missing"), None),
            (system_error(errno.ENOSPC), "out"),
            (system_error(errno.EACCES, "images/a.png"), None),
            (system_error(errno.EACCES, "outside"), None),
            (system_error(errno.EACCES, "."), None),
            (system_error(errno.EPIPE), None),
            (system_error(errno.EACCES, 3), None),
        ],
    )
    def test_of_the_place_alone_are_explained(self, tmp_path, monkeypatch, error, path):
        monkeypatch.chdir(tmp_path)
        explain = explain_write_errors(Path("out"), FIX)
        with pytest.raises(UserError if path else OSError) as caught, explain:
            raise error
        if path:
            why = os.strerror(error.errno)
            assert str(caught.value) == f"{path}: cannot be written: {why}; {FIX}"
        else:
            assert caught.value is error

    @pytest.mark.parametrize(
        ("code", "way_out"),
        [(errno.EFBIG, "ulimit -f unlimited"), (errno.EMFILE, "ulimit -n 4096")],
    )
    def test_limits_are_the_same_in_another_folder(self, code, way_out):
        explain = explain_write_errors(Path("out"), FIX)
        with pytest.raises(UserError, match=way_out) as caught, explain:
            raise system_error(code, "out/a.png")
        assert FIX not in str(caught.value)

    def test_a_missing_folder_above_is_named(self, tmp_path):
        folder, said = Path("/proc/none/a/b"), r"^/proc/none: cannot be written: No such file"
        with pytest.raises(UserError, match=said), explain_write_errors(folder, FIX):
            folder.mkdir(parents=True)

    def test_other_errors_pass(self):
        explain = explain_write_errors(Path("out"), FIX)
        with pytest.raises(RunFailedError, match=r"^diverged$"), explain:
            raise RunFailedError("diverged")


class TestReadErrors:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (None, "cannot be read: No such file or directory"),
            (b"name: Sch\xe4den", "not UTF-8 text at byte 9"),
        ],
    )
    def test_name_the_file_and_the_fix(self, tmp_path, content, said):
        file = tmp_path / "spec.yaml"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UserError) as caught, explain_read_errors(file, "save it as UTF-8"):
            file.read_text("utf-8")
        assert str(caught.value) == f"{file}: {said}; save it as UTF-8"


class TestNamePath:
    @pytest.mark.parametrize(
        ("error", "filename"),
        [
            (system_error(errno.ENOSPC), "a.csv"),
            (system_error(errno.EISDIR, ".a.partial"), "a.csv"),
            (system_error(errno.EACCES, "b.csv"), "b.csv"),
            (system_error(errno.EPIPE), None),
            (OSError("no number"), "a.csv"),
        ],
    )
    def test_of_errors_that_name_none_or_the_temporary_file(self, error, filename):
        name = name_path(Path("a.csv"), temporary=Path(".a.partial"))
        with pytest.raises(type(error)) as caught, name:
            raise error
        assert (caught.value.filename, reason(caught.value)) == (filename, reason(error))


class Size(BaseModel):
    height: int
    width: int


def test_reasons_are_one_line_without_the_path():
    assert reason(system_error(errno.EACCES, "a.csv")) == "Permission denied"
    assert reason(OSError("no signature\n  in the file")) == "no signature in the file"
    assert reason(KeyError()) == "KeyError"
    with pytest.raises(ValidationError) as caught:
        Size.model_validate({"height": "tall"})
    assert reason(caught.value).startswith("height: Input should be a valid integer")
