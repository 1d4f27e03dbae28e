"""The audit of the labels of a data set by runs that have not seen the images."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from steelexp.audit.components import Suspect, suspects
from steelexp.audit.out_of_fold import out_of_fold
from steelexp.audit.suspicion import suspicion
from steelexp.audit.unseen import Unseen, unseen_images
from steelexp.data.dataset import Dataset
from steelexp.inference.scoring import Scorer, build_scorer
from steelexp.plan import Plan
from steelexp.progress import steps
from steelexp.run_model import load_model


class Finding(NamedTuple):
    """A suspect with its suspicion, and the numbers of the runs that scored its image."""

    suspect: Suspect
    suspicion: float
    runs: list[int]


class Audit(NamedTuple):
    """The audit of a data set.

    Attributes:
        plans: Plan of each run.
        scorers: Scorer of the network of each run.
        unseen: Images that each run has not seen.
        findings: Every component, the most suspicious first.
    """

    plans: Sequence[Plan]
    scorers: Sequence[Scorer]
    unseen: Unseen
    findings: list[Finding]

    @property
    def dataset(self) -> Dataset:
        """Data set of all runs."""
        return self.plans[0].dataset

    @property
    def networks(self) -> list[Path]:
        """File of the weights of each run."""
        return [plan.folder.best_weights for plan in self.plans]


def audit(plans: Sequence[Plan], *, min_area: int) -> Audit:
    """Audit the labels of a data set.

    Args:
        plans: Plans of finished runs on the same data set.
        min_area: Least pixels of a component.

    Raises:
        UserError: The runs have other data or classes, or have seen every image.
    """
    unseen = unseen_images(plans)
    scorers = [build_scorer(load_model(plan.folder)) for plan in plans]
    result = Audit(plans, scorers, unseen, [])
    return result._replace(findings=find(result, min_area=min_area))


def find(audit: Audit, *, min_area: int) -> list[Finding]:
    """Score the images of an audit: every component, the most suspicious first."""
    total = int(audit.unseen.by.any(axis=0).sum())
    every: list[Suspect] = []
    runs_of: dict[int, list[int]] = {}
    scored = out_of_fold(audit.scorers, audit.dataset, audit.unseen, networks=audit.networks)
    with steps("auditing", total, every=10.0) as advance:
        for done, (image, runs) in enumerate(scored, start=1):
            every += suspects(image, min_area=min_area)
            runs_of[image.row] = runs
            advance(done)
    return ranked(every, runs_of)


def ranked(every: Sequence[Suspect], runs_of: dict[int, list[int]]) -> list[Finding]:
    """The suspects by their suspicion, the highest first; equals in the order of the images.

    Args:
        every: Suspects.
        runs_of: Number of an image -> numbers of the runs that scored it.
    """
    numbers = suspicion(every)
    order = sorted(range(len(every)), key=lambda n: (-numbers[n], every[n].row, n))
    return [Finding(every[n], float(numbers[n]), runs_of[every[n].row]) for n in order]


def picked_epoch(unseen: Unseen) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each image picked the epoch of every run that scores it, [S]."""
    return np.asarray(unseen.by.any(axis=0) & ~unseen.in_test.any(axis=0))
