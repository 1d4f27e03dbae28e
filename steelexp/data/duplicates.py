"""Groups of images that are copies: flipped, turned, slightly shifted, dimmed or recompressed.

Each image becomes a thumbnail; near neighbours among descriptors that none of these changes moves
far are the pairs to compare; a pair whose thumbnails agree pixel by pixel is a copy. Time and
memory grow about linearly with the number of images.
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

COPY = 0.9
"""Likeness from which on two images are copies.

Measured: 99 % of the copies of NEU-Seg's images, shifted by up to 6 of 200 pixels and saved at
JPEG quality 60, reach 0.92, and all such copies of Severstal's images, shifted by up to 5 pixels,
0.93. Of 12,000 images that were drawn apart, no two reach 0.7. Between lie images that share a
part: NEU-Seg has some that differ by a defect pasted in, at 0.55 to 0.95.
"""

SHIFT = 2
"""Pixels of a thumbnail that are searched either way: 6 of 200 x 200, 20 of 256 x 1600."""

_SIDE = 64  # of a square's thumbnail; other shapes have about as many pixels
_BLUR = 1.0  # without it half a pixel's shift costs a copy up to 0.3 of its likeness
_LIGHT = 4.0  # light and shade broader than this are taken out
_FREQUENCIES = 12  # of a descriptor, along each axis
_COMPONENTS = 16  # of the descriptors, kept in the k-d tree
_NEIGHBOURS = 16
_NEAR = 0.3  # between two descriptors; 99 % of the copies measured above are nearer than 0.26
_BLOCK = 256  # pairs compared before the groups are looked at again
_WORKERS = os.cpu_count() or 1


def near_duplicates(
    image: Callable[[int], Grey],
    count: int,
    *,
    report: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.int64]:
    """Group the images that are copies of one another, directly or through other copies.

    Copies are found under flips, turns by 90 degrees, small shifts (`SHIFT`), changes of light and
    contrast, and recompression. An image without any contrast is a copy of none. Which images are
    in a group does not depend on their order.

    Args:
        image: number of an image -> [H, W] uint8 grey. It is called once for each, from several
            threads; as many images are held as there are cores, and a thumbnail of each.
        count: images.
        report: called with images read and images in all, after each.

    Returns:
        [S] group numbers from 0 in the order of first appearance.
    """
    small = list(thumbnails(image, count, report or (lambda done, total: None)))
    groups = DisjointSet(range(count))
    for shape in sorted({thumbnail.shape for thumbnail in small}):
        numbers = [n for n in range(count) if small[n].shape == shape]
        numbers.sort(key=lambda n: small[n].tobytes())  # by content: their order must not matter
        stack = np.array([small[n] for n in numbers])
        for a, b in copies(stack, candidates(descriptors(stack))):
            groups.merge(numbers[a], numbers[b])
    return _numbered([groups[n] for n in range(count)])


def thumbnails(
    image: Callable[[int], Grey], count: int, report: Callable[[int, int], None]
) -> Iterator[Grey]:
    """Read the images on all cores and keep a thumbnail of each, in their order."""
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
    """Shrink to about 64 x 64 pixels, landscape, in the same light and contrast all over.

    A pixel is taken relative to the mean and the standard deviation around it, so that neither
    the lamp nor the sheet's edge outweighs the texture.

    Args:
        grey: [H, W].

    Returns:
        [h, w], multiples of 8 in about the proportion of the sides; 128 is the mean.
    """
    landscape = grey if grey.shape[0] <= grey.shape[1] else grey.T
    x = landscape.astype(np.float32)
    x = cv2.resize(x, _size(*landscape.shape), interpolation=cv2.INTER_AREA).astype(np.float32)
    x = cv2.GaussianBlur(x, (0, 0), _BLUR).astype(np.float32)
    x = x - cv2.GaussianBlur(x, (0, 0), _LIGHT).astype(np.float32)
    variance = cv2.GaussianBlur(x * x, (0, 0), _LIGHT).astype(np.float32)
    # Where there is little contrast, beyond the sheet's edge, noise is not raised to full height.
    x /= np.sqrt(variance + 0.04 * variance.mean() + 1e-6)
    return np.clip(np.rint(128 + 32 * x), 0, 255).astype(np.uint8)


def _size(height: int, width: int) -> tuple[int, int]:
    """Width and height of the thumbnail of a landscape image."""
    stretch = float(np.sqrt(width / height))
    return max(8, round(_SIDE * stretch / 8) * 8), max(8, round(_SIDE / stretch / 8) * 8)


def descriptors(stack: Grey) -> Floats:
    """How strong each low frequency is, which hardly changes from an image to its copy.

    With F the Fourier transform, |F(u, v)| is the same after a circular shift, and the mean square
    over (u, v) and (u, -v), of a square also (v, u) and (v, -u), after flips and turns.

    Args:
        stack: [N, h, w] thumbnails.

    Returns:
        [N, D], each of length 1.
    """
    power = np.concatenate([_power(part) for part in np.array_split(stack, len(stack) // 512 + 1)])
    strength = np.sqrt(power.reshape(len(stack), -1)[:, 1:])  # without (0, 0), the mean
    length = np.linalg.norm(strength, axis=1, keepdims=True)
    return np.asarray(strength / np.maximum(length, 1e-9), np.float32)


def _power(stack: Grey) -> Floats:
    """[N, h, w] -> [N, frequencies, frequencies]."""
    height, width = stack.shape[1:]
    spectrum = np.fft.rfft2(stack.astype(np.float32))  # [N, h, w // 2 + 1]
    u, v = (np.arange(min(_FREQUENCIES, side // 2) + 1) for side in (height, width))
    square = np.abs(spectrum[:, :, v]) ** 2
    power: Floats = square[:, u] + square[:, -u]
    return power + power.transpose(0, 2, 1) if height == width else power


def candidates(descriptor: Floats) -> Pairs:
    """The pairs that may be copies, the nearest first.

    Each image has at most `_NEIGHBOURS` others to be compared with, so that a thousand images of
    one texture cost no more than a thousand different ones; a large group holds together through
    its members.

    Args:
        descriptor: [N, D].

    Returns:
        [P, 2] ascending row numbers.
    """
    rows = np.arange(len(descriptor))
    centred = descriptor - descriptor.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, -_COMPONENTS:]  # principal components
    place = centred @ axes
    k = _NEIGHBOURS + 1  # itself among them
    near = cKDTree(place).query(place, k, distance_upper_bound=_NEAR, workers=-1)[1]
    pairs = np.stack([np.repeat(rows, k), near.ravel()], axis=1)  # row N: there is none so near
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    pairs = pairs[(pairs[:, 0] < pairs[:, 1]) & (pairs[:, 1] < len(rows))]
    apart = np.linalg.norm(descriptor[pairs[:, 0]] - descriptor[pairs[:, 1]], axis=1)
    order = np.argsort(apart, kind="stable")
    return np.asarray(pairs[order[apart[order] < _NEAR]], np.int64)


def copies(stack: Grey, pairs: Pairs) -> list[tuple[int, int]]:
    """The pairs that are copies, without those that follow from the ones before.

    Args:
        stack: [N, h, w] thumbnails.
        pairs: [P, 2] row numbers.
    """
    found = []
    groups = DisjointSet(range(len(stack)))
    with ThreadPoolExecutor(_WORKERS) as pool:
        for start in range(0, len(pairs), _BLOCK):
            block = [
                (a, b)
                for a, b in pairs[start : start + _BLOCK].tolist()
                if not groups.connected(a, b)
            ]
            alike = pool.map(lambda pair: likeness(stack[pair[0]], stack[pair[1]]), block)
            for pair, value in zip(block, alike, strict=True):
                if value >= COPY:
                    groups.merge(*pair)
                    found.append(pair)
    return found


def likeness(a: Grey, b: Grey) -> float:
    """Highest normalised cross-correlation of two thumbnails over flips, turns and small shifts.

    Args:
        a: [h, w].
        b: [h, w].

    Returns:
        At most 1; 0 where one of them has no contrast.
    """
    middle = a[SHIFT:-SHIFT, SHIFT:-SHIFT]
    if middle.min() == middle.max():  # OpenCV calls it like anything
        return 0.0
    return max(
        float(cv2.matchTemplate(turned, middle, cv2.TM_CCOEFF_NORMED).max())
        for turned in _symmetries(b)
    )


def _symmetries(thumbnail: Grey) -> Iterator[Grey]:
    """The 4 flips, and of a square the 4 that swap its axes."""
    height, width = thumbnail.shape
    for axes in ((), (0,), (1,), (0, 1)):
        flipped = np.flip(thumbnail, axes)
        yield np.ascontiguousarray(flipped)
        if height == width:
            yield np.ascontiguousarray(flipped.T)


def _numbered(labels: list[int]) -> npt.NDArray[np.int64]:
    """Number groups from 0 in the order of first appearance."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(label, len(first)) for label in labels], np.int64)
