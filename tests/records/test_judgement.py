import pytest

from steelexp.records.judgement import FILE, read_judgement
from steelexp.records.store import DamagedError


def test_a_run_of_before_has_none(tmp_path):
    assert read_judgement(tmp_path) is None


def test_what_is_no_judgement_is_named_with_a_way_out(tmp_path):
    (tmp_path / FILE).write_text('{"schema_version": 2}')
    with pytest.raises(DamagedError, match=r"judgement.json: not a judgement .*steelexp evaluate"):
        read_judgement(tmp_path)
