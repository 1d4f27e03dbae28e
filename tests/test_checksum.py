import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from steelexp.checksum import ChecksumError, hash_bytes, with_checksum, without_checksum

VALUES = st.dictionaries(
    st.text().filter(lambda key: key != "checksum"),
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
)


def test_a_checksum_by_hand():
    # echo -n abc | xxhsum -H2
    assert hash_bytes(b"abc") == "06b05ab6733a618578af5f94892f3950"
    checksum = xxhash.xxh3_128_hexdigest(b'{"a":[1,0.5],"b":null}')
    values = {"b": None, "a": [1, 0.5]}
    assert list(with_checksum(values).items()) == [*values.items(), ("checksum", checksum)]


@given(VALUES)
def test_values_come_back(values):
    assert without_checksum(with_checksum(values)) == values


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"a": 1}, "its checksum is missing"),
        (with_checksum({"a": 1}) | {"a": 2}, "its checksum does not match its content"),
        (with_checksum({"a": 1}) | {"b": 2}, "its checksum does not match its content"),
        (with_checksum({"a": 1}) | {"checksum": None}, "its checksum does not match its content"),
        ({"a": float("nan"), "checksum": ""}, "its checksum does not match its content"),
    ],
)
def test_other_values_are_refused(values, why):
    with pytest.raises(ChecksumError, match=why):
        without_checksum(values)


def test_a_value_that_is_not_finite_has_none():
    with pytest.raises(ValueError, match="not JSON compliant"):
        with_checksum({"a": float("inf")})
