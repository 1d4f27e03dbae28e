from io import StringIO

import pytest
from rich.console import Console

from steelexp.report.reproduction import differences, headline_table, verdict
from tests.finished_runs import METRICS, record

PROVENANCE = {
    "commit": "a",
    "branch": "main",
    "dirty": False,
    "processor": "Example CPU",
    "instruction_sets": ["avx2", "avx512f"],
    "cores": 2,
    "variables": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "packages": {"numpy": "2.2", "comet-ml": None},
}
BEFORE = record(provenance=PROVENANCE)


def again(**changes):
    return record(provenance=PROVENANCE, metrics=METRICS | changes)


def explanations(before=None, **changes):
    """Return what is said of another loss, where the provenance changed too."""
    earlier = record(provenance=PROVENANCE if before is None else before)
    later = record(provenance=PROVENANCE | changes, metrics=METRICS | {"val_loss": 0.25})
    return verdict(earlier, later, within=0.0)[1][1:]


class TestDifferences:
    def test_the_largest_first(self):
        found = differences(BEFORE, again(val_loss=0.25, val_dice_batch=0.5))
        assert [(each.metric, each.size) for each in found] == [
            ("val_dice_batch", 0.25),
            ("val_loss", 0.125),
        ]

    def test_a_metric_that_one_of_them_lacks(self):
        found = differences(BEFORE, again(val_iou_pooled=0.5))
        assert [tuple(each) for each in found] == [("val_iou_pooled", None, 0.5)]
        assert verdict(BEFORE, again(val_iou_pooled=0.5), within=1.0)[0] is False


class TestVerdict:
    def test_of_equals(self):
        assert verdict(BEFORE, again(), within=0.0) == (
            True,
            ["All 7 metrics are exactly as reported."],
        )

    @pytest.mark.parametrize(("within", "agrees"), [(0.1, False), (0.125, True)])
    def test_within_what_was_asked(self, within, agrees):
        found, (line, why) = verdict(BEFORE, again(val_loss=0.25), within=within)
        assert found is agrees
        assert line == (
            f"1 of 7 metrics differ, at most by 0.12 (val_loss); "
            f"{'all' if agrees else 'not all'} within {within:g}."
        )
        assert why == (
            "Commit, packages, processor, instruction sets, cores and environment variables are "
            "the same."
        )

    def test_the_epochs_are_named(self):
        other = record(metrics=METRICS | {"val_loss": 0.25}, best_epoch=4, provenance=PROVENANCE)
        *_, line = verdict(BEFORE, other, within=0.0)[1]
        assert line == "Epochs: 4, the best 3; again 4, the best 4."


class TestChanges:
    @pytest.mark.parametrize(
        ("changes", "line"),
        [
            ({"cores": 1}, "cores 2 -> 1"),
            ({"processor": "Other"}, "processor Example CPU -> Other"),
            ({"dirty": True}, "uncommitted changes False -> True"),
            (
                {"instruction_sets": ["amx_tile", "avx2"]},
                "instruction sets -avx512f +amx_tile",
            ),
            (
                {"variables": {"ONEDNN_MAX_CPU_ISA": "AVX2", "TF_ENABLE_ONEDNN_OPTS": "1"}},
                "ONEDNN_MAX_CPU_ISA not set -> AVX2",
            ),
            ({"variables": {}}, "TF_ENABLE_ONEDNN_OPTS 1 -> not set"),
            (
                {"packages": {"numpy": "2.4", "comet-ml": "3.58"}},
                "comet-ml not installed -> 3.58; numpy 2.2 -> 2.4",
            ),
            ({"commit": "b", "cores": 4}, "commit a -> b; cores 2 -> 4"),
        ],
    )
    def test_are_named(self, changes, line):
        assert explanations(**changes) == [f"Changed since: {line}."]

    def test_another_device(self):
        other = record(
            provenance=PROVENANCE, device="Example GPU", metrics=METRICS | {"val_loss": 0.25}
        )
        assert verdict(BEFORE, other, within=0.0)[1][1:] == [
            "Changed since: device CPU -> Example GPU."
        ]

    def test_the_cores_are_named_once(self):
        other = record(
            provenance=PROVENANCE | {"cores": 1},
            device="CPU, 1 cores",
            metrics=METRICS | {"val_loss": 0.25},
        )
        assert verdict(BEFORE, other, within=0.0)[1][1:] == ["Changed since: cores 2 -> 1."]

    def test_the_name_of_a_branch_explains_nothing(self):
        assert explanations(branch="other") == explanations()

    def test_what_an_older_record_lacks_is_not_called_the_same(self):
        older = {key: PROVENANCE[key] for key in ("commit", "dirty", "processor", "packages")}
        assert explanations(older) == [
            "Not recorded by the earlier run: instruction sets, cores, environment variables."
        ]

    def test_uncommitted_changes_may_differ(self):
        lines = explanations(PROVENANCE | {"dirty": True}, dirty=True)
        assert lines[1:] == [
            "The code may differ: both ran with uncommitted changes; compare their changes.patch."
        ]

    def test_without_a_commit(self):
        lines = explanations(PROVENANCE | {"commit": ""}, commit="")
        assert lines[1:] == ["The code may differ: the earlier run recorded no commit."]


def test_headlines_side_by_side():
    console = Console(file=StringIO(), markup=False, width=100)
    console.print(headline_table(BEFORE, again(val_dice_positive=0.25)))
    out = console.file.getvalue()
    assert "b4_dice 3f9c1a7e, val images" in out
    assert "0.5000 │ 0.2500 │    -0.2500" in out
    assert "0.8750 │ 0.8750 │       none" in out
