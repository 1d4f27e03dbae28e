"""Prediction of images: masks, overlays, tables of defects and a Kaggle submission.

OUT/
  prediction.json       model and settings
  journal.jsonl         one line per image; a stopped job resumes from it
  masks/  overlays/     one PNG per image
  defects.csv  .parquet one row per defect
  head_scores.csv       one row per image, if the network has a classification head
  submission.csv        for Kaggle; submission_2019.csv in the format of the 2019 competition
  errors.csv            images that could not be predicted, if there are any
  grid.png              some of the overlays on one sheet
  labels/FORM/          images and labels for annotation tools, if they are asked for
"""

import errno
import io
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelexp.checksum import hash_bytes
from steelexp.data import rle
from steelexp.data.bits import pack_bits
from steelexp.data.class_sets import MOST_CLASSES_IN_A_BYTE, strongest_class
from steelexp.data.data_error import DataError
from steelexp.data.decoding import decode_grey
from steelexp.data.image_header import read_file
from steelexp.data.mask_png import mask_png
from steelexp.errors import UserError
from steelexp.inference.defects import Defect, find_defects
from steelexp.inference.image_files import ImageFile
from steelexp.inference.journal import Entry, PredictionJournal, prediction_lines
from steelexp.inference.labels import predicted_dataset, write_labels
from steelexp.inference.postprocessing import gated_scores
from steelexp.inference.predictor import Grey, Predictor
from steelexp.inference.results_folder import (
    JOURNAL,
    check_settings,
    identity,
)
from steelexp.inference.scoring import NetworkScores
from steelexp.inference.tables import Summary, write_tables
from steelexp.overlays import overlay
from steelexp.overlays.contact_sheet import choose_images, contact_sheet
from steelexp.progress import say, steps
from steelexp.records.atomic import partial_path, write_atomically
from steelexp.records.prediction_settings import FILE as SETTINGS
from steelexp.records.prediction_settings import (
    PredictionSettings,
    read_prediction_settings,
    write_prediction_settings,
)
from steelexp.records.store import RunFolder

GRID = "grid.png"

THREADS = 2  # threads that read, post-process and write while the network scores other images
MAX_WAITING = 8  # images that wait for a thread or for those before them


def predict(
    predictor: Predictor,
    images: Sequence[ImageFile],
    out: Path,
    *,
    overlays: bool = True,
    mm_per_pixel: float | None = None,
    labels: Sequence[str] = (),
    paths: Sequence[str] = (),
) -> Summary:
    """Predict images, or resume an earlier prediction of the same job.

    An image whose file has changed in the meantime is predicted again.

    Args:
        predictor: Network with its post-processing.
        images: Images without duplicates, in the order of the tables.
        out: Folder of the results.
        overlays: Whether to draw overlays and their grid.
        mm_per_pixel: Scale for measures in millimetres; None for pixels only.
        labels: Forms of labels for annotation tools.
        paths: Absolute paths of the files, folders and globs that gave the images.

    Raises:
        UserError: The folder has other content than an earlier prediction of the same job.
        BusyError: Another process is using the folder.
    """
    with RunFolder(out).hold(), _one_thread_in_opencv():
        journal, remaining = _open(predictor, images, out, overlays=overlays, paths=paths)
        if len(remaining) < len(images):
            finished = len(images) - len(remaining)
            say(f"{out}: {finished} of {len(images)} images are predicted already")
        with steps("predicting", len(remaining)) as advance:
            entries = _entries(predictor, remaining, out, overlays=overlays)
            for done, entry in enumerate(entries, start=1):
                journal.append(entry)
                advance(done, entry.image)
        summary = write_tables(
            journal.entries(images),
            predictor.classes,
            out,
            mm_per_pixel=mm_per_pixel,
            has_head=predictor.card.has_head,
        )
        if overlays:
            _draw_grid(images, summary, out)
        if labels:
            write_labels(predicted_dataset(journal, images, predictor.classes), labels, out)
    return summary


