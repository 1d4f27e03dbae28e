"""Does a classification head rank images better than the highest pixel, and by which pooling?

    python -m benchmarks.head_pooling RUN...

Each run has a head. Its weights do not depend on the pooling, so mean and window_maximum, which are
one on a training tile, are compared on the same weights. log_sum_exp trains otherwise: give a run
of its own. Average precision of the validation images that hold a class, the mean over classes.
"""

import sys
from pathlib import Path

import numpy as np

from steelexp.evaluation.head_report import RankingCounter, head_report
from steelexp.inference.scoring import build_scorer, score_images
from steelexp.network import network_without_weights
from steelexp.plan import SpecModel, prepare
from steelexp.records.store import RunFolder
from steelexp.spec import load
from steelexp.training import checkpoint

POOLINGS = ("mean", "window_maximum", "log_sum_exp")
PIXELS_PER_BATCH = 2**21


def main(folders):
    """Print a row for each run and pooling."""
    print(f"{'trained with':16}{'pooled by':16}{'image score':>12}{'highest pixel':>15}")
    for path in folders:
        folder = RunFolder(path)
        spec = load(folder.file("spec.yaml"), model=SpecModel)
        plan = prepare(spec, path.parents[1])
        for pooling in POOLINGS:
            head = spec.head.model_copy(update={"pooling": pooling})
            pooled = spec.model_copy(update={"head": head})
            model = network_without_weights(pooled, plan.class_count, decoder="folded")
            checkpoint.load_weights(folder.best_weights, model, plan.digest)
            ranking = ranking_of(model, plan)
            each = head_report(plan.dataset.classes, ranking).classes.values()
            by_head, by_peak = (
                np.mean([v for one in each if (v := getattr(one, name)) is not None])
                for name in ("average_precision", "peak_average_precision")
            )
            print(f"{spec.head.pooling:16}{pooling:16}{by_head:12.3f}{by_peak:15.3f}")


def ranking_of(model, plan):
    """Scores of the validation images."""
    counter = RankingCounter()
    images = score_images(
        build_scorer(model), plan.dataset, plan.split.val, max_pixels=PIXELS_PER_BATCH
    )
    for image in images:
        counter.add(image)
    return counter.ranking


if __name__ == "__main__":
    main([Path(argument).resolve() for argument in sys.argv[1:]])
