"""Pseudo-labels: the teacher labels the images without labels, once for all runs.

A pixel has a class where the score is above `confidence`, and has none where the score is below
1 - confidence. Where the teacher's post-processing counts, it has to agree. Every other pixel is
ignored. So a pseudo-label is a mask like any other, and no loss has to know of it.

The masks are a data set in the cache, beside the images (steelexp/data/cache.py). Their key has the
teacher's weights, the settings and the images.
"""

import functools
import json
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from steelexp.checksum import hash_bytes
from steelexp.data.bits import Bits, pack_bits
from steelexp.data.cache import cache_images, cache_key
from steelexp.data.cache_checks import checksum
from steelexp.data.cache_root import cache_root
from steelexp.data.dataset import DataError, Dataset, digest
from steelexp.data.joined import join
from steelexp.data.pipeline import PseudoLabelled
from steelexp.errors import UserError, reason
from steelexp.plan import Plan
from steelexp.progress import say
from steelexp.records.store import RunFolder
from steelexp.run_model import load_predictor
from steelexp.training import checkpoint
from steelexp.unlabelled import Unlabelled, UnlabelledFacts

FILE = "pseudo_labels.json"
"""File of a run folder about the pseudo-labels that it began with."""

_VERSION = 1
"""Version of the labels, raised whenever the same teacher would give others."""


class PseudoLabels(NamedTuple):
    """The images that a run with pseudo-labels trains on.

    Attributes:
        dataset: Labelled images, then those with pseudo-labels.
        labels: The latter alone.
        pseudo_labelled: Their rows, and their share of the tiles.
    """

    dataset: Dataset
    labels: Dataset
    pseudo_labelled: PseudoLabelled


def pseudo_labels(plan: Plan, threads: int) -> PseudoLabels | None:
    """Label the images without labels of a run, unless the cache has the labels.

    TensorFlow is set up for the teacher. So the run's own set-up has to follow.

    Args:
        plan: Plan of the run.
        threads: Threads of an operation in the run.

    Returns:
        The images to train on; None where the run has none without labels.

    Raises:
        UserError: The teacher or the images are gone, or cannot be read.
    """
    unlabelled = plan.unlabelled
    if unlabelled is None:
        return None
    labelled = _cached_labels(unlabelled, plan.dataset.classes, threads)
    rows = np.arange(len(plan.dataset), len(plan.dataset) + len(labelled))
    return PseudoLabels(
        join(plan.dataset, labelled, has_ignore=True),
        labelled,
        PseudoLabelled(rows, unlabelled.facts.share),
    )


def check_labels(folder: RunFolder, images: PseudoLabels | None) -> None:
    """Check that a run goes on with the labels it began with, or write which these are.

    Another number of cores may change a score in its last digit, and so the label of a pixel.

    Raises:
        UserError: The labels are others.
    """
    if images is None:
        return
    file = folder.path / FILE
    now = _hash(images.labels)
    if not file.is_file():
        folder.write(FILE, json.dumps({"labels": now, **_shares(images.labels)}, indent=2) + "\n")
    elif read_labels_file(folder)["labels"] != now:
        raise UserError(
            f"{file}: the pseudo-labels are not those that this run began with: the cache was "
            "removed, and another processor or number of cores labels some pixels otherwise; "
            "restore the cache, or begin anew with --fresh"
        )


def read_labels_file(folder: RunFolder) -> dict[str, Any]:
    """What a run keeps about its pseudo-labels: hash, shares of the pixels.

    Raises:
        UserError: The file is damaged.
    """
    file = folder.path / FILE
    try:
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content["labels"], str):
            return dict(content)
        why = "labels is no text"
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = reason(error)
    raise UserError(f"{file}: damaged ({why}); restore it, or begin anew with --fresh")


def labels_line(folder: RunFolder) -> str:
    """What the pseudo-labels of a run hold, in words."""
    content = read_labels_file(folder)
    classes = ", ".join(f"{name}: {n}" for name, n in content["images_per_class"].items())
    return (
        f"{content['ignored']:.1%} of the pixels of the pseudo-labels are ignored; images of class "
        f"{classes}."
    )


