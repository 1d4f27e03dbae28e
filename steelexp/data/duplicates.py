"""Groups of near-duplicates: images equal up to flips, rotations, small shifts, light and JPEG.

Each image is reduced to a thumbnail and a descriptor that hardly changes under these operations.
Nearest neighbours of the descriptors are candidates. A candidate pair whose thumbnails agree pixel
by pixel is a pair of near-duplicates. Time and memory grow about linearly with the images.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import cv2
import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet
from scipy.spatial import cKDTree

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Pairs = npt.NDArray[np.int64]

DUPLICATE = 0.9
"""Minimum similarity of near-duplicates.

Measured: 99 % of the duplicates of NEU-Seg's images, shifted by up to 6 of 200 pixels and saved at
JPEG quality 60, have at least 0.92. All such duplicates of Severstal's images, shifted by up to 5
pixels, have at least 0.93. No two of 12,000 images that were generated separately reach 0.7. Images
that share a part lie between: NEU-Seg has some that differ by a pasted defect, at 0.55 to 0.95.
"""

MAX_SHIFT = 2
"""Largest shift in pixels of a thumbnail: 6 pixels of 200 x 200, 20 pixels of 256 x 1600."""

_SIDE = 64  # side of a square thumbnail; other shapes have about as many pixels
_BLUR = 1.0  # without it, a shift by half a pixel reduces the similarity by up to 0.3
_LIGHT = 4.0  # sigma of the mean and variance by which a thumbnail is normalised
_FREQUENCIES = 12  # frequencies of a descriptor along each axis
_COMPONENTS = 16  # principal components of the descriptors in the k-d tree
_NEIGHBOURS = 16
_MAX_DISTANCE = 0.3  # of two descriptors; 99 % of the duplicates measured above have less than 0.26
_BLOCK = 256  # pairs compared in parallel before the groups are updated
_WORKERS = os.cpu_count() or 1


def near_duplicates(
    image: Callable[[int], Grey],
    count: int,
    *,
    report: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """Group near-duplicates: images connected by a chain of duplicate pairs.

    Duplicates may differ by flips, rotations by 90 degrees, small shifts (`MAX_SHIFT`), light,
    contrast and recompression. An image without contrast has no duplicates. The groups do not
    depend on the order of the images.

    Args:
        image: Function image number -> [H, W] uint8 grey. It is called once per image, from several
            threads. As many images as cores are in memory, and a thumbnail of each image.
        count: Number of images.
        report: Progress callback, called with the number of images read and `count`.

    Returns:
        [S] group of each image, numbered from 0 in the order of first appearance.
    """
    small_images = list(thumbnails(image, count, report or (lambda done, total: None)))
    groups = DisjointSet(range(count))
    for shape in sorted({thumbnail.shape for thumbnail in small_images}):
        numbers = [n for n in range(count) if small_images[n].shape == shape]
        numbers.sort(key=lambda n: small_images[n].tobytes())  # independent of their order
        stack = np.array([small_images[n] for n in numbers])
        for a, b in duplicate_pairs(stack, candidate_pairs(descriptors(stack))):
            groups.merge(numbers[a], numbers[b])
    return _renumber([groups[n] for n in range(count)])


def thumbnails(
    image: Callable[[int], Grey], count: int, report: Callable[[int, int], None]
) -> Iterator[Grey]:
    """Read the images on all cores and yield their thumbnails in order."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[Grey]] = deque()
        for n in range(count):
            waiting.append(pool.submit(lambda n: thumbnail(image(n)), n))
            if len(waiting) > 4 * _WORKERS:
                yield waiting.popleft().result()
                report(n + 1 - len(waiting), count)
        while waiting:
            yield waiting.popleft().result()
            report(count - len(waiting), count)


def thumbnail(grey: Grey) -> Grey:
    """Reduce an image to about 64 x 64 pixels, in landscape format, with local normalisation.

    Each pixel is normalised by the mean and the standard deviation around it, so that neither the
    lamp nor the sheet's edge outweighs the texture.

    Args:
        grey: [H, W] image.

    Returns:
        [h, w], multiples of 8 in about the aspect ratio of the image; 128 is the mean.
    """
    landscape = grey if grey.shape[0] <= grey.shape[1] else grey.T
    x = landscape.astype(np.float32)
    x = cv2.resize(x, _size(*landscape.shape), interpolation=cv2.INTER_AREA).astype(np.float32)
    x = cv2.GaussianBlur(x, (0, 0), _BLUR).astype(np.float32)
    x = x - cv2.GaussianBlur(x, (0, 0), _LIGHT).astype(np.float32)
    variance = cv2.GaussianBlur(x * x, (0, 0), _LIGHT).astype(np.float32)
    # The constant keeps noise low where there is little contrast, beyond the sheet's edge.
    x /= np.sqrt(variance + 0.04 * variance.mean() + 1e-6)
    return np.clip(np.rint(128 + 32 * x), 0, 255).astype(np.uint8)


