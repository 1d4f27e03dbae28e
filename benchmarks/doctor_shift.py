"""Sets whose labels the doctor calls shifted by one image, as they are and shifted.

    python benchmarks/doctor_shift.py ROOT ...

Each root is a data set that `data doctor` recognises. Parts of 50 and 100 images in a row are drawn
at random. The thresholds were chosen on 120 generated strips of seed 6 and on the test part of
NEU-Seg.
"""

import functools
import sys
from pathlib import Path

import numpy as np

from steelexp.data.decoding import read_grey
from steelexp.data.doctor.shift import find_shift
from steelexp.data.doctor.survey import survey_folder

REPEATS = 20


@functools.lru_cache(maxsize=6000)
def grey_of(path):
    """Grey values of an image."""
    return read_grey(path)


@functools.lru_cache(maxsize=6000)
def mask_of(image):
    """Labelled pixels of an image."""
    bits, _ = image.read_labels(grey_of(image.path).shape)
    return None if bits is None else (bits > 0).astype(np.uint8)


class Part:
    """Images in a row whose labels are those of the image `by` places further, from `start` on."""

    def __init__(self, images, by, start=0):
        self.images = images
        self.by = by
        self.start = start

    def image(self, row):
        """Grey values; None beyond the part."""
        inside = 0 <= row < len(self.images)
        return grey_of(self.images[row].path) if inside else None

    def mask(self, row):
        """Labelled pixels."""
        other = row + self.by if row >= self.start else row
        if not 0 <= other < len(self.images):
            return None
        return mask_of(self.images[other])

    def shift(self):
        """What the doctor finds."""
        rows = [row for row in range(len(self.images)) if self.is_labelled(row)]
        return find_shift(rows, self.image, self.mask) if rows else None

    def is_labelled(self, row):
        """Whether the image has a label."""
        mask = self.mask(row)
        return mask is not None and bool(mask.any())


def main():
    """Print how many parts are called shifted."""
    rng = np.random.default_rng(0)
    for root in map(Path, sys.argv[1:]):
        files = survey_folder(root, None)
        for part in sorted({image.part for image in files.images}):
            images = [image for image in files.images if image.part == part]
            for size in (len(images),) if len(images) < 30 else (50, 100):
                if size > len(images):
                    continue
                repeats = 1 if size == len(images) else REPEATS
                starts = rng.integers(0, len(images) - size + 1, repeats).tolist()
                said = dict.fromkeys(("as it is", "by 1", "by -1", "by 1 from the middle"), 0)
                for at in starts:
                    some = images[at : at + size]
                    for name, by, start in (
                        ("as it is", 0, 0),
                        ("by 1", 1, 0),
                        ("by -1", -1, 0),
                        ("by 1 from the middle", 1, size // 2),
                    ):
                        said[name] += Part(some, by, start).shift() is not None
                counts = ", ".join(f"{name} {count}" for name, count in said.items())
                print(f"{root} {part}: of {repeats} parts of {size} images, shifted: {counts}")


if __name__ == "__main__":
    main()
