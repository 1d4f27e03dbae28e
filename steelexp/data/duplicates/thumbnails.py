"""Thumbnails by which images of any size are compared.

A thumbnail has one of a few shapes, and an image is squeezed to the shape that is nearest to its
aspect ratio. An image between two shapes gets a thumbnail of both. So a crop of an image shares a
shape with it.
"""

import itertools
import math

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Zoom = tuple[float, float]

MEAN = 128
"""Grey level of a thumbnail where the image is as bright as its neighbourhood."""

ZOOMS: tuple[Zoom, ...] = tuple(itertools.product((1.0, 1.07, 1.14), (1.0, 1.07, 1.14)))
"""Factors by which the height and the width of a thumbnail are magnified to find its crops.

Between two of them a descriptor loses little: a scale of 3.5 % is a shift of 0.4 frequencies at the
highest.
"""

_SIDE = 64  # side of a square thumbnail; other shapes have about as many pixels
_BLUR = 1.0  # without it, a shift by half a pixel reduces the similarity by up to 0.3
_LIGHT = 4.0  # sigma of the mean and variance by which a thumbnail is normalised
_BLACK = 30  # grey level up to which a pixel can be black
_DARK = 0.3  # of the 99th percentile of an image, for dark steel
_BRIGHT_SHARE = 0.05  # share of brighter pixels in a row or column from which on it shows steel
_LEAST_STEEL = 0.05  # of a side
_CONTRAST = 32  # grey levels of one standard deviation
_STEP = math.log(1.25)  # between the aspect ratios of two shapes
_SAME_ASPECT = math.log(1.1)  # images whose aspect ratios differ by less share a shape


def thumbnails(grey: Grey) -> dict[tuple[int, int], Grey]:
    """Reduce an image to thumbnails, by shape.

    Each pixel is normalised by the mean and the standard deviation around it, so that neither the
    lamp nor the sheet's edge outweighs the texture. If over half of an image is black beyond the
    sheet's edge, the steel alone has thumbnails as well.

    Args:
        grey: [H, W] image.

    Returns:
        [h, w] in landscape format, h and w multiples of 8, by shape; one to four.
    """
    steel = grey[black_removed(grey)]
    parts = [steel, grey] if 2 * steel.size < grey.size else [grey]
    landscapes = [part if part.shape[0] <= part.shape[1] else part.T for part in parts]
    return {
        shape: _thumbnail(landscape, shape)
        for landscape in landscapes
        for shape in shapes(*landscape.shape)
    }


def black_removed(grey: Grey) -> tuple[slice, slice]:
    """Rows and columns of an image without those at its borders that are black.

    A thumbnail of an image that is mostly black shows little steel, too little to find a copy. An
    image stays whole if a side would lose over 95 %.

    Args:
        grey: [H, W] image.
    """
    bright = grey > min(_BLACK, _DARK * float(np.percentile(grey[::4, ::4], 99)))
    slices = []
    for axis in (0, 1):
        lines = np.flatnonzero(bright.mean(axis=1 - axis) >= _BRIGHT_SHARE)
        first, end = (int(lines[0]), int(lines[-1]) + 1) if len(lines) else (0, 0)
        whole = end - first < max(8, _LEAST_STEEL * grey.shape[axis])
        slices.append(slice(None) if whole else slice(first, end))
    return slices[0], slices[1]


def shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Shapes (h, w) of the thumbnails of a landscape image, ascending in their aspect ratio.

    Two images whose aspect ratios differ by at most a factor of 1.1 share a shape.
    """
    position = math.log(width / height) / _STEP
    reach = (1 + _SAME_ASPECT / _STEP) / 2
    first = max(0, math.ceil(position - reach))
    return [_shape(number) for number in range(first, math.floor(position + reach) + 1)]


def _shape(number: int) -> tuple[int, int]:
    stretch = math.exp(number * _STEP / 2)
    return max(8, round(_SIDE / stretch / 8) * 8), max(8, round(_SIDE * stretch / 8) * 8)


def _thumbnail(landscape: Grey, shape: tuple[int, int]) -> Grey:
    x = landscape.astype(np.float32)
    x = cv2.resize(x, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    x = cv2.GaussianBlur(x, (0, 0), _BLUR).astype(np.float32)
    x = x - cv2.GaussianBlur(x, (0, 0), _LIGHT).astype(np.float32)
    variance = cv2.GaussianBlur(x * x, (0, 0), _LIGHT).astype(np.float32)
    # The constant keeps noise low where there is little contrast, beyond the sheet's edge.
    x /= np.sqrt(variance + 0.04 * variance.mean() + 1e-6)
    return np.clip(np.rint(MEAN + _CONTRAST * x), 0, 255).astype(np.uint8)


def magnify(stack: Grey, zoom: Zoom) -> Grey:
    """Magnify the middle of thumbnails to their whole size.

    Args:
        stack: [N, h, w] thumbnails.
        zoom: Factor by which the height and the width are magnified, at least 1.

    Returns:
        [N, h, w].
    """
    height, width = stack.shape[1:]
    top, left = borders((height, width), zoom)
    if not top and not left:
        return stack
    middle = stack[:, top : height - top, left : width - left]
    return np.array([cv2.resize(thumbnail, (width, height)) for thumbnail in middle], np.uint8)


def borders(shape: tuple[int, int], zoom: Zoom) -> tuple[int, int]:
    """Rows and columns that `magnify` cuts off at each side."""
    height, width = shape
    return round(height * (1 - 1 / zoom[0]) / 2), round(width * (1 - 1 / zoom[1]) / 2)