def _size(height: int, width: int) -> tuple[int, int]:
    """Width and height of the thumbnail of a landscape image."""
    stretch = float(np.sqrt(width / height))
    return max(8, round(_SIDE * stretch / 8) * 8), max(8, round(_SIDE / stretch / 8) * 8)


def descriptors(stack: Grey) -> Floats:
    """Amplitudes of low frequencies, which hardly differ between near-duplicates.

    With F the Fourier transform, |F(u, v)| is invariant under circular shifts. Its mean square over
    (u, v) and (u, -v), and for squares (v, u) and (v, -u), is invariant under flips and rotations.

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
    spectrum = np.fft.rfft2(stack.astype(np.float32))  # [N, h, w // 2 + 1]
    u, v = (np.arange(min(_FREQUENCIES, side // 2) + 1) for side in (height, width))
    square = np.abs(spectrum[:, :, v]) ** 2
    power: Floats = square[:, u] + square[:, -u]
    return power + power.transpose(0, 2, 1) if height == width else power


def candidate_pairs(descriptor: Floats) -> Pairs:
    """Pairs that may be near-duplicates, the nearest first.

    Each image is compared with at most `_NEIGHBOURS` others, so that a thousand images of one
    texture take no longer than a thousand different ones. A large group is connected through its
    members.

    Args:
        descriptor: [N, D] descriptors.

    Returns:
        [P, 2] row numbers, ascending in each pair.
    """
    rows = np.arange(len(descriptor))
    centred = descriptor - descriptor.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, -_COMPONENTS:]  # principal components
    points = centred @ axes
    k = _NEIGHBOURS + 1  # with the image itself
    neighbours = cKDTree(points).query(points, k, distance_upper_bound=_MAX_DISTANCE, workers=-1)[1]
    pairs = np.stack([np.repeat(rows, k), neighbours.ravel()], axis=1)  # N where there are fewer
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    pairs = pairs[(pairs[:, 0] < pairs[:, 1]) & (pairs[:, 1] < len(rows))]
    distance = np.linalg.norm(descriptor[pairs[:, 0]] - descriptor[pairs[:, 1]], axis=1)
    order = np.argsort(distance, kind="stable")
    return np.asarray(pairs[order[distance[order] < _MAX_DISTANCE]], np.int64)


def duplicate_pairs(stack: Grey, pairs: Pairs) -> list[tuple[int, int]]:
    """Pairs of near-duplicates, except pairs that earlier ones already connect.

    Args:
        stack: [N, h, w] thumbnails.
        pairs: [P, 2] row numbers of the candidates.
    """
    duplicates = []
    groups = DisjointSet(range(len(stack)))
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(pairs), _BLOCK):
            block = [
                (a, b)
                for a, b in pairs[start : start + _BLOCK].tolist()
                if not groups.connected(a, b)
            ]
            similarities = pool.map(lambda pair: similarity(stack[pair[0]], stack[pair[1]]), block)
            for pair, value in zip(block, similarities, strict=True):
                if value >= DUPLICATE:
                    groups.merge(*pair)
                    duplicates.append(pair)
    return duplicates


def similarity(a: Grey, b: Grey) -> float:
    """Highest normalised cross-correlation of two thumbnails over flips, rotations and shifts.

    Args:
        a: [h, w] thumbnail.
        b: [h, w] thumbnail.

    Returns:
        At most 1; 0 if one of them has no contrast.
    """
    middle = a[MAX_SHIFT:-MAX_SHIFT, MAX_SHIFT:-MAX_SHIFT]
    if middle.min() == middle.max():  # OpenCV would return 1 for any image
        return 0.0
    return max(
        float(cv2.matchTemplate(view, middle, cv2.TM_CCOEFF_NORMED).max())
        for view in _symmetries(b)
    )


def _symmetries(thumbnail: Grey) -> Iterator[Grey]:
    """The 4 flips, and for a square the 4 transposed flips."""
    height, width = thumbnail.shape
    for axes in ((), (0,), (1,), (0, 1)):
        flipped = np.flip(thumbnail, axes)
        yield np.ascontiguousarray(flipped)
        if height == width:
            yield np.ascontiguousarray(flipped.T)


def _renumber(labels: list[int]) -> npt.NDArray[np.int64]:
    """Number groups from 0 in the order of first appearance."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(label, len(first)) for label in labels], np.int64)
