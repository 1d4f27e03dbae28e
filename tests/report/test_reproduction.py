from io import StringIO

import pytest
from rich.console import Console

from steelexp.report.reproduction import (
    UNCHANGED,
    change_lines,
    differences,
    headline_table,
    verdict,
)
from tests.finished_runs import METRICS, record

PROVENANCE = {
    "source": "1",
    "commit": "a",
    "branch": "main",
    "dirty": False,
    "python": "3.11.7",
    "libc": "glibc 2.36",
    "processor": "Example CPU",
    "instruction_sets": ["avx2", "avx512f"],
    "cores": 2,
    "variables": {"TF_ENABLE_ONEDNN_OPTS": "1"},
    "packages": {"numpy": "2.2"},
}
BEFORE = record(provenance=PROVENANCE)


def again(**changes):
    return record(provenance=PROVENANCE, metrics=METRICS | changes)


def explanations(before=None, files=None, files_now=None, **changes):
    """Return what is said of a repetition whose provenance changed."""
    earlier = PROVENANCE if before is None else before
    return change_lines(earlier, PROVENANCE | changes, files, files_now or {})


class TestDifferences:
    def test_the_largest_first(self):
        found = differences(BEFORE, again(val_loss=0.25, val_dice_batch=0.5))
        assert [(each.metric, each.size) for each in found] == [
            ("val_dice_batch", 0.25),
            ("val_loss", 0.125),
        ]

    def test_a_metric_that_the_repetition_lacks(self):
        reported = again(val_iou_pooled=0.5)
        found = differences(reported, BEFORE)
        assert [tuple(each) for each in found] == [("val_iou_pooled", 0.5, None)]
        assert verdict(reported, BEFORE, within=1.0)[0] is False

    def test_a_metric_that_an_earlier_version_did_not_report(self):
        assert verdict(BEFORE, again(val_iou_pooled=0.5), within=0.0) == (
            True,
            [
                "All 7 metrics are exactly as reported.",
                "Metrics that were not reported, so not compared: 1.",
            ],
        )


class TestVerdict:
    def test_of_equals(self):
        assert verdict(BEFORE, again(), within=0.0) == (
            True,
            ["All 7 metrics are exactly as reported."],
        )

    @pytest.mark.parametrize(("within", "agrees"), [(0.1, False), (0.125, True)])
    def test_within_what_was_asked(self, within, agrees):
        found, (line,) = verdict(BEFORE, again(val_loss=0.25), within=within)
        assert found is agrees
        assert line == (
            f"1 of 7 metrics differ, at most by 0.12 (val_loss); "
            f"{'all' if agrees else 'not all'} within {within:g}."
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
            ({"python": "3.12.1"}, "Python 3.11.7 -> 3.12.1"),
            ({"libc": "glibc 2.40"}, "C library glibc 2.36 -> glibc 2.40"),
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
                {"packages": {"numpy": "2.4", "h5py": "3.14"}},
                "package h5py not installed -> 3.14; package numpy 2.2 -> 2.4",
            ),
            ({"device": "Example GPU"}, "device CPU -> Example GPU"),
            ({"processor": "Other", "cores": 4}, "processor Example CPU -> Other; cores 2 -> 4"),
        ],
    )
    def test_are_named(self, changes, line):
        assert explanations(PROVENANCE | {"device": "CPU"}, **changes) == [
            f"Changed since: {line}."
        ]

    @pytest.mark.parametrize(
        "changes",
        [
            {"branch": "other"},
            {"commit": "b"},
            {"dirty": True},
            {"platform": "Linux-7"},
            {"other_packages": {"comet-ml": "3.58"}},
        ],
    )
    def test_what_no_number_depends_on_explains_nothing(self, changes):
        assert explanations(**changes) == [UNCHANGED]

    def test_changed_code_is_named_by_file(self):
        before = {"steelexp/plan.py": "1", "steelexp/metrics.py": "1"}
        now = {"steelexp/plan.py": "2", "steelexp/metrics.py": "1"}
        assert explanations(files=before, files_now=now, source="2", commit="b") == [
            "Changed since: code steelexp/plan.py changed.",
            "To see it: git diff a -- steelexp/plan.py",
        ]

    @pytest.mark.parametrize("unsure", [{"dirty": True}, {"commit": "", "dirty": None}])
    def test_a_commit_that_does_not_say_what_ran_is_not_compared_with(self, unsure):
        files = {"steelexp/plan.py": "1"}
        lines = explanations(PROVENANCE | unsure, files, {"steelexp/plan.py": "2"}, source="2")
        assert lines == ["Changed since: code steelexp/plan.py changed."]

    def test_what_an_older_record_lacks_is_not_called_the_same(self):
        older = {key: PROVENANCE[key] for key in ("commit", "dirty", "processor", "packages")}
        (line,) = explanations(older)
        assert line == (
            "Not recorded by the earlier run: code, Python, C library, instruction sets, cores, "
            "environment variables."
        )

    def test_sessions_that_differ_are_said(self):
        mixed = PROVENANCE | {"earlier_sessions": [["cores 2 -> 1"], ["cores 1 -> 2"]]}
        lines = change_lines(mixed, PROVENANCE, None, {})
        assert lines == [UNCHANGED, "Its own sessions differ: cores 2 -> 1; cores 1 -> 2."]

    def test_metrics_of_a_later_evaluation_are_said(self):
        later = PROVENANCE | {"evaluation_changes": ["cores 2 -> 1"]}
        lines = change_lines(later, PROVENANCE, None, {})
        line = "Its metrics were evaluated again after this changed: cores 2 -> 1."
        assert lines == [UNCHANGED, line]


def test_headlines_side_by_side():
    console = Console(file=StringIO(), markup=False, width=100)
    console.print(headline_table(BEFORE, again(val_dice_positive=0.25)))
    out = console.file.getvalue()
    assert "b4_dice 3f9c1a7e, val images" in out
    assert "0.5000 │ 0.2500 │    -0.2500" in out
    assert "0.8750 │ 0.8750 │       none" in out
