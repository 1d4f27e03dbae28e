import os
from unittest import mock

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from steelexp.spec.yaml_tree import Branch, Leaf, Problem, expand, read, surprise_of


def parse(text):
    problems = []
    tree = read(text, "line {}".format, problems)
    return tree, list(map(str, problems))


def value(text):
    tree, problems = parse(f"key: {text}")
    assert problems == []
    return tree.plain()["key"]


class TestPlainValues:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("3", 3),
            ("-3", -3),
            ("0", 0),
            ("0.5", 0.5),
            (".5", 0.5),
            ("1.0e-4", 1e-4),
            ("1.0e+4", 1e4),
            ("true", True),
            ("null", None),
            ("", None),
            ("word", "word"),
            ("a b", "a b"),
            ("'no'", "no"),
            ('"1e-3"', "1e-3"),
            ("'010'", "010"),
            ("[1, 2.5, no more]", [1, 2.5, "no more"]),
            ("[{a: 1}]", [{"a": 1}]),
            ("v1.2.3", "v1.2.3"),
            ("e3", "e3"),
            ("\u0663e1", "\u0663e1"),  # an Arabic digit
        ],
    )
    def test_are_read_as_meant(self, text, meant):
        result = value(text)
        assert (result, type(result)) == (meant, type(meant))

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("1e-3", "1e-3 is read as text by YAML; write 1.0e-3"),
            ("1E5", "1E5 is read as text by YAML; write 1.0e+5"),
            ("-.5e3", "-.5e3 is read as text by YAML; write -0.5e+3"),
            ("2.e4", "2.e4 is read as text by YAML; write 2.0e+4"),
            ("no", "no is read as false by YAML; write false, or 'no' for the word"),
            ("Yes", "Yes is read as true by YAML; write true, or 'Yes' for the word"),
            ("on", "on is read as true by YAML; write true, or 'on' for the word"),
            ("TRUE", "TRUE is read as true by YAML; write true, or 'TRUE' for the word"),
            ("010", "010 is read as 8 by YAML; write 8, or '010' for the word"),
            ("0x1F", "0x1F is read as 31 by YAML; write 31, or '0x1F' for the word"),
            ("1_000", "1_000 is read as 1000 by YAML; write 1000, or '1_000' for the word"),
            ("1_0.5", "1_0.5 is read as 10.5 by YAML; write 10.5, or '1_0.5' for the word"),
            ("1:30", "1:30 is read as 90 by YAML; write 90, or '1:30' for the word"),
            (
                "2026-01-31",
                "2026-01-31 is read as a timestamp by YAML; write '2026-01-31' for the word",
            ),
            ("!!str 5", "tag:yaml.org,2002:str: tags are not taken; remove it"),
        ],
    )
    def test_that_surprise_are_refused(self, text, message):
        _, problems = parse(f"a: 1\nkey: {text}\n")
        assert problems == [f"line 2: key: {message}"]

    def test_that_surprise_in_a_list_are_named_by_place(self):
        _, problems = parse("a:\n  - 1\n  - {b: no}\n")
        assert problems == [
            "line 3: a[1].b: no is read as false by YAML; write false, or 'no' for the word"
        ]

    @settings(deadline=None)
    @given(
        st.from_regex(r"[-+]?[0-9]{1,3}[eE][-+]?[0-9]{1,2}", fullmatch=True)
        | st.from_regex(r"[-+]?([0-9]{1,3}\.[0-9]{0,3}|\.[0-9]{1,3})[eE][0-9]{1,2}", fullmatch=True)
    )
    def test_the_number_to_write_instead_is_the_number_meant(self, text):
        message = surprise_of(text)
        assert message is not None
        better = message.rpartition("write ")[2]
        assert surprise_of(better) is None
        assert yaml.safe_load(better) == pytest.approx(float(text), rel=1e-15)