def hard_labels(
    scores: npt.NDArray[np.float32],
    confidence: float,
    predicted: npt.NDArray[np.bool_] | None = None,
) -> Bits:
    """The mask of an image from the scores of a teacher.

    Args:
        scores: [H, W, C] scores from 0 to 1.
        confidence: Score above which a pixel has a class.
        predicted: [H, W, C] masks after post-processing, which have to agree; None for none.

    Returns:
        [H, W] mask; bit c is set where class c is, and bit C alone where a pixel is ignored.
    """
    present = scores > confidence
    absent = scores < 1 - confidence
    if predicted is not None:
        present &= predicted
        absent &= ~predicted
    sure = np.asarray((present | absent).all(axis=-1))[..., None]  # [H, W, 1]
    return pack_bits(np.concatenate([present & sure, ~sure], axis=-1))


def _cached_labels(unlabelled: Unlabelled, classes: tuple[str, ...], threads: int) -> Dataset:
    """The images with their pseudo-labels, from the cache."""
    facts = unlabelled.facts
    images = unlabelled.dataset
    if images is None:
        raise UserError(
            f"data.unlabelled: {facts.folder} or the images are gone, and the run is not finished; "
            "restore them"
        )
    teacher = functools.cache(lambda: _teacher(facts, classes, len(images), threads))
    lock = threading.Lock()

    def label(row: int) -> Bits:
        with lock:  # images are decoded in many threads, and scored one at a time
            return teacher()(images.image(row), images.paths[row])

    # The first call scores what the cache does not have. The second one never calls the teacher,
    # which would set up TensorFlow in the midst of a training.
    cache_images(_with_labels(images, facts, label), "disk", cache_root())
    named = _with_labels(images, facts, images.read_mask)
    folder = cache_root() / cache_key(named)

    def refuse(row: int) -> Bits:
        raise DataError(
            f"{folder}: the pseudo-label of {images.names[row]} is damaged; remove this folder and "
            "run the same command again, which labels the images again"
        )

    return cache_images(replace(named, read_mask=refuse), "disk", cache_root())


def _with_labels(
    images: Dataset, facts: UnlabelledFacts, read_mask: Callable[[int], Bits]
) -> Dataset:
    """The images, named by what decides their labels."""
    key = [_VERSION, facts.weights, facts.at, facts.confidence, images.white]
    values = {field.name: getattr(images, field.name) for field in fields(Dataset)} | {
        "read_mask": read_mask,
        "label_hashes": tuple(digest([*key, image]) for image in images.image_hashes),
    }
    return Dataset(**values)


def _teacher(
    facts: UnlabelledFacts, classes: tuple[str, ...], count: int, threads: int
) -> Callable[[npt.NDArray[np.uint8], Path], Bits]:
    """Function (grey [H, W], path of the image) -> its mask.

    Args:
        facts: The images and their teacher.
        classes: Classes of the new run; the teacher may have them in another order.
        count: Number of images, for a message.
        threads: Threads of an operation.
    """
    weights = checkpoint.read_weights(facts.file, facts.digest)
    if checkpoint.hash_by_name(weights) != facts.weights:
        raise UserError(f"{facts.file}: not the weights that the run was planned with")
    say(f"{facts.folder} labels {count} images, once for all runs with the same settings")
    predictor = load_predictor(RunFolder(Path(facts.folder)), at=facts.at, threads=threads)
    order = [predictor.classes.index(name) for name in classes]

    def label(grey: npt.NDArray[np.uint8], path: Path) -> Bits:
        scores = predictor.scores(grey, path)
        predicted = predictor.postprocess(scores)[..., order] if facts.at == "best" else None
        return hard_labels(scores.pixels[..., order], facts.confidence, predicted)

    return label


def _hash(labels: Dataset) -> str:
    """Hash of all masks."""
    checksums = [checksum(labels.mask(row)) for row in range(len(labels))]
    return hash_bytes(np.array(checksums, np.uint32).tobytes())


def _shares(labels: Dataset) -> dict[str, Any]:
    """Share of the pixels that are ignored, and number of images with each class."""
    ignored = 1 << len(labels.classes)
    pixels = 0
    ignored_pixels = 0
    images = dict.fromkeys(labels.classes, 0)
    for row in range(len(labels)):
        mask = labels.mask(row)
        pixels += mask.size
        ignored_pixels += int(np.count_nonzero(mask == ignored))
        bits = int(np.bitwise_or.reduce(mask, axis=None))
        for c, name in enumerate(labels.classes):
            images[name] += bits >> c & 1
    return {"ignored": round(ignored_pixels / pixels, 4), "images_per_class": images}
