import pytest

from steelexp.errors import UserError
from steelexp.records.evaluation_report import FILE, read_evaluation_report


def test_a_run_of_before_has_none(tmp_path):
    assert read_evaluation_report(tmp_path) is None


def test_what_is_no_report_is_named_with_a_way_out(tmp_path):
    (tmp_path / FILE).write_text('{"schema_version": 2}')
    with pytest.raises(
        UserError, match=r"evaluation.json: not an evaluation report .*steelexp evaluate"
    ):
        read_evaluation_report(tmp_path)
