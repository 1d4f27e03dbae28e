"""One number for the suspicion of every component, whatever its kind.

Disagreements of different kinds are not comparable. Outlines of right labels always disagree a
little, and more on small components. One network predicts hundreds of components without a label,
and takes few for another class. So

    suspicion = excess x loss / rank

- The excess of a ragged component is its disagreement beyond the median of the NEIGHBOURS
  components of its class that are nearest in size. That of any other kind is its disagreement.
- The loss is the mean cross-entropy of its pixels, which tells a certain disagreement from a mild
  one.
- The rank is that of the excess among the components of the same kind and class, from 1.

So no kind and no class fills the beginning of the list alone. This rule and the alternatives are
measured in benchmarks/label_errors.py (docs/audit.md).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from steelexp.audit.components import Suspect

NEIGHBOURS: Final = 60

Values = npt.NDArray[np.float64]


def suspicion(suspects: Sequence[Suspect]) -> Values:
    """Suspicion of each component, [N]; higher is more suspicious, 0 is none."""
    numbers = np.zeros(len(suspects))
    kinds: dict[tuple[str, int], list[int]] = {}
    for number, suspect in enumerate(suspects):
        kinds.setdefault((suspect.kind, suspect.label), []).append(number)
    for (kind, _), members in kinds.items():
        excess = np.array([suspects[number].disagreement for number in members])
        if kind == "ragged":
            excess = beyond_usual(excess, np.array([suspects[number].area for number in members]))
        loss = np.array([suspects[number].loss for number in members])
        numbers[members] = excess * loss / ranks(excess)
    return numbers


def beyond_usual(values: Values, areas: npt.NDArray[np.int64]) -> Values:
    """How far each value is above the median of the others that are nearest in area, or 0, [N]."""
    order = np.argsort(areas, kind="stable")
    by_area = values[order]
    excess = np.zeros(len(values))
    for place, number in enumerate(order.tolist()):
        start = max(min(place - NEIGHBOURS // 2, len(values) - NEIGHBOURS - 1), 0)
        others = np.delete(by_area[start : start + NEIGHBOURS + 1], place - start)
        usual = float(np.median(others)) if len(others) else 0.0
        excess[number] = max(float(values[number]) - usual, 0.0)
    return excess


def ranks(values: Values) -> npt.NDArray[np.int64]:
    """Rank of each value, the highest first, from 1; equals in their order, [N]."""
    places = np.empty(len(values), np.int64)
    places[np.argsort(-values, kind="stable")] = np.arange(1, len(values) + 1)
    return places
