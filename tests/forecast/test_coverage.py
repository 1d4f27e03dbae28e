"""Intervals of forecasts hold the truth of simulated curves about as often as they say."""

import pytest

from benchmarks.forecast_coverage import simulate

SCORES = ("score at 1 x largest", "score at 2 x largest", "score at 4 x largest")
SCOPES = ("images like these", "these images")


def test_few_curves():
    coverage, refusals = simulate(12)
    for scope in SCOPES:
        answered = len(coverage[f"{scope}: images at target"].hits)
        refused = sum(count for reason, count in refusals.items() if reason.startswith(scope))
        assert answered + refused == 12
        for score in SCORES:
            assert sum(coverage[f"{scope}: {score}"].hits) >= 8


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_curves():
    coverage, _ = simulate(300)
    for scope in SCOPES:
        for score in SCORES:
            assert 0.85 <= coverage[f"{scope}: {score}"].share <= 0.95  # 0.9, and three errors
        assert coverage[f"{scope}: images at target"].share >= 0.85
