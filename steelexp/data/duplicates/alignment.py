"""The similarity of two thumbnails once one is moved onto the other.

The flip, the turn and the shift are found by circular cross-correlation. The enhanced correlation
coefficient (Evangelidis and Psarakis, 2008, in OpenCV) refines them to an affine map, which knows
scales. Two images are near-duplicates if they agree on what both show, and if one shows what the
other does, up to a margin.
"""

import cv2
import numpy as np
import numpy.typing as npt
import scipy.fft

from steelexp.data.duplicates.thumbnails import MEAN, ZOOMS, Grey, Zoom, borders, magnify

Floats = npt.NDArray[np.float32]

DUPLICATE = 0.75
"""Minimum similarity of near-duplicates."""

MARGIN = 0.04
"""Largest part of an image's side that may show what the other image does not: 8 of 200 pixels.

Frames of a line that overlap by less are not near-duplicates.
"""

_MIN_START = 0.4  # circular correlation from which on the alignment is refined
_DOUBT = 0.5  # similarity from which on the other magnifications are tried
_MAX_SCALE = 1.3  # of the affine map
_MAX_SHEAR = 0.1  # also bounds small rotations: 6 degrees
_MIN_OVERLAP = 0.7  # share of the thumbnail that is compared
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
_FILTER = 5  # side of the Gaussian filter of the refinement, in pixels


def similarity(a: Grey, b: Grey, zoom: Zoom) -> float:
    """Correlation of two thumbnails on what both show, after alignment, without stripes.

    The alignment starts at one magnification. It can end beside the right place, at a similarity
    between those of unlike and of equal surfaces. Then it starts at the other ones too.

    Args:
        a: [h, w] thumbnail.
        b: [h, w] thumbnail.
        zoom: Magnification of `a` from which the alignment starts.

    Returns:
        At most 1; 0 if they cannot be aligned, if one of them has no contrast, or if each shows
        more than `MARGIN` that the other does not.
    """
    highest = _aligned_similarity(a, b, zoom)
    others = iter([other for other in ZOOMS if other != zoom])
    while _DOUBT <= highest < DUPLICATE and (other := next(others, None)):
        highest = max(highest, _aligned_similarity(a, b, other))
    return highest


def _aligned_similarity(a: Grey, b: Grey, zoom: Zoom) -> float:
    """The similarity if the alignment starts at a magnification of `a`."""
    moved = _level(magnify(a[None], zoom)[0])
    target, shift, start = _first_alignment(moved, _level(b))
    if start < _MIN_START:
        return 0.0
    warp = np.array([[1, 0, -shift[1]], [0, 1, -shift[0]]], np.float32)  # moved -> target
    try:
        # The stubs of OpenCV lack the filter's size.
        refined = cv2.findTransformECC(  # type: ignore[call-overload]
            moved, target, warp, cv2.MOTION_AFFINE, _STEPS, None, _FILTER
        )[1]
    except cv2.error:  # no convergence
        return 0.0
    warp = np.asarray(refined, np.float32)
    if not _plausible(warp, moved.shape, borders(a.shape, zoom)):
        return 0.0
    return _correlation(moved, target, warp)


def _level(thumbnail: Grey) -> Floats:
    return thumbnail.astype(np.float32) - MEAN


def _first_alignment(moved: Floats, b: Floats) -> tuple[Floats, tuple[int, int], float]:
    """The flip or turn of `b` that is nearest, the shift in rows and columns, and its correlation.

    The correlation is circular: what leaves on one side comes in on the other. Half of the size is
    enough for it.
    """
    small = _half(moved)
    views = np.stack(_views(_half(b)))
    height, width = small.shape
    spectra = scipy.fft.rfft2(views).conj()
    correlation = scipy.fft.irfft2(scipy.fft.rfft2(small) * spectra, s=small.shape)
    number, *shift = (int(i) for i in np.unravel_index(correlation.argmax(), correlation.shape))
    length = float(np.linalg.norm(small) * np.linalg.norm(views[number]))
    down = 2 * ((shift[0] + height // 2) % height - height // 2)
    right = 2 * ((shift[1] + width // 2) % width - width // 2)
    target = np.ascontiguousarray(_views(b)[number])
    return target, (down, right), float(correlation.max()) / max(length, 1e-9)


def _half(x: Floats) -> Floats:
    size = (x.shape[1] // 2, x.shape[0] // 2)
    return np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32)


def _views(x: Floats) -> list[Floats]:
    """The 4 flips, and for a square the 4 transposed flips."""
    flips = [x, x[::-1], x[:, ::-1], x[::-1, ::-1]]
    return flips + [flip.T for flip in flips] if x.shape[0] == x.shape[1] else flips


def _plausible(warp: Floats, shape: tuple[int, ...], cut: tuple[int, int]) -> bool:
    """Whether the map is a scale and a shift, and along each axis one image holds the other.

    Args:
        warp: [2, 3] affine map (x, y) of the magnified thumbnail to the other one.
        shape: Height and width of both.
        cut: Rows and columns of `a` on each side that the magnified thumbnail does not show.
    """
    scale = np.diag(warp)
    shear = np.abs(warp[[0, 1], [1, 0]])
    if scale.min() < 1 / _MAX_SCALE or scale.max() > _MAX_SCALE or shear.max() > _MAX_SHEAR:
        return False
    for axis, (side, border) in enumerate(zip(shape[::-1], cut[::-1], strict=True)):
        middle = warp[axis] @ np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1]) + 0.5
        half = scale[axis] * side / 2 * side / (side - 2 * border)  # of the whole image `a`
        over_start = half - middle  # what `a` shows beyond the edges of `b`
        over_end = middle + half - side
        beyond = max(over_start, over_end)
        within = max(-over_start, -over_end)
        if min(beyond, within) > MARGIN * side:
            return False
    return True


def _correlation(moved: Floats, target: Floats, warp: Floats) -> float:
    """Pearson's correlation where both thumbnails show something, without stripes."""
    size = moved.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    aligned = np.asarray(cv2.warpAffine(target, warp, size, flags=flags), np.float32)
    both = cv2.warpAffine(np.ones_like(target), warp, size, flags=flags) > 0.99
    if both.mean() < _MIN_OVERLAP:
        return 0.0
    x = _stripes_removed(moved, both)
    y = _stripes_removed(aligned, both)
    return float((x * y).sum() / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-9))


def _stripes_removed(x: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    """Without the mean of each column and of each row; 0 elsewhere.

    So sheet edges and rolling marks count little. Any two images with such a pattern can be
    aligned, whatever else they show.
    """
    left = np.where(where, x, 0)
    for axis in (0, 1):
        pixels = np.maximum(where.sum(axis=axis, keepdims=True), 1)
        left = np.where(where, left - left.sum(axis=axis, keepdims=True) / pixels, 0)
    return np.asarray(left, np.float32)
