"""Run-length encoding (RLE) of masks, as Kaggle defines it.

The code is pairs "start length", separated by spaces. Pixels are numbered from 1 down the columns
(column-major order). The empty string is the empty mask. See
https://www.kaggle.com/c/severstal-steel-defect-detection/overview/evaluation.
"""

import re

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

# 15 digits: more than any image has pixels, and within 64 bits. Without going back (+ behind a
# repetition): 10 MB of runs took 700 MB.
_NUMBERS = re.compile(r"\s*+(?:[+-]?\d{1,15}+(?:\s++|$))*+", re.ASCII)
_WORD = re.compile(r"\S+", re.ASCII)


class RleError(ValueError):
    """Invalid run-length code; the message says where and why."""


def encode(mask: Mask) -> str:
    """Encode a mask.

    Args:
        mask: [H, W] bool mask.

    Returns:
        The runs in ascending order, none adjacent to the next; "" for an empty mask.

    Example:
        >>> encode(np.array([[1, 0], [1, 1]], bool))
        '1 2 4 1'
    """
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1  # starts and ends of runs, from 0
    if flat.size and flat[0]:
        edges = np.r_[0, edges]
    if len(edges) % 2:
        edges = np.r_[edges, flat.size]
    runs = edges.reshape(-1, 2)
    runs[:, 1] -= runs[:, 0]
    runs[:, 0] += 1
    return " ".join(map(str, runs.ravel().tolist()))


def decode(rle: str, shape: tuple[int, int]) -> Mask:
    """Decode a mask; every error in the code is raised.

    Args:
        rle: Pairs "start length", or "".
        shape: Height and width in pixels.

    Returns:
        [H, W] bool, in column-major memory order.

    Raises:
        RleError: The code is not whole numbers, their count is odd, a start or a length is below 1,
            or a run ends beyond the last pixel, overlaps the run before, or precedes it.

    Example:
        >>> decode("1 2 4 1", (2, 2)).astype(int)
        array([[1, 0],
               [1, 1]])
    """
    runs = parse_runs(rle, shape[0] * shape[1])
    edges = np.zeros(2 * len(runs) + 2, np.int64)
    edges[1:-1:2] = runs[:, 0]
    edges[2:-1:2] = runs[:, 0] + runs[:, 1]
    edges[-1] = shape[0] * shape[1]
    inside = np.arange(len(edges) - 1) % 2 == 1
    return np.repeat(inside, np.diff(edges)).reshape(shape, order="F")


def parse_runs(rle: str, pixels: int) -> npt.NDArray[np.int64]:
    """Parse and check the runs of a code.

    Args:
        rle: Pairs "start length", or "".
        pixels: Number of pixels of the mask.

    Returns:
        [R, 2] start, from 0, and length of each run.

    Raises:
        RleError: The code is invalid, as in `decode`.
    """
    runs = _numbers(rle).reshape(-1, 2)
    starts, lengths = runs.T
    ends = starts + lengths - 1
    _raise_if(starts < 1, runs, "starts before pixel 1")
    _raise_if(lengths < 1, runs, "has a length below 1")
    _raise_if(ends > pixels, runs, f"ends beyond pixel {pixels}, the last")
    _raise_if(np.r_[False, starts[1:] < starts[:-1]], runs, "starts before the run in front of it")
    _raise_if(np.r_[False, starts[1:] <= ends[:-1]], runs, "overlaps the run in front of it")
    return np.stack([starts - 1, lengths], axis=1)


def _numbers(rle: str) -> npt.NDArray[np.int64]:
    if not _NUMBERS.fullmatch(rle):
        words = enumerate(_WORD.findall(rle), start=1)
        position, word = next((i, word) for i, word in words if not _NUMBERS.fullmatch(word))
        raise RleError(f"number {position} of the code is {word[:20]!r}, not a pixel's number")
    numbers = np.fromstring(rle, np.int64, sep=" ") if rle.strip() else np.empty(0, np.int64)
    if len(numbers) % 2:
        raise RleError(f"{len(numbers)} numbers, an odd count: the last start has no length")
    return numbers


def _raise_if(wrong: npt.NDArray[np.bool_], runs: npt.NDArray[np.int64], why: str) -> None:
    if wrong.any():
        i = int(np.argmax(wrong))
        raise RleError(f"run {i + 1} ({runs[i, 0]} {runs[i, 1]}) {why}")
