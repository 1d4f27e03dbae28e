from io import StringIO

import pytest
from rich.console import Console

from steelexp.report.reproduction import differences, headline_table, verdict
from tests.finished_runs import METRICS, record

BEFORE = record(provenance={"commit": "a", "cores": 2, "packages": {"numpy": "2.2"}})


def again(**changes):
    return record(provenance=BEFORE.provenance, metrics=METRICS | changes)


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
        assert why == "Code, packages and machine are the same."

    def test_what_has_changed_is_named(self):
        other = record(
            metrics=METRICS | {"val_loss": 0.25},
            device="GPU",
            best_epoch=4,
            provenance={"commit": "a", "cores": 2, "packages": {"numpy": "2.4"}},
        )
        _, (_, *lines) = verdict(BEFORE, other, within=0.0)
        assert lines == [
            "Changed since: device CPU, 2 cores -> GPU; numpy 2.2 -> 2.4.",
            "Epochs: 4, the best 3; again 4, the best 4.",
        ]


def test_headlines_side_by_side():
    console = Console(file=StringIO(), width=100)
    console.print(headline_table(BEFORE, again(val_dice_positive=0.25)))
    out = console.file.getvalue()
    assert "b4_dice 3f9c1a7e, val images" in out
    assert "0.5000 │ 0.2500 │    -0.2500" in out
    assert "0.8750 │ 0.8750 │       none" in out
