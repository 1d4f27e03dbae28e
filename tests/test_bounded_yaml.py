import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from steelexp import bounded_yaml
from steelexp.limits import YAML_DEPTH
from tests.finished_runs import unfinished

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_pyyaml_dumped_is_read_back_by_both(values):
    text = yaml.safe_dump(values)
    assert bounded_yaml.load(text) == bounded_yaml.load(text, dumped=True) == values


def test_libyaml_is_used_for_the_spec_of_a_run(tmp_path, monkeypatch):
    text = (unfinished(tmp_path / "a" / "0").path / "spec.yaml").read_text()
    monkeypatch.setattr(bounded_yaml, "compose", None)  # PyYAML's own scanner
    assert bounded_yaml.load(text, dumped=True)["name"] == "b4_dice"


@pytest.mark.parametrize(
    "text",
    [
        "[" * (YAML_DEPTH + 2) + "]" * (YAML_DEPTH + 2),
        "a: &a [*a]",
        "a: [",
        "a: &x [1, 2]\nb: *y",
        "&a [" + ", ".join(["[x, x, x, x, x, x, x, x, x]"] * 9) + "]\n...\n--- b",
        "a: !!int b",
    ],
)
def test_limits_and_errors_are_the_same(text):
    with pytest.raises(yaml.YAMLError) as plain:
        bounded_yaml.load(text)
    with pytest.raises(yaml.YAMLError) as dumped:
        bounded_yaml.load(text, dumped=True)
    assert str(dumped.value) == str(plain.value)
