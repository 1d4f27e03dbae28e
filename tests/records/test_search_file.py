import pytest

from steelexp.errors import UserError
from steelexp.records.search_file import read_search_file
from tests.known_search import known_spec, searched
from tests.simulated_searches import THREE_TRIALS, write_search


def test_what_a_search_writes_is_read(tmp_path):
    best = searched(known_spec(tmp_path), tmp_path / "search")
    found = read_search_file(tmp_path / "search")
    assert (found.name, found.status, len(found.trials)) == ("known", "finished", 6)
    assert found.best_trial.id == best.trial.id
    assert found.best_trial.values == best.trial.values
    assert found.best_trial.score == best.outcome.score


def test_all_that_is_wrong_is_said(tmp_path):
    wrong = THREE_TRIALS | {"seed": "x", "status": "lost"}
    write_search(tmp_path, wrong)
    with pytest.raises(UserError, match=r"(?s)search\.json: seed: .*search\.json: status: "):
        read_search_file(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "no schema_version, and this version of steelexp reads 3"),
        ('{"schema_version": 2}', "schema_version 2, and this version of steelexp reads 3"),
        ("[]", "not the search.json of a search"),
        ("no JSON", "not the search.json of a search"),
    ],
)
def test_anything_else_is_refused(tmp_path, text, said):
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(UserError, match=said):
        read_search_file(tmp_path)


def test_there_is_none(tmp_path):
    with pytest.raises(
        UserError, match=r"search\.json: cannot be read: No such file or directory; give the folder"
    ):
        read_search_file(tmp_path)


def test_a_changed_score_is_damage(tmp_path):
    file = write_search(tmp_path, THREE_TRIALS) / "search.json"
    text = file.read_text()
    assert text.count("0.25") == 1
    file.write_text(text.replace("0.25", "0.75"))
    with pytest.raises(UserError, match=r"search\.json: damaged: .*; .*repeat its command"):
        read_search_file(tmp_path)


def test_a_file_of_another_search_is_refused(tmp_path):
    for name, seed in (("one", 0), ("other", 1)):
        searched(known_spec(tmp_path, f"search.seed={seed}"), tmp_path / name)
        assert read_search_file(tmp_path / name).seed == seed
    (tmp_path / "other" / "search.json").replace(tmp_path / "one" / "search.json")
    with pytest.raises(UserError, match=r"belongs to another search than trials\.jsonl beside it"):
        read_search_file(tmp_path / "one")
