import pytest

from steelexp.report.searches import searches
from tests.simulated_searches import random_search, search, trial, write_search


def written(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    if not isinstance(content, str):
        return write_search(folder, content)
    (folder / "search.json").write_text(content)
    return folder


def test_counts_and_spent_by_hand(tmp_path):
    trials = [trial(0, {}, 0.5), trial(1, {}, None), trial(2, {}, 0.75)]
    (found,) = searches(written(tmp_path / "search", search(trials)))
    assert [found.count(status) for status in ("finished", "failed", "running")] == [2, 1, 0]
    assert found.spent == "15 epochs in 5 min"
    assert found.budget == "3 trials"
    assert found.best.id == "0002"


def test_is_found_below_and_not_where_it_was_set_aside(tmp_path):
    written(tmp_path / "a" / "search", random_search(3))
    written(tmp_path / "b" / "search.old-1", random_search(3))
    assert [found.path.parent.name for found in searches(tmp_path)] == ["a"]


def test_without_a_finished_trial_there_is_no_best(tmp_path):
    (found,) = searches(written(tmp_path, search([trial(0, {}, None)])))
    assert found.best is None


@pytest.mark.parametrize("content", ["{", "[]", search([]) | {"schema_version": 4}])
def test_what_is_not_one_is_named(tmp_path, content):
    (found,) = searches(written(tmp_path / "quick" / "search", content))
    assert found.file is None
    assert "search.json" in found.problem
    assert found.name == "quick"
