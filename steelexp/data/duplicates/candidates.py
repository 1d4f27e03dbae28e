"""Candidates: pairs of thumbnails that may show one surface, found without comparing all pairs.

A descriptor hardly changes under shifts, flips and turns. A crop changes it. So each thumbnail asks
for the neighbours of several magnified versions of itself.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.spatial import cKDTree

from steelexp.data.duplicates.thumbnails import MEAN, ZOOMS, Grey, magnify

Floats = npt.NDArray[np.float32]

_FREQUENCIES = 12  # frequencies of a descriptor along each axis
_COMPONENTS = 12  # principal components of the descriptors in the k-d tree
_NEIGHBOURS = 8  # of each magnified version
_APPROXIMATION = 0.3  # neighbours may be this much farther than the nearest ones; halves the time
_CANDIDATES = 16  # of each thumbnail, over all versions
_MAX_DISTANCE = 0.45  # of two descriptors
_ROWS = 4096  # thumbnails looked up at a time; bounds the memory


class Candidates(NamedTuple):
    """Pairs that may be near-duplicates, the nearest first.

    Attributes:
        rows: [P] row of one thumbnail.
        neighbours: [P] row of the other.
        zooms: [P] number of the magnification of the first one at which they are nearest.
    """

    rows: npt.NDArray[np.int64]
    neighbours: npt.NDArray[np.int64]
    zooms: npt.NDArray[np.int64]


def candidate_pairs(stack: Grey) -> Candidates:
    """Find the nearest neighbours of each thumbnail.

    Each is compared with a bounded number of others, so that a thousand images of one texture take
    no longer than a thousand different ones. A large group is connected through its members.

    Args:
        stack: [N, h, w] thumbnails.
    """
    plain = descriptors(stack)
    mean = plain.mean(axis=0)
    centred = plain - mean
    axes = np.linalg.eigh(centred.T @ centred)[1][:, -_COMPONENTS:]  # principal components
    tree = cKDTree(centred @ axes)
    pairs = []
    for start in range(0, len(stack), _ROWS):
        versions = [magnify(stack[start : start + _ROWS], zoom) for zoom in ZOOMS]
        points = np.stack([(descriptors(version) - mean) @ axes for version in versions], axis=1)
        pairs.append(_nearest(tree, points, start))
    return _unique(np.concatenate(pairs))


def descriptors(stack: Grey) -> Floats:
    """Amplitudes of low frequencies, which hardly differ between near-duplicates.

    With F the Fourier transform under a Hann window, |F(u, v)| changes little under shifts. Its
    mean square over (u, v) and (u, -v), and for squares (v, u) and (v, -u), is invariant under
    flips and rotations.

    Args:
        stack: [N, h, w] thumbnails.

    Returns:
        [N, D] descriptors of length 1.
    """
    power = np.concatenate([_power(part) for part in np.array_split(stack, len(stack) // 512 + 1)])
    amplitude = np.sqrt(power.reshape(len(stack), -1)[:, 1:])  # without (0, 0), the mean
    length = np.linalg.norm(amplitude, axis=1, keepdims=True)
    return np.asarray(amplitude / np.maximum(length, 1e-9), np.float32)


def _power(stack: Grey) -> Floats:
    """Power of the low frequencies: [N, h, w] -> [N, frequencies, frequencies]."""
    height, width = stack.shape[1:]
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    x = (stack.astype(np.float32) - MEAN) * window.astype(np.float32)
    spectrum = scipy.fft.rfft2(x)  # [N, h, w // 2 + 1]
    u, v = (np.arange(min(_FREQUENCIES, side // 2) + 1) for side in (height, width))
    square = np.abs(spectrum[:, :, v]) ** 2
    power: Floats = square[:, u] + square[:, -u]
    return power + power.transpose(0, 2, 1) if height == width else power


def _nearest(tree: cKDTree, points: Floats, start: int) -> npt.NDArray[np.void]:
    """The nearest neighbours of some thumbnails over their magnified versions.

    Args:
        tree: k-d tree of all thumbnails.
        points: [R, zooms, components].
        start: Row of the first thumbnail.

    Returns:
        [P] records of distance, row, neighbour and zoom; fewer than R times `_CANDIDATES`.
    """
    rows = len(points)
    distance, neighbour = tree.query(
        points.reshape(-1, points.shape[2]),
        _NEIGHBOURS + 1,  # with the thumbnail itself
        eps=_APPROXIMATION,
        distance_upper_bound=_MAX_DISTANCE,
        workers=-1,
    )
    distance = distance.reshape(rows, -1)  # [R, zooms * neighbours], infinite beyond the limit
    distance[neighbour.reshape(rows, -1) == start + np.arange(rows)[:, None]] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :_CANDIDATES]
    pairs = np.empty(nearest.shape, [("distance", "f4"), ("a", "i8"), ("b", "i8"), ("zoom", "i8")])
    pairs["distance"] = np.take_along_axis(distance, nearest, axis=1)
    pairs["a"] = start + np.arange(rows)[:, None]
    pairs["b"] = np.take_along_axis(neighbour.reshape(rows, -1), nearest, axis=1)
    pairs["zoom"] = nearest // (_NEIGHBOURS + 1)
    candidates: npt.NDArray[np.void] = pairs[np.isfinite(pairs["distance"])]
    return candidates


def _unique(pairs: npt.NDArray[np.void]) -> Candidates:
    """Each pair once, as it is nearest, in the order of the distance."""
    order = np.lexsort([pairs[field] for field in ("zoom", "b", "a", "distance")])
    pairs = pairs[order]
    ends = np.sort([pairs["a"], pairs["b"]], axis=0).T
    first = np.sort(np.unique(ends, axis=0, return_index=True)[1])
    return Candidates(pairs["a"][first], pairs["b"][first], pairs["zoom"][first])
