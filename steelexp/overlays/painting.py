"""Paintings: an image with masks, as numbers of colours.

A painting has few colours: the greys of the image, the same greys under the fill of each set of
classes, and those of outlines and legend. Kept as numbers they take two thirds of the memory of
RGB, and a PNG file of them about half of the bytes.
"""

import io
import zlib
from typing import Any, Final, NamedTuple, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.overlays.legend import FILL_OPACITY
from steelexp.palette import CLASS_COLOURS, rgb

Bits: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
Colours: TypeAlias = npt.NDArray[np.uint8]
Grey: TypeAlias = npt.NDArray[np.uint8]
Numbers: TypeAlias = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Region: TypeAlias = npt.NDArray[np.bool_]

CLASS_RGB: Final = tuple(map(rgb, CLASS_COLOURS))
BRIGHT: Final = 320  # red + green + blue from which a colour has black hair lines instead of white
WHITE: Final = (255, 255, 255)
BLACK: Final = (0, 0, 0)

_LEVELS: Final = 256  # greys of an image
_COLOURS: Final = 256  # colours of a palette
_MOST_RAMPS: Final = 200  # ramps of which 16 bits hold the numbers
_AREA: Final = 60  # pixels of a colour from which it is an area
_RIM_STEP: Final = 17
_STEPS: Final = ((4, 4), (4, 8), (4, 16), (8, 32))  # greys drawn as one: bare, and under a fill


