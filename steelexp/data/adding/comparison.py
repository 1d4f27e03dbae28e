"""Which images of one data set another one has already, by content or by name."""

from dataclasses import dataclass, field

import numpy as np

from steelexp.data.dataset import Dataset, raise_if


@dataclass(frozen=True)
class Comparison:
    """The images of one data set beside those of another.

    Attributes:
        new: Rows that the other set does not have.
        changed: Row -> row of the same image in the other set, where the labels differ.
        equal: Row -> row of the same image in the other set, where the labels are equal.
    """

    new: list[int] = field(default_factory=list)
    changed: dict[int, int] = field(default_factory=dict)
    equal: dict[int, int] = field(default_factory=dict)


def compare(incoming: Dataset, existing: Dataset, prefix: str) -> Comparison:
    """Compare images and labels.

    An image is the same if its file has the same bytes, or if it has the same name and the same
    pixels, as after a change of compression without loss.

    Args:
        incoming: Data set whose images are looked up, with the classes of the other one.
        existing: Data set that they are looked up in.
        prefix: Text before the names of new images.

    Raises:
        DataError: A new image has the name of another image; all are listed.
    """
    by_name = {name: row for row, name in enumerate(existing.names)}
    by_content = {content: row for row, content in enumerate(existing.image_hashes)}
    comparison = Comparison()
    problems = []
    for row, name in enumerate(incoming.names):
        other = by_content.get(incoming.image_hashes[row])
        namesake = by_name.get(prefix + name)
        if other is None and namesake is not None:
            if not _same_pixels(incoming, row, existing, namesake):
                problems.append(
                    f"{incoming.paths[row]}: the data set has another image of the name "
                    f"{prefix + name}; give the new ones another name with --prefix"
                )
                continue
            other = namesake
        if other is None:
            comparison.new.append(row)
        elif np.array_equal(incoming.mask(row), existing.mask(other)):
            comparison.equal[row] = other
        else:
            comparison.changed[row] = other
    raise_if(problems)
    return comparison


def _same_pixels(incoming: Dataset, row: int, existing: Dataset, other: int) -> bool:
    sizes = incoming.sizes[row], existing.sizes[other]
    return np.array_equal(*sizes) and np.array_equal(incoming.image(row), existing.image(other))
