"""Sources of data sets, by the name of `data.source`."""

from collections.abc import Callable

from steelexp.data.dataset import Dataset
from steelexp.data.mask_folder import mask_folder
from steelexp.data.severstal import severstal
from steelexp.data.synthetic import synthetic

SOURCES: dict[str, Callable[..., Dataset]] = {
    "severstal": severstal,
    "mask_folder": mask_folder,
    "synthetic": synthetic,
}
