"""Every reader on changed files: some examples here, any number with `make fuzz`."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.checks import check, examples
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_a_file_holds_it_is_read_or_refused(name):
    target = TARGETS[name]

    @given(examples(target))
    @settings(
        max_examples=target.examples,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def read(content):
        check(target, content)

    read()


@pytest.mark.parametrize("name", TARGETS)
def test_a_valid_content_is_read(name):
    target = TARGETS[name]
    outcomes = [check(target, content) for content in target.contents()]
    assert any(not isinstance(each, target.errors) for each in outcomes), outcomes
