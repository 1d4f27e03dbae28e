import json

import pytest

from steelexp.checksum import with_checksum
from steelexp.cores import available_cores
from steelexp.errors import UserError
from steelexp.records import machine, provenance
from steelexp.records.store import RunFolder
from steelexp.training import execution
from steelexp.training.execution import (
    Execution,
    Wishes,
    execution_here,
    execution_of,
    execution_of_run,
    execution_of_weights,
)

RECORDED = Execution(3, True, "folded", adam="fused", gradients="fused", noise="steps")


@pytest.fixture
def here(monkeypatch):
    """This machine has AVX2 and no GPU."""
    monkeypatch.setattr(execution, "features_here", lambda: frozenset(["avx2"]))
    return execution_here()


def write(folder, facts, name="environment.json"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(with_checksum(facts)))
    return folder


def test_a_gpu_decides_before_the_processor():
    both = execution_of(frozenset(["gpu", "avx512", "avx2"]), cores=2)
    assert both == execution_of(frozenset(["gpu"]), cores=2)
    assert both == Execution(threads=2, remapper=True, decoder="plain", adam="plain", noise="steps")


def test_fused_convolutions_are_not_for_avx2():
    """They took ten times as long."""
    assert execution_of(frozenset(["avx2"]), cores=4).remapper is False


def test_xla_needs_the_folded_decoder():
    """It has no gradient of nearest-neighbour upsampling."""
    wanted = Execution(4, remapper=False, decoder="folded", noise="steps", xla=True)
    assert execution_of(frozenset(), cores=4, wishes=Wishes(xla=True)) == wanted


def test_a_spec_chooses_the_form_of_convolutions():
    wishes = Wishes(convolutions="winograd")
    chosen = execution_of(frozenset(["avx2"]), cores=4, wishes=wishes)
    assert chosen == execution_of(frozenset(["avx2"]), cores=4)._replace(convolutions="winograd")


def test_an_unknown_processor_computes_as_the_first_version_did():
    """But for noise, which does not depend on the processor."""
    assert execution_of(frozenset(), cores=8) == Execution(8, False, "plain", noise="steps")


def test_a_run_that_has_not_begun_takes_what_this_machine_does_best(tmp_path, here):
    assert execution_of_run(tmp_path) == here
    assert execution_of_run(tmp_path, new=RECORDED) == RECORDED


def test_a_session_writes_the_choices_and_they_count_from_then_on(tmp_path, here):
    provenance.write_session(RunFolder(tmp_path), RECORDED._asdict())
    written = json.loads((tmp_path / "environment.json").read_text())["execution"]
    assert written == RECORDED._asdict()
    assert execution_of_run(tmp_path) == RECORDED
    assert execution_of_run(tmp_path, new=here) == RECORDED


def test_a_run_of_an_earlier_version_is_computed_as_it_was(tmp_path, here):
    write(tmp_path, {"cores": 5})
    assert execution_of_run(tmp_path) == Execution(5, False, "plain", noise="kernels")
    assert execution_of_weights({"cores": 5}, tmp_path).threads == available_cores()


def test_choices_that_were_added_later_are_those_from_before(tmp_path, here):
    write(tmp_path, {"execution": {"threads": 3, "remapper": True}})
    assert execution_of_run(tmp_path) == Execution(3, True, "plain", noise="kernels")


def test_where_the_first_session_is_damaged_a_later_one_counts(tmp_path, here):
    (tmp_path / "environment.json").write_text("{")
    assert execution_of_run(tmp_path) == here
    write(tmp_path, {"execution": RECORDED._asdict()}, "environment-2.json")
    assert execution_of_run(tmp_path) == RECORDED


@pytest.mark.parametrize(
    "choices", [{"threads": 2, "decoder": "winograd"}, {"threads": 2, "fma": True}, {}, []]
)
def test_choices_of_another_version_are_refused(tmp_path, here, choices):
    write(tmp_path, {"execution": choices})
    with pytest.raises(UserError, match=r"environment\.json: execution: not known to this version"):
        execution_of_run(tmp_path)


def test_weights_are_evaluated_as_the_run_was_computed_where_bits_can_be_equal(
    tmp_path, here, monkeypatch
):
    monkeypatch.setattr(execution, "instruction_sets", lambda: ["avx2"])
    facts = {"execution": RECORDED._asdict(), "instruction_sets": ["avx2"]}
    assert execution_of_weights(facts, tmp_path) == RECORDED
    assert execution_of_weights(facts | {"instruction_sets": ["avx512f"]}, tmp_path) == here


def test_every_feature_has_its_choice():
    assert {*execution._CHOICES, "avx512_bf16"} == set(machine.Feature.__args__)
