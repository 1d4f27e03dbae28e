"""Overlays: a grey image with the prediction as fill, the ground truth as outline, and a legend.

`choose` selects the images once, so that overlays of successive epochs can be compared. `draw`
draws one overlay.
"""

from __future__ import annotations

import io
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from steelexp.overlays.legend import FAINT, TEXT, Entry, band
from steelexp.overlays.painting import CLASS_RGB, Painting, above, paint, present_bits

NARROWEST: Final = 720  # minimum width in pixels, for a legend of four classes on two lines
TALLEST: Final = 1024  # maximum height in pixels of an enlarged image
KEY_ENTRIES: Final = (
    Entry("outline: truth", TEXT, outlined=True, filled=False),
    Entry("fill: prediction", TEXT, outlined=False, filled=True),
)

Grey: TypeAlias = npt.NDArray[np.uint8]
Bits: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
Region: TypeAlias = npt.NDArray[np.bool_]


def choose(
    pixels: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.integer],
    dice: npt.NDArray[np.float64],
    *,
    count: int = 6,
) -> tuple[int, ...]:
    """Choose the images that have overlays after every epoch.

    These are, in this order:
    - the images with the lowest, the highest and the median mean Dice over their classes, among
      the images with a defect; of an even number, the lower one of the two in the middle;
    - for each class, the rarest one first, the image with the median labelled area;
    - the first clean image;
    - images spread evenly over the rest.
    Among equals, the first image is chosen.

    Args:
        pixels: [S, C] labelled pixels of every image and class.
        candidates: [K] rows of the images to choose from, in any order.
        dice: [K, C] Dice of the candidates after the first epoch.
        count: Maximum number of images.

    Returns:
        Rows of the images, in the order of choice, without duplicates.

    Raises:
        ValueError: `count` is below 1, or a candidate is not a row of the data set.
    """
    if count < 1:
        raise ValueError(f"count is {count}; at least one image is needed")
    remaining = [int(row) for row in np.unique(candidates)]
    invalid = [row for row in remaining if not 0 <= row < len(pixels)]
    if invalid:
        raise ValueError(f"candidate {invalid[0]} is not one of the {len(pixels)} images")

    choice = _extremes(pixels, candidates, dice)
    images_per_class = np.count_nonzero(pixels[remaining] > 0, axis=0)  # [C]
    for c in np.argsort(images_per_class, kind="stable"):
        by_area = sorted((int(pixels[row, c]), row) for row in remaining if pixels[row, c])
        rows = [row for _, row in by_area if row not in choice]
        if rows:
            choice.append(rows[(len(rows) - 1) // 2])
    choice += [row for row in remaining if not pixels[row].any()][:1]
    remaining = [row for row in remaining if row not in choice]
    return tuple((choice + _spread(remaining, count - len(choice)))[:count])


def _extremes(
    pixels: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.integer],
    dice: npt.NDArray[np.float64],
) -> list[int]:
    """The images with the lowest, the highest and the median Dice, among those with a defect."""
    holds = pixels[candidates] > 0  # [K, C]
    scores = [
        (float(score[classes].mean()), int(row))
        for row, score, classes in zip(candidates, dice, holds, strict=True)
        if classes.any()
    ]
    by_dice = [row for _, row in sorted(scores)]
    if not by_dice:
        return []
    best = max(scores, key=lambda pair: (pair[0], -pair[1]))[1]
    return list(dict.fromkeys([by_dice[0], best, by_dice[(len(by_dice) - 1) // 2]]))


def _spread(rows: list[int], count: int) -> list[int]:
    """Up to `count` of the rows, spread evenly."""
    count = min(max(count, 0), len(rows))
    return [rows[(2 * step + 1) * len(rows) // (2 * count)] for step in range(count)]


def caption(
    name: str, truth: Bits, prediction: Bits, *, classes: tuple[str, ...], epoch: int | None = None
) -> str:
    """Caption of an overlay: image, epoch, and Dice of each class that is labelled or predicted.

    Args:
        name: Name of the image.
        truth: [H, W] ground truth, bit c set where class c is.
        prediction: [H, W] prediction, bit c set where class c is.
        classes: [C] class names, in bit order.
        epoch: Epoch of the weights, from 1; None to omit it.

    Returns:
        For example "0002cc93b.jpg  epoch 7  Dice 1: 0.82, 3: 0.64".
    """
    scores = []
    for bit, label in enumerate(classes):
        true = _region(truth, bit)
        predicted = _region(prediction, bit)
        size = np.count_nonzero(true) + np.count_nonzero(predicted)
        if size:
            scores.append(f"{label}: {2 * np.count_nonzero(true & predicted) / size:.2f}")
    dice = f"Dice {', '.join(scores)}" if scores else "no defect, none predicted"
    return "  ".join([name, *([] if epoch is None else [f"epoch {epoch}"]), dice])


def draw(
    image: Grey, truth: Bits | None, prediction: Bits, *, classes: tuple[str, ...], title: str = ""
) -> Painting:
    """Draw an image with the prediction as translucent fill and the ground truth as outline.

    Images narrower than 720 pixels are enlarged by an integer factor, up to 1024 pixels of height.
    The outline is around the defect, between two hair lines, and does not cover it. Where a defect
    touches the edge of the image, the outline is closed along the edge. The size of the picture
    depends on the size of the image and on `classes` only, so overlays of successive epochs can be
    compared pixel by pixel.

    Args:
        image: [H, W] grey values.
        truth: [H, W] ground truth, bit c set where class c is, and bit C where a pixel is ignored,
            which is hatched; None to outline the prediction.
        prediction: [H, W] prediction, bit c set where class c is.
        classes: [C] class names, in bit order.
        title: Title below the image; a long one is shortened with an ellipsis.

    Returns:
        The image, and below it title and legend. A class has an outline in the legend
        if it is in the ground truth and a fill if it is in the prediction, and is faint otherwise.

    Raises:
        ValueError: The shapes differ, there are more classes than colours, or a bit has no class.
    """
    outlined = prediction if truth is None else truth
    _check(image, outlined, prediction, classes)
    factor = scale(image.shape)
    if factor > 1:
        image, outlined, prediction = (
            plane.repeat(factor, axis=0).repeat(factor, axis=1)
            for plane in (image, outlined, prediction)
        )
    painting = paint(image, outlined, prediction, class_count=len(classes))

    entries = _entries(present_bits(outlined), present_bits(prediction), classes)
    if present_bits(outlined) >> len(classes) & 1:
        entries += (Entry("hatched: ignored", FAINT, outlined=True, filled=True),)
    if truth is not None:
        entries += KEY_ENTRIES
    legend = band(entries, width=max(image.shape[1], NARROWEST), title=title)
    return above(painting, legend)


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as the content of a PNG file."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def scale(shape: tuple[int, ...]) -> int:
    """Factor by which an image of this shape is enlarged."""
    height, width = shape
    return max(1, min(-(-NARROWEST // width), TALLEST // height))


def _check(image: Grey, truth: Bits, prediction: Bits, classes: tuple[str, ...]) -> None:
    if image.ndim != 2 or not image.size or not image.shape == truth.shape == prediction.shape:
        raise ValueError(
            f"image {image.shape}, truth {truth.shape} and prediction {prediction.shape} "
            "must have the same shape [H, W]"
        )
    if not 1 <= len(classes) <= len(CLASS_RGB):
        raise ValueError(
            f"{len(classes)} classes, and there are {len(CLASS_RGB)} colours that can be told "
            "apart; merge classes, or draw some of them at a time"
        )
    for name, plane, bits in (
        ("truth", truth, len(classes) + 1),  # one more for ignored pixels
        ("prediction", prediction, len(classes)),
    ):
        highest = int(plane.max()).bit_length()
        if highest > bits:
            raise ValueError(
                f"{name} has bit {highest - 1} set, and there are {len(classes)} classes"
            )


def _region(bits: Bits, bit: int) -> Region:
    return (bits >> bit & 1).astype(bool)


def _entries(truth: int, prediction: int, classes: tuple[str, ...]) -> list[Entry]:
    """Legend entries of the classes, outlined if labelled and filled if predicted.

    Args:
        truth: Bits of the classes that are labelled.
        prediction: Bits of the classes that are predicted.
        classes: Class names, in bit order.
    """
    return [
        Entry(
            label,
            CLASS_RGB[bit],
            outlined=bool(truth >> bit & 1),
            filled=bool(prediction >> bit & 1),
        )
        for bit, label in enumerate(classes)
    ]
