"""Checksums of the images in a cache file, checked when an image is first used.

A CRC-32 of 0.4 MB takes 0.1 ms, decoding the JPEG some 4 ms.
"""

import functools
import threading
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Checksums = npt.NDArray[np.uint32]
"""[S, 2] CRC-32 of the grey values and of the mask of each image."""

SAMPLED = 16
"""Images that are checked when a cache is opened, evenly spread: files of another set are wrong in
all of them."""


def checksum(pixels: npt.NDArray[np.generic]) -> int:
    """CRC-32 of an array in one piece."""
    return zlib.crc32(pixels.data)


@functools.lru_cache
def checksum_of_zeros(count: int) -> int:
    """CRC-32 of that many bytes of 0, as a mask without labels has them."""
    return zlib.crc32(bytes(count))


class CacheChecks:
    """The checks of one opened cache.

    Args:
        checksums: Checksums of the images.
        pixels_of: Function (row, part) -> pixels in the cache; part 0 is the image, 1 its mask.
        repair: Function that decodes images again, [K] rows, into the cache.
    """

    def __init__(
        self,
        checksums: Checksums,
        pixels_of: Callable[[int, int], npt.NDArray[np.generic]],
        repair: Callable[[list[int]], None],
    ) -> None:
        self._checksums = checksums
        self._pixels_of = pixels_of
        self._repair = repair
        self._right = [bytearray(len(checksums)) for _ in range(2)]
        self._lock = threading.Lock()

    def sample(self) -> None:
        """Check a few images."""
        for row in np.unique(np.linspace(0, len(self._checksums) - 1, SAMPLED, dtype=int)).tolist():
            for part in range(2):
                self.check(row, part)

    def check(self, row: int, part: int) -> None:
        """Check an image or a mask at its first use; if it is wrong, repair all that are wrong."""
        if self._right[part][row]:
            return
        if not self._is_right(row, part):
            with self._lock:
                if not self._is_right(row, part):  # another thread may have repaired it
                    self._repair(self._wrong_rows())
        self._right[part][row] = 1

    def _is_right(self, row: int, part: int) -> bool:
        return checksum(self._pixels_of(row, part)) == int(self._checksums[row, part])

    def _wrong_rows(self) -> list[int]:
        rows = range(len(self._checksums))
        return [row for row in rows if not all(self._is_right(row, part) for part in range(2))]
