"""An .onnx file says that it is damaged before ONNX Runtime, which may crash, reads it."""

import json

import numpy as np
import pytest

from steelexp.errors import UserError
from steelexp.inference.onnx_file import card_bytes, read_onnx_card
from steelexp.inference.predictor import onnx_predictor
from tests.damages import Outcome, damages, write_table
from tests.predictors import card, pixel_onnx


@pytest.fixture
def file(tmp_path):
    return pixel_onnx(tmp_path / "model.onnx")


def test_the_card_comes_back_with_the_hash_of_the_rest(file):
    read = read_onnx_card(file.read_bytes(), file)
    assert read.model_copy(update={"network": None}) == card()
    other = pixel_onnx(file.with_name("other.onnx"), white=100)
    assert read_onnx_card(other.read_bytes(), other).network != read.network


def test_the_same_network_gives_the_same_file(file, tmp_path):
    assert pixel_onnx(tmp_path / "again.onnx").read_bytes() == file.read_bytes()


def test_onnx_itself_reads_the_card(file):
    import onnx

    (entry,) = onnx.load(str(file)).metadata_props
    assert (entry.key, entry.value.encode()) == ("steelexp", card_bytes(file.read_bytes()))


def test_a_flipped_bit_in_any_byte_is_refused(file):
    content = file.read_bytes()
    for number in range(len(content)):
        damaged = bytearray(content)
        damaged[number] ^= 1 << (number % 8)
        with pytest.raises(UserError, match=r"^[^\n]*model\.onnx: [^\n]*export the run again: "):
            read_onnx_card(bytes(damaged), file)


def test_every_damage_is_refused_in_a_line(file):
    content = file.read_bytes()
    outcomes = []
    for damage in damages(file, np.random.default_rng(0), bits=20):
        damage.apply(file)
        with pytest.raises(UserError) as error:
            onnx_predictor(file)
        assert str(error.value).startswith(str(file))
        assert "\n" not in str(error.value)
        outcomes.append(Outcome(file.name, damage.name, "refused"))
        file.write_bytes(content)
    write_table(outcomes)
    assert onnx_predictor(file).card.classes == card().classes


def test_a_changed_rule_is_refused_although_the_card_can_be_read(file):
    content = file.read_bytes()
    file.write_bytes(content.replace(b'"threshold": 0.75', b'"threshold": 0.95', 1))
    with pytest.raises(UserError, match="its model card is damaged"):
        onnx_predictor(file)


def test_the_card_of_another_network_is_refused(file):
    other = pixel_onnx(file.with_name("other.onnx"), white=100)
    content = other.read_bytes()
    stolen = card_bytes(file.read_bytes())
    own = card_bytes(content)
    assert json.loads(stolen)["classes"] == json.loads(own)["classes"]
    other.write_bytes(content.replace(own, stolen))
    with pytest.raises(UserError, match=r"other\.onnx: damaged: not the network that its model"):
        onnx_predictor(other)
