"""Several runs as one network."""

import numpy as np
import pytest

from steelexp.commands.ensemble import asked_ensemble, ensemble_lines
from steelexp.ensemble import ensemble_of_folds, ensemble_of_runs, mean_scorer
from steelexp.errors import UserError
from steelexp.inference.scoring import NetworkScores
from tests.finished_runs import change_record, finished
from tests.simulated_folds import write_folds_study
from tests.simulated_runs import Study


def scorer(pixel, image=None):
    """Scores every pixel of two classes alike."""

    def score(grey):
        shape = (*grey.shape[:3], 2)
        # As build_scorer: the scores of a class lie in one piece.
        scores = np.moveaxis(np.full((shape[0], 2, *shape[1:3]), pixel, np.float32), 1, -1)
        return NetworkScores(scores, None if image is None else np.array([image], np.float32))

    return score


class TestMeanScorer:
    def test_by_hand(self):
        grey = np.zeros((1, 2, 3, 1), np.uint8)
        mean = mean_scorer([scorer(0.2, [0.0, 1.0]), scorer(0.5, [0.5, 1.0]), scorer(0.8, [1, 1])])
        scores = mean(grey)
        assert scores.pixels == pytest.approx(np.full((1, 2, 3, 2), 0.5))
        assert scores.image == pytest.approx(np.array([[0.5, 1.0]]))
        assert mean_scorer([scorer(0.25), scorer(0.75)])(grey).image is None

    def test_one_member_is_that_network_bit_for_bit(self):
        grey = np.zeros((1, 2, 3, 1), np.uint8)
        one = mean_scorer([scorer(0.3)])(grey).pixels
        assert (one == np.float32(0.3)).all()
        assert one.strides == scorer(0.3)(grey).pixels.strides
        assert one.dtype == np.float32

    def test_leaves_the_scores_of_its_members_as_they_are(self):
        kept = scorer(0.2)(np.zeros((1, 2, 3, 1), np.uint8))
        mean_scorer([lambda grey: kept, scorer(0.8)])(np.zeros((1, 2, 3, 1), np.uint8))
        assert (kept.pixels == np.float32(0.2)).all()


class TestMembers:
    @pytest.fixture
    def runs(self, tmp_path):
        return [
            finished(tmp_path / "b4_dice" / str(seed), seed=seed, weights=f"sha {seed}").path
            for seed in range(3)
        ]

    def test_runs_have_the_threshold_of_their_specs(self, runs):
        ensemble = ensemble_of_runs(runs)
        assert [record.seed for record in ensemble.records] == [0, 1, 2]
        assert {each.threshold for each in ensemble.card.classes.values()} == {0.5}
        assert "no rules in common: score threshold 0.5" in " ".join(ensemble_lines(ensemble))
        assert ensemble.card.digest != ensemble_of_runs(runs[:2]).card.digest

    def test_a_run_is_no_member_twice(self, runs):
        with pytest.raises(UserError, match="a member of the ensemble already"):
            ensemble_of_runs([runs[0], runs[1], runs[0]])

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("threshold", 0.4, "the score threshold: 0.4"),
            ("class_weights", {"1": 1.0, "3": 1.0}, "classes"),
            ("white", 4095, "the white level: 4095"),
        ],
    )
    def test_what_does_not_fit_together_is_refused(self, runs, field, value, words):
        change_record(runs[1], **{field: value})
        with pytest.raises(UserError, match=f"{words}.*leave one of them out"):
            ensemble_of_runs(runs)

    def test_one_run_is_no_ensemble(self, runs):
        assert asked_ensemble(runs[0], []) is None
        assert len(asked_ensemble(runs[0], runs[1:]).members) == 3

    def test_an_exported_network_is_no_member(self, runs, tmp_path):
        with pytest.raises(UserError, match="is an exported network"):
            asked_ensemble(tmp_path / "model.onnx", runs)


class TestFolds:
    @pytest.fixture
    def folds(self, tmp_path):
        (folder,) = write_folds_study(tmp_path, Study(effects={"b4_dice": 0.0}, seeds=1))
        return folder

    def test_have_the_rules_from_images_out_of_fold(self, folds):
        ensemble = ensemble_of_folds(folds)
        assert len(ensemble.members) == 3
        assert {each.threshold for each in ensemble.card.classes.values()} == {0.4}
        assert folds.name == f"folds-{ensemble.card.digest}"
        assert "tuned on images out of fold of single members" in ensemble_lines(ensemble)[1]

    def test_a_member_that_was_trained_again_is_named(self, folds):
        member = ensemble_of_folds(folds).members[1]
        change_record(member.path, weights="other")
        with pytest.raises(UserError, match="trained again since"):
            ensemble_of_folds(folds)

    def test_take_no_other_members(self, folds):
        with pytest.raises(UserError, match="has its members"):
            asked_ensemble(folds, [folds])