@contextmanager
def _one_thread_in_opencv() -> Iterator[None]:
    """Images are side by side already: OpenCV's threads took 1.3 ms of waiting a strip."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _open(
    predictor: Predictor,
    images: Sequence[ImageFile],
    out: Path,
    *,
    overlays: bool,
    paths: Sequence[str],
) -> tuple[PredictionJournal, list[ImageFile]]:
    """Open the journal of this job, or start a new one; the images that remain to predict."""
    file = out / SETTINGS
    settings = PredictionSettings(
        runtime=predictor.runtime,
        precision=predictor.precision,
        network=predictor.network,
        overlays=overlays,
        model=predictor.card.model_dump(mode="json", exclude={"network"}),
        input=list(paths),
    )
    own_files = {out / ".lock", partial_path(file)}
    content = [path.name for path in out.iterdir() if path not in own_files]
    if content and not file.is_file():
        raise UserError(f"{out}: not empty ({content[0]}, ...); give --out another folder")
    before = read_prediction_settings(file) if content else None
    if before is not None:
        check_settings(before, settings, out)
    name = identity(settings)
    if (repaired := prediction_lines(out / JOURNAL, name).repair()) is not None:
        say(f"{repaired}. Their images are predicted again")
    journal = PredictionJournal(out / JOURNAL, name)
    other_images = sorted(journal.names() - {image.name for image in images})
    if other_images:
        raise UserError(
            f"{out}: holds images that are not among those to predict ({other_images[0]}"
            f"{', ...' if other_images[1:] else ''}); give --out another folder, or --fresh"
        )
    remaining = {image.name for image in journal.remaining(images)}
    if broken := [image for image in journal.broken(images) if image.name not in remaining]:
        others = f" and of {len(broken) - 1} more" if broken[1:] else ""
        say(
            f"{out}: the mask or overlay of {broken[0].name}{others} is missing or damaged; "
            "predicting again"
        )
        remaining |= {image.name for image in broken}
    if before != settings:
        write_prediction_settings(file, settings)
    return journal, [image for image in images if image.name in remaining]


def _entries(
    predictor: Predictor, images: Sequence[ImageFile], out: Path, *, overlays: bool
) -> Iterator[Entry]:
    """Predict the images one by one, in order; only a few are in memory at a time."""
    turns = threading.Semaphore(predictor.images)

    def entry(image: ImageFile) -> Entry:
        content = None
        try:
            if image.problem:
                raise DataError(image.problem)
            file = read_file(image.path)
            content = hash_bytes(file)
            grey = decode_grey(file, image.path, white=predictor.card.white)
        except DataError as error:
            return _error_entry(image, content, str(error).removeprefix(f"{image.path}: "))
        with turns:
            scores = predictor.scores(grey, image.path)
        return _entry_or_error(image, content, predictor, grey, scores, out, overlays)

    futures = deque[Future[Entry]]()
    with ThreadPoolExecutor(predictor.images + THREADS) as threads:
        try:
            for image in images:
                futures.append(threads.submit(entry, image))
                if len(futures) > MAX_WAITING:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
        finally:
            for future in futures:
                future.cancel()


def _error_entry(image: ImageFile, content: str | None, why: str) -> Entry:
    """The entry of an image that cannot be predicted."""
    return Entry(image.name, str(image.path), content, None, {}, [], why)


def _entry_or_error(image: ImageFile, content: str, *args: Any) -> Entry:
    """The entry of an image; an error entry if the names of its result files are too long."""
    try:
        return _entry(image, content, *args)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        why = "its mask cannot be written (file name too long); give the image a shorter name"
        return _error_entry(image, content, why)


def _entry(
    image: ImageFile,
    content: str,
    predictor: Predictor,
    grey: Grey,
    scores: NetworkScores,
    out: Path,
    overlays: bool,
) -> Entry:
    """Post-process one image, measure its defects, and write mask and overlay."""
    masks = predictor.postprocess(scores)
    pixels = gated_scores(scores.pixels, list(predictor.card.classes.values()), scores.image)
    defects = find_defects(masks, pixels, predictor.classes)
    bits = pack_bits(masks)
    single = bits  # a PNG of numbers holds the sets of a few classes
    if len(predictor.classes) > MOST_CLASSES_IN_A_BYTE:
        single = pack_bits(strongest_class(masks, pixels))
    files = {f"masks/{image.picture}": mask_png(single, len(predictor.classes))}
    if overlays:
        title = _title(image.name, defects, grey.size)
        picture = overlay.draw(grey, None, bits, classes=predictor.classes, title=title)
        files[f"overlays/{image.picture}"] = picture.png()
    for name, each in files.items():
        write_atomically(out / name, each)
    present = sorted({defect.label for defect in defects})
    channels = {label: channel for channel, label in enumerate(predictor.classes)}
    rles = {label: rle.encode(masks[..., channels[label]]) for label in present}
    size = (int(grey.shape[0]), int(grey.shape[1]))
    hashes = {name: hash_bytes(each) for name, each in files.items()}
    image_scores = {}
    if scores.image is not None:
        rounded = np.round(scores.image.astype(np.float64), 4).tolist()
        image_scores = dict(zip(predictor.classes, rounded, strict=True))
    return Entry(
        image.name,
        str(image.path),
        content,
        size,
        rles,
        defects,
        files=hashes,
        image_scores=image_scores,
    )


def _title(name: str, defects: Sequence[Defect], pixels: int) -> str:
    """Title such as "0002cc93b.jpg  1: 2 (0.3%)": defects and area share per class."""
    parts = []
    for label in dict.fromkeys(defect.label for defect in defects):
        areas = [defect.area for defect in defects if defect.label == label]
        parts.append(f"{label}: {len(areas)} ({sum(areas) / pixels:.1%})")
    return "  ".join([name, *(parts or ["no defect"])])


def _draw_grid(images: Sequence[ImageFile], summary: Summary, out: Path) -> None:
    pictures = [out / "overlays" / image.picture for image in images]
    available = np.array([row for row, path in enumerate(pictures) if path.is_file()], np.int64)
    if not len(available):
        return
    png = io.BytesIO()
    rows = choose_images(np.array(summary.pixels), available)
    contact_sheet([pictures[row] for row in rows]).save(png, "PNG")
    write_atomically(out / GRID, png.getvalue())
