import json

import pytest

from steelexp.errors import UserError
from steelexp.records.document import VersionError, read_document, write_document

VALUES = {"schema_version": 2, "name": "b4", "scores": [0.5, None]}


def read(path):
    return read_document(path, version=2, noun="a record", fix="evaluate again")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "record.json"


@pytest.mark.parametrize("indent", [2, None])
def test_values_come_back(path, indent):
    assert write_document(path, VALUES, indent=indent) == path
    assert read(path) == VALUES
    assert list(json.loads(path.read_text())) == [*VALUES, "checksum"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a record (Expecting value"),
        (b"[1]", "not a record (list in place of an object)"),
        (b"\xff", "not a record ('utf-8' codec can't decode"),
        (b"[" * 100_000, "not a record (maximum recursion depth"),
        (b"9" * 5000, "not a record (Exceeds the limit"),
        (b'{"schema_version": 2}', "damaged: its checksum is missing"),
    ],
)
def test_other_content_is_named(path, content, why):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {why}")
    assert str(caught.value).endswith("; evaluate again")


def test_every_flip_of_a_bit_is_named_or_changes_nothing(path):
    write_document(path, VALUES)
    content = path.read_bytes()
    noticed = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert read(path) == VALUES  # a space became a tab
        except UserError:
            noticed += 1
    assert noticed > 7 * len(content)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (1, "schema_version 1, and this version of steelexp reads 2"),
        (3, "schema_version 3, and this version of steelexp reads 2"),
        (None, "no schema_version, and this version of steelexp reads 2"),
    ],
)
def test_another_version_is_named(path, version, said):
    values = {"schema_version": version} if version else {}
    write_document(path, values)
    with pytest.raises(VersionError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {said}; evaluate again"
    with pytest.raises(VersionError) as caught:
        read_document(path, version=2, noun="a record", fix="restore it", version_fix="begin anew")
    assert str(caught.value) == f"{path}: {said}; begin anew"


def test_a_file_that_is_not_there(path):
    with pytest.raises(UserError, match=r"record\.json: cannot be read: No such file"):
        read(path)


def test_a_number_that_is_not_finite_is_not_written(path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_document(path, {"schema_version": 2, "loss": float("nan")})
    assert not path.exists()
