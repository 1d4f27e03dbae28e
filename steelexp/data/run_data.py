"""The data of a finished run, read as the run read them."""

from steelexp.data.dataset import Dataset
from steelexp.data.sources import LOADERS
from steelexp.data.white_level import set_white_level
from steelexp.spec.schema import DataSpec

SPLIT = "split.csv"


def read_run_data(section: DataSpec, white: int | None) -> Dataset:
    """The data of a section, by its own white level, or by that of a run for auto.

    Args:
        section: Data section.
        white: White level of the run; None if it had no images of more than 8 bits.

    Raises:
        UserError: The data are missing or wrong.
    """
    dataset: Dataset = section.bind(LOADERS)()
    if section.grey.white == "auto" and white is not None and dataset.depth > 8:
        return set_white_level(dataset, white)
    return set_white_level(dataset, section.grey.white)
