"""How much the label of each component disagrees with scores of networks that have not seen it.

A component has 8 neighbours. A pixel is predicted where its score is at least LEVEL. A component is
covered by a class where at least OVERLAP of its pixels are of that class, as in `detection`.

- missed: a predicted component that no label covers. Its disagreement is the mean score of its
  pixels without a label.
- invented: a labelled component that no prediction covers. Its disagreement is 1 minus the mean
  score of its pixels.
- swapped: a labelled component whose pixels have a higher mean score for another class, which
  covers it. Its disagreement is half of 1 plus the difference of both means.
- ragged: every other labelled component. Beside it lie the predicted components that touch it,
  without what has a label of its own. Its disagreement is the share of both together where they
  differ, weighted with the confidence |2 score - 1| of each pixel.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.counts import Pixels
from steelexp.data.bits import Bits
from steelexp.evaluation.component_confusion import Box, Components, find_components
from steelexp.evaluation.detection import OVERLAP, Mask
from steelexp.inference.scoring import ScoredImage, Scores

LEVEL: Final = 0.5
"""Score from which a pixel is predicted."""

LEAST: Final = 1e-4
"""Least confidence in a label that counts: a cross-entropy of 9.2."""

Kind = Literal["missed", "invented", "swapped", "ragged"]


class Suspect(NamedTuple):
    """A component and how much its label disagrees with the scores.

    Attributes:
        row: Number of the image.
        kind: Kind of the label error that it would be.
        label: Class of the label; of a missed component, the predicted one.
        other: Class that the scores take it for instead; None where they take it for none, or
            where both agree.
        area: Pixels.
        box: Bounding box.
        own_score: Mean score of its pixels for the class `label`.
        other_score: Highest mean score of its pixels for another class.
        disagreement: Disagreement of label and scores, 0 to 1.
        loss: Mean cross-entropy of its pixels for the class `label`.
    """

    row: int
    kind: Kind
    label: int
    other: int | None
    area: int
    box: Box
    own_score: float
    other_score: float
    disagreement: float
    loss: float


def suspects(image: ScoredImage, *, min_area: int) -> Iterator[Suspect]:
    """Every component of an image with its disagreement.

    Args:
        image: Image with its labels, and scores of networks that have not seen it.
        min_area: Least pixels of a component.
    """
    predicted = image.scores >= np.float32(LEVEL)
    for c in range(image.scores.shape[2]):
        regions = find_components(np.ascontiguousarray(predicted[..., c]).view(np.uint8))
        yield from _labelled(image, predicted, c, regions, min_area)
        yield from _missed(image, c, regions, min_area)


def _labelled(
    image: ScoredImage, predicted: npt.NDArray[np.bool_], c: int, regions: Components, min_area: int
) -> Iterator[Suspect]:
    """The labelled components of class c."""
    truth = image.truth(c)
    if not truth.any():
        return
    numbers = _numbers(regions, truth.size)
    components = find_components(truth.view(np.uint8))
    for number in np.flatnonzero(components.areas >= min_area).tolist():
        if number:
            places = components.places(number)
            area = len(places)
            box = components.boxes[number]
            yield _judge(image, predicted, c, places, numbers)._replace(area=area, box=box)


def _judge(
    image: ScoredImage,
    predicted: npt.NDArray[np.bool_],
    c: int,
    places: Pixels,
    numbers: Pixels,
) -> Suspect:
    """The kind and the disagreement of a labelled component; `numbers` are the predicted ones."""
    scores = _flat(image.scores)[places]  # [P, C]
    shares = predicted.reshape(-1, predicted.shape[2])[places].mean(axis=0)
    rival, rival_score = _rival(scores, image.bits.ravel()[places], c)
    own = float(scores[:, c].mean())
    loss = _cross_entropy(scores[:, c])
    box = Box(0, 0, 0, 0)
    suspect = Suspect(image.row, "ragged", c, None, 0, box, own, rival_score, 0.0, loss)
    if rival is not None and rival_score > own and shares[rival] >= OVERLAP:
        doubt = (1 + rival_score - own) / 2
        return suspect._replace(kind="swapped", other=rival, disagreement=doubt)
    if shares[c] < OVERLAP:
        return suspect._replace(kind="invented", disagreement=1 - own)
    return suspect._replace(disagreement=_raggedness(image, c, places, numbers))


def _rival(scores: Scores, bits: Bits, c: int) -> tuple[int | None, float]:
    """The other class with the highest mean score where it has no label, and this score."""
    rival = None
    highest = 0.0
    for k in range(scores.shape[1]):
        mean = float(np.where(bits >> k & 1, 0, scores[:, k]).mean()) if k != c else 0.0
        if mean > highest:
            rival, highest = k, mean
    return rival, highest


def _raggedness(image: ScoredImage, c: int, places: Pixels, numbers: Pixels) -> float:
    """Share of a component and its prediction where both differ, weighted with confidence."""
    touching = np.unique(numbers[places])
    beside = np.isin(numbers, touching[touching > 0]) & (image.bits.ravel() == 0)
    scores = image.scores[..., c].ravel()
    inside = scores[places]
    excess = np.maximum(2 * scores[beside] - 1, 0).sum()
    lack = np.maximum(1 - 2 * inside, 0).sum()
    return float((excess + lack) / (len(places) + np.count_nonzero(beside)))


def _missed(image: ScoredImage, c: int, regions: Components, min_area: int) -> Iterator[Suspect]:
    """The predicted components of class c that no label covers."""
    shares = regions.shares(image.bits, image.scores.shape[2])
    scores = _flat(image.scores)
    bits = image.bits.ravel()
    for number in np.flatnonzero(regions.areas >= min_area).tolist():
        if not number or (shares[number] >= OVERLAP).any():
            continue
        places = regions.places(number)
        bare = scores[places[bits[places] == 0]]
        if not len(bare):
            continue
        own = float(bare[:, c].mean())
        others = np.delete(bare.mean(axis=0), c)
        highest = float(others.max(initial=0.0))
        box = regions.boxes[number]
        loss = _cross_entropy(1 - bare[:, c])
        yield Suspect(image.row, "missed", c, None, len(places), box, own, highest, own, loss)


def region_of(image: ScoredImage, suspect: Suspect) -> Mask:
    """The pixels of a suspect, [H, W]."""
    c = suspect.label
    mask = image.scores[..., c] >= LEVEL if suspect.kind == "missed" else image.truth(c)
    components = find_components(np.ascontiguousarray(mask).view(np.uint8))
    region = np.zeros(mask.size, bool)
    for number, box in enumerate(components.boxes):
        if number and box == suspect.box and components.areas[number] == suspect.area:
            region[components.places(number)] = True
    return region.reshape(mask.shape)


def _numbers(components: Components, size: int) -> Pixels:
    """The number of the component of each pixel of a flat image, 0 for none."""
    numbers = np.zeros(size, np.int64)
    numbers[components.pixels] = components.numbers
    return numbers


def _cross_entropy(confidence: Scores) -> float:
    """Mean cross-entropy of pixels with such a confidence in their label."""
    return float(-np.log(np.maximum(confidence, LEAST)).mean())


def _flat(scores: Scores) -> Scores:
    return scores.reshape(-1, scores.shape[2])