class TestStructure:
    def test_every_node_knows_its_line(self):
        tree, _ = parse("# a comment\na:\n  b: 1\n  c: {d: [1,\n  2]}\n")
        assert tree.where == "line 2"
        assert tree.items["a"] == Branch(
            {
                "b": Leaf(1, "line 3"),
                "c": Branch({"d": Leaf([1, 2], "line 4")}, "line 4"),
            },
            "line 3",
        )

    def test_a_key_given_twice(self):
        _, problems = parse("a:\n  b: 1\n  c: 2\n  b: 3\na: 4\n")
        assert problems == [
            "line 4: a.b: given twice, first at line 2; keep one",
            "line 5: a: given twice, first at line 2; keep one",
        ]

    def test_an_alias_is_its_anchor(self):
        tree, problems = parse("a: &x {b: 1}\nc: *x\n")
        assert (tree.plain(), problems) == ({"a": {"b": 1}, "c": {"b": 1}}, [])

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\nb: [\n", "line 3: not YAML: while parsing a flow node, expected the node "),
            ("a: 1\nb: c: d\n", "line 2: not YAML: mapping values are not allowed here"),
            ("a: 'x\n", "line 2: not YAML: while scanning a quoted scalar, found unexpected end"),
            ("a: 1\n---\nb: 2\n", "line 2: not YAML: expected a single document in the stream"),
            ("a: 1\nb: \x07\n", "line 2: not YAML: special characters are not allowed"),
            ("a: *b\n", "line 1: not YAML: found undefined alias 'b'"),
            (
                "a: &x {b: *x}\n",
                "line 1: an alias that contains itself; write its content out",
            ),
            ("? [a, b]\n: 1\n", "line 1: a key is one word"),
            ("a: !!python/name:os.system x\n", "line 1: a: tag:yaml.org,2002:python/name:os.sys"),
        ],
    )
    def test_what_is_no_tree_has_one_problem(self, text, message):
        _, problems = parse(text)
        assert len(problems) == 1
        assert problems[0].startswith(message)

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
    def test_nothing_is_no_tree(self, text):
        tree, problems = parse(text)
        assert problems == []
        assert tree is None or tree.value is None


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def variables(self, monkeypatch):
        monkeypatch.setenv("STEELEXP_COUNT", "12")
        monkeypatch.setenv("STEELEXP_EMPTY", "")
        monkeypatch.setenv("STEELEXP_ODD", "1e-3")
        monkeypatch.delenv("STEELEXP_UNSET", raising=False)

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("${STEELEXP_COUNT}", 12),
            ('"${STEELEXP_COUNT}"', "12"),
            ("${STEELEXP_COUNT:-3}", 12),
            ("${STEELEXP_UNSET:-3}", 3),
            ("'${STEELEXP_UNSET:-3}'", "3"),
            ("${STEELEXP_UNSET:-0.5}", 0.5),
            ("${STEELEXP_UNSET:-}", None),
            ("'${STEELEXP_UNSET:-}'", ""),
            ("${STEELEXP_EMPTY:-data/severstal}", "data/severstal"),
            ("a/${STEELEXP_COUNT}/${STEELEXP_UNSET:-b}", "a/12/b"),
            ("'${STEELEXP_ODD}'", "1e-3"),
            ("$STEELEXP_COUNT", "$STEELEXP_COUNT"),
            ("'[${STEELEXP_COUNT}]'", "[12]"),
        ],
    )
    def test_fills_in(self, text, meant):
        result = value(text)
        assert (result, type(result)) == (meant, type(meant))

    def test_a_value_is_never_read_as_structure(self, monkeypatch):
        monkeypatch.setenv("STEELEXP_COUNT", "{a: 1}")
        assert value("${STEELEXP_COUNT}") == "{a: 1}"

    def test_surprises_there_too(self):
        _, problems = parse("key: ${STEELEXP_ODD}")
        assert problems == ["line 1: key: 1e-3 is read as text by YAML; write 1.0e-3"]

    @pytest.mark.parametrize("name", ["STEELEXP_UNSET", "STEELEXP_EMPTY"])
    def test_unset_or_empty_without_a_default_is_refused(self, name):
        message = []
        assert expand(f"a/${{{name}}}", message.append) == f"a/${{{name}}}"
        assert message == [
            f"${{{name}}}: the variable {name} is not set; set it or write ${{{name}:-...}}"
        ]

    @settings(deadline=None)
    @given(st.text(st.characters(exclude_characters="}\0", exclude_categories=["Cs"])))
    def test_a_default_stands_as_it_is_written(self, default):
        with mock.patch.dict(os.environ):
            os.environ.pop("STEELEXP_UNSET", None)
            assert expand(f"<${{STEELEXP_UNSET:-{default}}}>", pytest.fail) == f"<{default}>"


def test_a_problem_without_a_key():
    assert str(Problem("spec.yaml", "", "cannot be read")) == "spec.yaml: cannot be read"
