"""Run-length encoding of COCO, as a list of counts or as its compressed text.

Counts alternate between background and mask, begin with background, and run down the columns. In
the text, each count from the fourth on is stored as its difference to the count before the last. A
number is written in groups of five bits, the lowest first. A group is one character from "0" on,
and its sixth bit says that another follows. Source: maskApi.c of the COCO API,
https://github.com/cocodataset/cocoapi.
"""

import numpy as np
import numpy.typing as npt

from steelexp.data.forms.shapes import Mask, Patch, ShapeError, Size

_FIRST = 48
_BITS = 5
_MORE = 1 << _BITS
_SIGN = 1 << (_BITS - 1)


def decode(counts: list[int] | str, size: Size) -> Mask:
    """Decode a mask.

    Args:
        counts: Counts, or their compressed text.
        size: Height and width of the mask.

    Returns:
        [H, W] bool.

    Raises:
        ShapeError: The text is broken, a count is negative, or the counts do not fill the mask.
    """
    return decode_patch(counts, size).paste(size)


def decode_patch(counts: list[int] | str, size: Size) -> Patch:
    """Decode the columns of a mask from the first to the last with a pixel; see `decode`."""
    try:
        lengths = np.array(_parse(counts) if isinstance(counts, str) else counts, np.int64)
    except OverflowError:
        raise ShapeError("RLE with a count of more than 64 bits") from None
    if (lengths < 0).any():
        raise ShapeError(f"RLE with a negative count ({int(lengths.min())})")
    if (largest := int(lengths.max(initial=0))) > size[0] * size[1]:  # the sum may overflow
        raise ShapeError(f"RLE with a count of {largest}, more pixels than the mask has")
    if (total := int(lengths.sum())) != size[0] * size[1]:
        raise ShapeError(
            f"RLE of {total} pixels, and the mask has {size[0] * size[1]} ({size[0]} x {size[1]})"
        )
    ends = np.cumsum(lengths)
    return runs_patch(np.stack([ends[:-1], lengths[1:]], axis=1)[::2], size)


def runs_patch(runs: npt.NDArray[np.int64], size: Size) -> Patch:
    """The columns of a mask from the first to the last with a pixel.

    Args:
        runs: Start, from 0 down the columns, and length of each run in ascending order, [R, 2].
        size: Height and width of the mask.
    """
    runs = runs[runs[:, 1] > 0]
    if not len(runs):
        return Patch(np.zeros((size[0], 0), bool), 0, 0)
    height = size[0]
    left = int(runs[0, 0]) // height
    right = int(runs[-1].sum() - 1) // height + 1
    edges = np.concatenate([runs[:, 0], runs.sum(axis=1)]).reshape(2, -1).T.ravel()
    bounds = np.r_[left * height, edges, right * height]
    inside = np.arange(len(bounds) - 1) % 2 == 1
    part = np.repeat(inside, np.diff(bounds)).reshape((height, right - left), order="F")
    return Patch(part, left, 0)


def encode(mask: Mask) -> str:
    """Encode a mask as compressed text.

    Args:
        mask: [H, W] bool.
    """
    counts = mask_counts(mask).tolist()
    return "".join(
        _write(count - counts[i - 2] if i > 2 else count) for i, count in enumerate(counts)
    )


def mask_counts(mask: Mask) -> npt.NDArray[np.int64]:
    """Lengths of the runs down the columns, background first."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.r_[0, edges, flat.size] if not flat[0] else np.r_[0, 0, edges, flat.size]
    return np.asarray(np.diff(starts), np.int64)


def _write(number: int) -> str:
    characters = []
    while True:
        group = number & (_MORE - 1)
        number >>= _BITS
        is_last = number == (-1 if group & _SIGN else 0)
        characters.append(chr(_FIRST + (group if is_last else group | _MORE)))
        if is_last:
            return "".join(characters)


def _parse(text: str) -> list[int]:
    counts: list[int] = []
    number = 0
    shift = 0
    for position, character in enumerate(text):
        group = ord(character) - _FIRST
        if not 0 <= group < 2 * _MORE:
            raise ShapeError(
                f"RLE: character {position + 1} ({character!r}) is not of its alphabet"
            )
        if shift > 64:  # the sum of a million characters would take minutes
            raise ShapeError("RLE with a count of more than 64 bits")
        number |= (group & (_MORE - 1)) << shift
        shift += _BITS
        if group & _MORE:
            continue
        if group & _SIGN:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = 0
        shift = 0
    if shift:
        raise ShapeError("RLE: the text is cut short")
    return counts
