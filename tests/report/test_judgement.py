import json

import pytest

from steelexp.records.store import DamagedError
from steelexp.report.judgement import read_judgement

WHOLE = {
    "schema_version": 1,
    "part": "test",
    "classes": ["1"],
    "intervals": {"dice_positive/1": [0.1, 0.2]},
    "something_new": 1,
}


def written(folder, content):
    (folder / "judgement.json").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    return folder


def test_of_a_run_without_one_is_none(tmp_path):
    assert read_judgement(tmp_path) is None


def test_what_is_not_there_is_empty(tmp_path):
    found = read_judgement(written(tmp_path, WHOLE))
    assert found.intervals == {"dice_positive/1": (0.1, 0.2)}
    assert (found.pr, found.confusion) == ({}, None)


@pytest.mark.parametrize("wrong", ["{", WHOLE | {"schema_version": 2}, WHOLE | {"intervals": 1}])
def test_what_is_not_one_says_how_to_have_it_again(tmp_path, wrong):
    with pytest.raises(DamagedError, match=r"judgement\.json: .*evaluate"):
        read_judgement(written(tmp_path, wrong))
