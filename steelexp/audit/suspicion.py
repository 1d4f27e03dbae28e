"""One number for the suspicion of every component, whatever its kind."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steelexp.audit.components import Suspect


def suspicion(suspects: Sequence[Suspect]) -> npt.NDArray[np.float64]:
    """Suspicion of each component, [N]; higher is more suspicious."""
    return np.array([each.disagreement for each in suspects], np.float64)
