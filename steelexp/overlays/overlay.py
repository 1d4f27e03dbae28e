"""Overlays: a grey image with the prediction as fill, the truth as outline and a legend below.

Which images are shown is decided once (`choose`), so that the pictures of successive epochs can
be flipped through; how one is shown is `draw`.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.overlays.legend import FILL_OPACITY, TEXT, Entry, band
from steelexp.palette import CLASS_COLOURS, RGB, rgb

CLASS_RGB: Final = tuple(map(rgb, CLASS_COLOURS))
BRIGHT: Final = 320  # red + green + blue: brighter colours have black hair lines, darker ones white
WHITE: Final = (255, 255, 255)
BLACK: Final = (0, 0, 0)
NARROWEST: Final = 720  # pixels: title and legend of four classes fit on two lines
TALLEST: Final = 1024  # pixels: to where a narrow image is enlarged
KEY: Final = (
    Entry("outline: truth", TEXT, outlined=True, filled=False),
    Entry("fill: prediction", TEXT, outlined=False, filled=True),
)

Grey: TypeAlias = npt.NDArray[np.uint8]
Bits: TypeAlias = npt.NDArray[np.uint8]
Region: TypeAlias = npt.NDArray[np.bool_]


def choose(
    pixels: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.integer],
    dice: npt.NDArray[np.float64],
    *,
    count: int = 6,
) -> tuple[int, ...]:
    """Choose the images that are shown after every epoch; the same input gives the same images.

    The worst, the best and the median (the lower of two) of the images with a defect, by their mean
    Dice over the classes that they hold; then for each class, the rarest among the candidates
    first, the image whose labelled area is the median of those that hold the class; then the first
    clean image; then images spread evenly over the rest. Among equals the first.

    Args:
        pixels: [S, C] labelled pixels of every image and class.
        candidates: [K] image numbers to choose from, in any order.
        dice: [K, C] of the candidates after the first epoch.
        count: how many images at most; fewer where there are fewer candidates.

    Returns:
        Strip numbers, in the order of choice, none twice.

    Raises:
        ValueError: `count` is below 1, or a candidate is not an image number.
    """
    if count < 1:
        raise ValueError(f"count is {count}; at least one image has to be shown")
    left = [int(image) for image in np.unique(candidates)]
    outside = [image for image in left if not 0 <= image < len(pixels)]
    if outside:
        raise ValueError(f"candidate {outside[0]} is not one of the {len(pixels)} images")

    chosen = _extremes(pixels, candidates, dice)
    holders = np.count_nonzero(pixels[left] > 0, axis=0)  # [C]
    for label in np.argsort(holders, kind="stable"):
        held = sorted((int(pixels[image, label]), image) for image in left if pixels[image, label])
        held = [(area, image) for area, image in held if image not in chosen]
        if held:
            chosen.append(held[(len(held) - 1) // 2][1])
    chosen += [image for image in left if not pixels[image].any()][:1]
    left = [image for image in left if image not in chosen]
    return tuple((chosen + _spread(left, count - len(chosen)))[:count])


def _extremes(
    pixels: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.integer],
    dice: npt.NDArray[np.float64],
) -> list[int]:
    """The worst, the best and the median image with a defect."""
    held = pixels[candidates] > 0  # [K, C]
    scores = [
        (float(score[classes].mean()), int(image))
        for image, score, classes in zip(candidates, dice, held, strict=True)
        if classes.any()
    ]
    ranked = [image for _, image in sorted(scores)]
    if not ranked:
        return []
    best = max(scores, key=lambda scored: (scored[0], -scored[1]))[1]
    return list(dict.fromkeys([ranked[0], best, ranked[(len(ranked) - 1) // 2]]))


def _spread(images: list[int], count: int) -> list[int]:
    count = min(max(count, 0), len(images))
    return [images[(2 * step + 1) * len(images) // (2 * count)] for step in range(count)]


def caption(
    name: str, truth: Bits, prediction: Bits, *, classes: tuple[str, ...], epoch: int | None = None
) -> str:
    """Name a picture by its image, its epoch and the Dice of every class that is in it.

    Args:
        name: the image, e.g. "0002cc93b.jpg".
        truth: [H, W] labels, bit c set where class c is.
        prediction: [H, W] predicted labels, likewise.
        classes: C names, in bit order.
        epoch: the epoch of the weights, from 1; None leaves it out.

    Returns:
        For example "0002cc93b.jpg  epoch 7  Dice 1: 0.82, 3: 0.64".
    """
    scores = []
    for bit, label in enumerate(classes):
        true, predicted = _region(truth, bit), _region(prediction, bit)
        size = np.count_nonzero(true) + np.count_nonzero(predicted)
        if size:
            scores.append(f"{label}: {2 * np.count_nonzero(true & predicted) / size:.2f}")
    dice = f"Dice {', '.join(scores)}" if scores else "no defect, none predicted"
    return "  ".join([name, *([] if epoch is None else [f"epoch {epoch}"]), dice])


def draw(
    image: Grey, truth: Bits | None, prediction: Bits, *, classes: tuple[str, ...], title: str = ""
) -> Image.Image:
    """Draw an image with its predicted defects as translucent fill and the true ones as outline.

    Images narrower than 720 pixels are enlarged by a whole factor, pixel for pixel, but not beyond
    1024 pixels of height; one that stays narrower stands at the left of its legend. The outline
    runs around the defect between two hair lines and covers nothing of it, but for where the
    defect runs off the image: there it is closed along the image's edge. The size of the picture
    depends on the size of the image and on `classes` only, so that the pictures of successive
    epochs lie exactly over one another.

    Args:
        image: [H, W] grey.
        truth: [H, W] labels, bit c set where class c is; None where it is not known: the outline is
            the prediction's then.
        prediction: [H, W] predicted labels, likewise.
        classes: C names, in bit order; at most eight.
        title: printed below the image, shortened with an ellipsis where it is too long.

    Returns:
        An RGB picture: the image, below it the title and the legend. A class in the legend has
        an outline if it is in the truth, a fill if it is in the prediction, and is faint if in
        neither.

    Raises:
        ValueError: the shapes differ, there are more classes than colours, or a bit is set that
            stands for no class.
    """
    outlined = prediction if truth is None else truth
    _check(image, outlined, prediction, classes)
    height, width = image.shape
    factor = scale(image.shape)
    image, outlined, prediction = (
        plane.repeat(factor, axis=0).repeat(factor, axis=1)
        for plane in (image, outlined, prediction)
    )
    line = _line_width(width * factor)
    canvas = _fill(image, prediction, len(classes))  # [H, W, 3]
    for bit in range(len(classes)):
        _outline(canvas, _region(outlined, bit), CLASS_RGB[bit], line)

    entries = _entries(outlined, prediction, classes)
    if truth is not None:
        entries += KEY
    legend = band(entries, width=max(width * factor, NARROWEST), title=title)
    picture = Image.new("RGB", (legend.width, height * factor + legend.height), WHITE)
    picture.paste(Image.fromarray(canvas), (0, 0))
    picture.paste(legend, (0, height * factor))
    return picture


def scale(shape: tuple[int, ...]) -> int:
    """Pixels of the picture a pixel of an image of this shape."""
    height, width = shape
    return max(1, min(-(-NARROWEST // width), TALLEST // height))


def _check(image: Grey, truth: Bits, prediction: Bits, classes: tuple[str, ...]) -> None:
    if image.ndim != 2 or not image.size or not image.shape == truth.shape == prediction.shape:
        raise ValueError(
            f"image {image.shape}, truth {truth.shape} and prediction {prediction.shape} "
            "have to be of one shape [H, W]"
        )
    if not 1 <= len(classes) <= len(CLASS_COLOURS):
        raise ValueError(
            f"{len(classes)} classes, and there are {len(CLASS_COLOURS)} colours that can be told "
            "apart; merge classes, or draw some of them at a time"
        )
    for name, plane in (("truth", truth), ("prediction", prediction)):
        highest = int(plane.max()).bit_length()
        if highest > len(classes):
            raise ValueError(
                f"{name} has bit {highest - 1} set, and there are {len(classes)} classes"
            )


def _region(bits: Bits, bit: int) -> Region:
    return (bits >> bit & 1).astype(bool)


def _line_width(width: int) -> int:
    """Pixels of an outline on a picture `width` pixels wide: 2 on a tile, 3 on 1600."""
    return max(2, round(width / 480))


def _fill(image: Grey, prediction: Bits, class_count: int) -> npt.NDArray[np.uint8]:
    """Blend the colours of the predicted classes into the image; where several are, their mean."""
    canvas = np.repeat(image[:, :, None], 3, axis=2)  # [H, W, 3]
    for bits in np.unique(prediction[prediction > 0]):
        colours = [CLASS_RGB[bit] for bit in range(class_count) if bits >> bit & 1]
        colour = np.mean(colours, axis=0)  # [3]
        here = prediction == bits
        blended = (1 - FILL_OPACITY) * canvas[here] + FILL_OPACITY * colour
        canvas[here] = np.rint(blended).astype(np.uint8)
    return canvas


def _outline(canvas: npt.NDArray[np.uint8], region: Region, colour: RGB, line: int) -> None:
    """Paint a line around the region, with a hair line on either side of it."""
    if not region.any():
        return
    filled = region.astype(np.uint8)
    gap, inner, outer = (cv2.dilate(filled, _disc(radius)) for radius in (1, 1 + line, 2 + line))
    cut = region & _near_edge(region.shape, line)
    hair = (outer > filled) | (region & _near_edge(region.shape, line + 1))
    canvas[hair] = BLACK if sum(colour) > BRIGHT else WHITE
    canvas[(inner > gap) | cut] = colour


def _disc(radius: int) -> npt.NDArray[np.uint8]:
    steps = np.arange(-radius, radius + 1)
    return (steps[:, None] ** 2 + steps**2 <= (radius + 0.5) ** 2).astype(np.uint8)


def _near_edge(shape: tuple[int, ...], width: int) -> Region:
    """The pixels of an image of this shape that are within `width` of its edge."""
    near = np.ones(shape, bool)
    near[width:-width, width:-width] = False
    return near


def _entries(truth: Bits, prediction: Bits, classes: tuple[str, ...]) -> list[Entry]:
    """The classes, outlined where true and filled where predicted."""
    entries = []
    for bit, label in enumerate(classes):
        true, predicted = (bool(_region(plane, bit).any()) for plane in (truth, prediction))
        entries.append(Entry(label, CLASS_RGB[bit], outlined=true, filled=predicted))
    return entries