class Painting(NamedTuple):
    """Pixels as numbers of colours.

    Attributes:
        numbers: [H, W] numbers of colours.
        colours: [N, 3] RGB of each number. The first are ramps of 256 greys each: those of the
            image, and the same greys under each fill.
        ramps: Number of ramps.
    """

    numbers: Numbers
    colours: Colours
    ramps: int

    def rgb(self) -> Colours:
        """[H, W, 3] RGB."""
        return self.colours[self.numbers]

    def png(self) -> bytes:
        """The content of a PNG file, with a palette where 256 colours are enough.

        Neighbouring greys are drawn as one, mostly four of them. So a pixel is off by up to two of
        255 values, and the file has half of the bytes of RGB. The colours of outlines and of areas
        of the legend stay exact. With too many sets of classes the file is in RGB.
        """
        picture = self._with_palette() if self.ramps <= _MOST_RAMPS else None
        content = io.BytesIO()
        if picture is None:
            # Level 3 takes 45 ms per image, the default 110 ms, and the file is not larger.
            Image.fromarray(self.rgb()).save(content, "PNG", compress_level=3)
        else:
            # Greys of steel hardly repeat: looking for runs of one value alone takes 4.2 ms for
            # 5.3, and the file is a tenth larger.
            picture.save(content, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
        return content.getvalue()

    def _with_palette(self) -> Image.Image | None:
        """The painting with a palette; None if none of the steps makes room for its colours."""
        count = len(self.colours)
        used = cv2.calcHist([self.numbers], [0], None, [count], [0, count]).ravel() > 0
        return next(filter(None, (self._reduced(used, *steps) for steps in _STEPS)), None)

    def _reduced(self, used: Region, bare: int, filled: int) -> Image.Image | None:
        """The painting with a palette, so many greys drawn as one; None if it has no room."""
        drawn = np.arange(len(self.colours))
        for ramp, step in ((slice(_LEVELS), bare), (slice(_LEVELS, self.ramps * _LEVELS), filled)):
            drawn[ramp] += step // 2 - drawn[ramp] % step
        kept = self.colours[drawn[used]].astype(np.uint32) @ np.array(
            [1, 1 << 8, 1 << 16], np.uint32
        )
        packed, places = np.unique(kept, return_inverse=True)
        if len(packed) > _COLOURS:
            return None
        table = np.zeros(1 << 16, np.uint8)
        table[: len(used)][used] = places
        # Any number of 16 bits has a place, and without a check it takes 0.4 ms instead of 0.6.
        picture = Image.fromarray(np.take(table, self.numbers, mode="wrap"))
        picture.putpalette(packed.view(np.uint8).reshape(-1, 4)[:, :3].tobytes())
        return picture


def paint(image: Grey, truth: Bits, prediction: Bits, *, class_count: int) -> Painting:
    """Paint the prediction as fill and the ground truth as outline, without legend.

    Args:
        image: [H, W] grey values.
        truth: [H, W] ground truth, bit c set where class c is, bit C where a pixel is ignored.
        prediction: [H, W] prediction, bit c set where class c is.
        class_count: Number of classes, C.
    """
    line = _line_width(image.shape[1])
    sets, numbers = _fill(image, prediction)
    ramps = [np.arange(_LEVELS)[:, None].repeat(3, axis=1), *map(_ramp, sets)]
    flat = np.array([*CLASS_RGB[:class_count], WHITE, BLACK])
    first = len(ramps) * _LEVELS
    white, black = first + class_count, first + class_count + 1
    present = present_bits(truth)
    if present >> class_count & 1:
        _hatch(numbers, _region(truth, class_count), 8 * line, white, black)
    for bit in _bits_of(present & (1 << class_count) - 1):
        hair = black if sum(CLASS_RGB[bit]) > BRIGHT else white
        _outline(numbers, _region(truth, bit), line, first + bit, hair)
    colours = np.concatenate([*ramps, flat]).astype(np.uint8)
    return Painting(numbers, colours, len(ramps))


def above(painting: Painting, picture: Image.Image) -> Painting:
    """A painting above an RGB picture that is at least as wide; white fills up its right side.

    The picture keeps the colours of its areas. Those of a few pixels, the soft rims of letters,
    have 16 values a channel, because a palette has no room for hundreds of them.
    """
    packed = np.asarray(picture.convert("RGBX")).view(np.uint32)[..., 0]
    height, width = painting.numbers.shape
    first = len(painting.colours)
    numbers = np.full((height + len(packed), packed.shape[1]), first, painting.numbers.dtype)
    numbers[:height, :width] = painting.numbers
    written = np.nonzero(packed != packed.max())
    kept, places, counts = np.unique(packed[written], return_inverse=True, return_counts=True)
    colours = kept.view(np.uint8).reshape(-1, 4)[:, :3]
    rims = counts < _AREA
    colours[rims] = np.rint(colours[rims] / _RIM_STEP) * _RIM_STEP
    numbers[height:][written] = first + 1 + places
    white = np.full((1, 3), 255, np.uint8)
    return Painting(numbers, np.concatenate([painting.colours, white, colours]), painting.ramps)


def present_bits(bits: Bits) -> int:
    """The bits that any pixel of a mask has, in one number."""
    return int(np.bitwise_or.reduce(bits, axis=None))


def _region(bits: Bits, bit: int) -> Region:
    return (bits >> bit & 1).astype(bool)


def _bits_of(bits: int) -> list[int]:
    """The bits that are set."""
    return [bit for bit in range(bits.bit_length()) if bits >> bit & 1]


def _line_width(width: int) -> int:
    """Width of an outline on a picture of this width: 2 pixels on a tile, 3 on 1600 pixels."""
    return max(2, round(width / 480))


def _fill(image: Grey, prediction: Bits) -> tuple[list[int], Numbers]:
    """The sets of predicted classes, and a grey of the ramp of its set for each pixel."""
    window = _window(prediction)
    sets = _sets(prediction[window])
    wide = len(sets) >= _MOST_RAMPS  # one ramp more is that of the bare image
    numbers: Numbers = image.astype(np.uint32) if wide else image.astype(np.uint16)
    if sets and prediction.dtype == np.uint8:  # a table does all sets at once
        ramps = np.zeros(256, np.uint8)
        ramps[sets] = np.arange(1, len(sets) + 1)
        starts: Any = cv2.LUT(prediction[window], ramps).astype(numbers.dtype) * _LEVELS
        numbers[window] += starts
        return sets, numbers
    for number, bits in enumerate(sets, start=1):
        numbers[window][prediction[window] == bits] += number * _LEVELS
    return sets, numbers


def _sets(prediction: Bits) -> list[int]:
    """The sets of predicted classes, without the empty one."""
    if not prediction.size:
        return []
    if prediction.dtype == np.uint8:  # a histogram takes 0.1 ms for a strip, sorting 0.4
        counts = cv2.calcHist([prediction], [0], None, [256], [0, 256])
        sets = np.flatnonzero(counts)
    else:
        sets = np.unique(prediction)
    return [bits for bits in sets.tolist() if bits]


def _ramp(bits: int) -> npt.NDArray[np.float64]:
    """[256, 3] greys with the colours of a set of classes over them; several are averaged."""
    colours = [colour for bit, colour in enumerate(CLASS_RGB) if bits >> bit & 1]
    greys = np.arange(_LEVELS)[:, None]
    ramp = (1 - FILL_OPACITY) * greys + FILL_OPACITY * np.mean(colours, axis=0)
    return np.asarray(np.rint(ramp))


def _hatch(numbers: Numbers, region: Region, pitch: int, white: int, black: int) -> None:
    """Draw white and black diagonals over a region, `pitch` pixels apart."""
    rows, columns = np.nonzero(region)
    place = (rows + columns) % pitch
    for start, colour in ((0, white), (pitch // 8, black)):
        stripe = (place >= start) & (place < start + pitch // 8)
        numbers[rows[stripe], columns[stripe]] = colour


def _outline(numbers: Numbers, region: Region, line: int, colour: int, hair: int) -> None:
    """Draw a line around the region, between two hair lines."""
    window = _window(region, margin=line + 3)
    region = region[window]
    filled = region.astype(np.uint8)
    gap, inner, outer = (cv2.dilate(filled, _disc(radius)) for radius in (1, 1 + line, 2 + line))
    edge = region & _edge_area(numbers.shape, line)[window]
    hair_lines = (outer > filled) | (region & _edge_area(numbers.shape, line + 1)[window])
    numbers[window][hair_lines] = hair
    numbers[window][(inner > gap) | edge] = colour


def _window(mask: npt.NDArray[Any], margin: int = 0) -> tuple[slice, slice]:
    """The smallest window with all that is not 0, and a margin."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0), slice(0)
    sides = zip((rows, columns), mask.shape, strict=True)
    top, left = (
        slice(max(0, int(each[0]) - margin), min(size, int(each[-1]) + 1 + margin))
        for each, size in sides
    )
    return top, left


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps**2 <= (radius + 0.5) ** 2).astype(np.uint8)


def _edge_area(shape: tuple[int, ...], width: int) -> Region:
    """Mask of the pixels within `width` of the edge of an image of this shape."""
    area = np.ones(shape, bool)
    area[width:-width, width:-width] = False
    return area
