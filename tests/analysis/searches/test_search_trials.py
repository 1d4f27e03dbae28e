"""What search.json is read as, and what is refused."""

import pytest

from analysis.searches.search_space import Setting
from analysis.searches.search_trials import read_search
from steelexp.errors import UserError
from tests.simulated_searches import hyperband_search, random_search, search, trial, write_search

VALUES = {"optimizer.learning_rate": 1e-3, "loss.name": "dice", "training.batch_size": 8}


def read(tmp_path, content):
    return read_search(write_search(tmp_path, content))


def refused(tmp_path, content):
    with pytest.raises(UserError) as error:
        read(tmp_path, content)
    return str(error.value)


def test_a_search_is_read(tmp_path):
    found = read(tmp_path, search([trial(0, VALUES, 0.5), trial(1, VALUES, None)]))
    assert (found.name, found.best.id, found.best.score) == ("quick_search", "0000", 0.5)
    assert [each.id for each in found.failed] == ["0001"]
    rate, loss, gamma, batch = found.settings
    assert (rate.kind, rate.low, rate.high) == ("log_uniform", 1e-4, 1e-2)
    assert loss.choices == ("dice", "bce_dice", "focal")
    assert gamma.when == "loss.name is focal"
    assert batch.step == 4.0


def test_places_on_an_axis_by_hand():
    rate = Setting("rate", "log_uniform", low=1e-4, high=1e-2)
    assert rate.position(1e-3) == pytest.approx(0.5)
    assert Setting("share", "float", low=0.0, high=4.0).position(1.0) == 0.25
    flag = Setting("flag", "choice", choices=(True, 1, "1"))
    assert [flag.position(value) for value in (True, 1.0, "1")] == pytest.approx(
        [1 / 6, 0.5, 5 / 6]
    )
    assert Setting("still", "int", low=3.0, high=3.0).position(3) == 0.5


def test_a_lineage_runs_from_the_first_rung(tmp_path):
    found = read(tmp_path, hyperband_search(9))
    last = found.trials[-1]
    chain = found.lineage(last)
    assert [each.epochs for each in chain] == [3, 9, 27]
    assert chain[1].id == last.continues


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schema_version": 1}, "schema_version 1, and this version of steelexp reads 3"),
        ({"schema_version": None}, "no schema_version"),
        ({"direction": "up"}, "direction: Input should be 'max' or 'min'"),
        ({"trials": [{"id": "0000"}], "best": None}, "trials.0.values: Field required"),
        ({"space": {}}, "space: "),
        ({"space": {"loss.gamma": {"float": [1.0]}}}, "space.loss.gamma: neither a choice"),
        ({"space": {"rate": {"log_uniform": [0.0, 1.0]}}}, "space.rate: neither a choice"),
        ({"best": "0007"}, "best: 0007, which is no finished trial"),
        ({"best": None}, "best: None, which is no finished trial"),
    ],
)
def test_a_wrong_key_is_refused_with_file_and_key(tmp_path, changes, expected):
    said = refused(tmp_path, search([trial(0, VALUES, 0.5)]) | changes)
    assert said.startswith(f"{tmp_path / 'search.json'}: ")
    assert expected in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"values": VALUES | {"loss.name": "tversky"}}, "values.loss.name: 'tversky' is not in"),
        ({"values": VALUES | {"training.batch_size": 99}}, "values.training.batch_size: 99 is"),
        ({"values": VALUES | {"training.batch_size": True}}, "values.training.batch_size: True is"),
        ({"values": VALUES | {"loss.beta": 1.0}}, "values.loss.beta: not in the space"),
        ({"score": None}, "score: None, and the trial is finished"),
        ({"status": "failed"}, "score: 0.6, and the trial is failed"),
        ({"continues": "0009"}, "continues: 0009 is no earlier trial"),
        ({"continues": "0001"}, "continues: 0001 is no earlier trial"),
        ({"id": "0000"}, "id: 0000 is there twice"),
    ],
)
def test_a_trial_that_cannot_be_is_refused_with_its_place(tmp_path, changes, expected):
    content = search([trial(0, VALUES, 0.7)])
    content["trials"].append(trial(1, VALUES, 0.6) | changes)
    assert f"search.json: trials.1.{expected}" in refused(tmp_path, content)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    content = random_search(2)
    content["trials"][0]["values"]["loss.name"] = "x"
    content["trials"][1]["values"]["loss.name"] = "y"
    assert len(refused(tmp_path, content).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "[]", '{"schema', "\x00"])
def test_what_is_not_whole_is_refused(tmp_path, text):
    (tmp_path / "search.json").write_text(text)
    with pytest.raises(UserError, match=r"search\.json: "):
        read_search(tmp_path)


def test_a_folder_without_a_search_is_refused(tmp_path):
    with pytest.raises(UserError, match="give the folder of a search, RUNS/<name>/search"):
        read_search(tmp_path)
