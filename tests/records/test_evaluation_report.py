import pytest

from steelexp.command_line import command_line
from steelexp.errors import UserError
from steelexp.records.evaluation_report import FILE, read_evaluation_report
from steelexp.records.run_file import hashes_of
from tests.page_folders import write_report


@pytest.fixture
def files(tmp_path):
    """Hashes of the files of an evaluation that is in the folder."""
    write_report(tmp_path)
    return hashes_of(tmp_path, [FILE])


def test_that_is_whole_is_read(tmp_path, files):
    assert list(files) == [FILE]
    assert read_evaluation_report(tmp_path, files).part == "test"


def test_that_was_never_written_is_none(tmp_path):
    assert read_evaluation_report(tmp_path, {}) is None


def test_that_is_lost_is_named_with_a_way_out(tmp_path, files):
    (tmp_path / FILE).unlink()
    with pytest.raises(UserError, match=r"evaluation.json: .*steelexp evaluate"):
        read_evaluation_report(tmp_path, files)


def test_that_was_changed_is_named_with_a_way_out(tmp_path, files):
    file = tmp_path / FILE
    file.write_text(file.read_text().replace("0.375", "0.975"))
    with pytest.raises(UserError) as caught:
        read_evaluation_report(tmp_path, files)
    assert str(caught.value) == (
        f"{file}: damaged: it is not what the run wrote; evaluate the run again: "
        f"{command_line('evaluate', tmp_path)}"
    )


def test_what_is_no_report_is_named_with_a_way_out(tmp_path):
    (tmp_path / FILE).write_text('{"schema_version": 2}')
    with pytest.raises(
        UserError, match=r"evaluation.json: schema_version 2, .* reads 1; .*steelexp evaluate"
    ):
        read_evaluation_report(tmp_path, hashes_of(tmp_path, [FILE]))
