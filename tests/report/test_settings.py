from steelexp.report.runs import read_run
from steelexp.report.settings import differing
from tests.finished_runs import unfinished


def test_only_what_differs_is_kept(tmp_path):
    one, other = (
        read_run(unfinished(tmp_path / str(seed), seed=seed, loss=loss))
        for seed, loss in ((1, {"name": "dice"}), (2, {"name": "focal", "gamma": 1.0}))
    )
    found = differing([one, other])
    assert found[one.anchor]["seed"] == "1"
    assert found[other.anchor]["loss.gamma"] == "1.0"
    assert "loss.gamma" not in found[one.anchor]
    assert "optimizer.name" not in found[one.anchor]
