"""A spec with a secret is refused, and the message does not repeat it."""

from pathlib import Path

import pytest

from steelexp.plan import SpecModel
from steelexp.spec import SpecError, dump, load

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        (f"tracking.api_key={SECRET}", "tracking.api_key"),
        (f"data.root=https://ann:{SECRET}@host/data", "data.root"),
        (f"data.root='data?token={SECRET}'", "data.root"),
        (f"data.root=[data, 's3://ann:{SECRET}@bucket']", "data.root"),
        (f"question='why does password={SECRET} fail'", "question"),
        ("model.weights='AKIA" + "A1" * 8 + "'", "model.weights"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(override, key):
    with pytest.raises(SpecError) as error:
        load(QUICKSTART, [override], model=SpecModel)
    (problem,) = error.value.problems
    assert problem.key == key
    text = str(error.value)
    assert "a spec is recorded and sent to the tracker, so remove the secret" in text
    assert SECRET not in text
    assert "AKIA" not in text


def test_a_value_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("SERVICE_PASSWORD", SECRET)
    with pytest.raises(SpecError, match="looks like a secret, or holds one"):
        load(QUICKSTART, [f"data.root=/data/{SECRET}"], model=SpecModel)


def test_a_variable_that_is_named_like_a_secret_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SERVICE_TOKEN", "abc")
    spec = tmp_path / "spec.yaml"
    spec.write_text(f"extends: {QUICKSTART}\ndata: {{root: 'x/${{SERVICE_TOKEN}}'}}\n")
    with pytest.raises(SpecError) as error:
        load(spec, model=SpecModel)
    assert "${SERVICE_TOKEN}: named like a secret, and a spec is recorded" in str(error.value)


def test_a_spec_without_the_home_folder_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    spec = load(QUICKSTART, [f"data.root={tmp_path}/steel"], model=SpecModel)
    assert spec.data.settings["root"] == f"{tmp_path}/steel"
    text = dump(spec)
    assert str(tmp_path) not in text
    assert "root: ${HOME}/steel" in text
    (tmp_path / "spec.yaml").write_text(text)
    assert load(tmp_path / "spec.yaml", model=SpecModel) == spec
