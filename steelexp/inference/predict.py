"""The story of one prediction: images in; masks, overlays, a table of defects out.

OUT/
  prediction.json       the model and the settings: what the folder is about
  journal.jsonl         one line an image; a stopped job goes on from here
  masks/  overlays/     one PNG an image
  defects.csv  .parquet one row a defect
  submission.csv        for Kaggle, and in the form of 2019
  errors.csv            images that could not be predicted, only if there are any
  grid.png              some of the overlays on one sheet
"""

import errno
import io
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from steelexp.data import rle
from steelexp.data.dataset import DataError, decode_image
from steelexp.errors import UserError, explain_read_errors, reason
from steelexp.inference.defects import Defect, defects
from steelexp.inference.image_files import ImageFile
from steelexp.inference.journal import Entry, PredictionJournal
from steelexp.inference.mask_png import bits_of, mask_png
from steelexp.inference.predictor import Grey, Predictor, Scores
from steelexp.inference.tables import Summary, write_tables
from steelexp.overlays import overlay
from steelexp.overlays.contact_sheet import choose_images, contact_sheet
from steelexp.progress import say, steps
from steelexp.records.atomic import partial_path, write_atomically
from steelexp.records.store import RunFolder

SETTINGS, JOURNAL, GRID = "prediction.json", "journal.jsonl", "grid.png"

AT_ONCE = 2  # images that are measured and drawn while the network looks at the next ones
AHEAD = 4  # images that wait for that; each holds its scores, 6.6 MB of an image


def predict(
    predictor: Predictor,
    images: Sequence[ImageFile],
    out: Path,
    *,
    draw: bool = True,
    mm_per_pixel: float | None = None,
) -> Summary:
    """Predict images, from wherever an earlier session left it.

    An image whose file has changed since then is predicted again.

    Args:
        detector: what scores and decides.
        images: none twice, in the order of the tables.
        out: the folder of the results.
        draw: whether overlays and the grid are drawn.
        mm_per_pixel: for measures in millimetres beside those in pixels.

    Raises:
        UserError: the folder holds something else than an earlier session of the same job.
        BusyError: another process is at it.
    """
    with RunFolder(out).hold():
        journal = _open(predictor, images, out, draw=draw)
        left = [image for image in images if not journal.holds(image)]
        if len(left) < len(images):
            say(f"{out}: {len(images) - len(left)} of {len(images)} images are predicted already")
        with steps("predicting", len(left)) as advance:
            for done, entry in enumerate(_entries(predictor, left, out, draw=draw), start=1):
                journal.append(entry)
                advance(done, entry.image)
        summary = write_tables(
            journal.entries(images), predictor.classes, out, mm_per_pixel=mm_per_pixel
        )
        if draw:
            _draw_grid(images, summary, out)
    return summary


def _open(
    predictor: Predictor, images: Sequence[ImageFile], out: Path, *, draw: bool
) -> PredictionJournal:
    """The journal of this job, begun or gone on with."""
    file = out / SETTINGS
    settings = {
        "runtime": predictor.runtime,
        "overlays": draw,
        "model": predictor.card.model_dump(mode="json"),
    }
    ours = {out / ".lock", partial_path(file)}
    others = [each.name for each in out.iterdir() if each not in ours]
    if others and not file.is_file():
        raise UserError(f"{out}: not empty ({others[0]}, ...); give --out another folder")
    if others:
        _refuse_another(_settings(file), settings, out)
    else:
        write_atomically(file, (json.dumps(settings, indent=2) + "\n").encode())
    journal = PredictionJournal(out / JOURNAL)
    others = sorted(journal.names() - {image.name for image in images})
    if others:
        raise UserError(
            f"{out}: holds images that are not asked for now ({others[0]}"
            f"{', ...' if others[1:] else ''}); give --out another folder, or --fresh"
        )
    return journal


def _settings(file: Path) -> dict[str, Any]:
    """The settings of an earlier session."""
    try:
        with explain_read_errors(file, "begin anew with --fresh"):
            return dict(json.loads(file.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{file}: not the settings of a prediction ({reason(error)}); begin anew with --fresh"
        ) from None


def _refuse_another(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    changed = [key for key in now if before.get(key) != now[key]]
    if changed:
        raise UserError(
            f"{out}: holds a prediction with another {' and another '.join(changed)}; give --out "
            "another folder, or --fresh to begin anew"
        )


def _entries(
    predictor: Predictor, images: Sequence[ImageFile], out: Path, *, draw: bool
) -> Iterator[Entry]:
    """What comes of each image, in order; a few are in work at a time, however many there are."""
    waiting = deque[Future[Entry]]()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for image in images:
            try:
                state = image.state
                grey = decode_image(
                    image.path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
                )
            except (DataError, OSError) as error:
                waiting.append(threads.submit(_unread, image, error))
            else:
                scores = predictor.scores(grey)
                waiting.append(
                    threads.submit(
                        _entry_or_error, image, state, predictor, grey, scores, out, draw
                    )
                )
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _unread(image: ImageFile, error: Exception) -> Entry:
    why = str(error).removeprefix(f"{image.path}: ")
    try:
        state = image.state
    except OSError:
        state = None
    return Entry(image.name, str(image.path), state, None, {}, [], why)


def _entry_or_error(image: ImageFile, state: tuple[int, int], *args: Any) -> Entry:
    """What comes of an image; an error if its name is too long for the names of its results."""
    try:
        return _entry(image, state, *args)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        why = "its mask cannot be written (file name too long); give the image a shorter name"
        return Entry(image.name, str(image.path), state, None, {}, [], why)


def _entry(
    image: ImageFile,
    state: tuple[int, int],
    predictor: Predictor,
    grey: Grey,
    scores: Scores,
    out: Path,
    draw: bool,
) -> Entry:
    """Decide, measure, draw; the pictures are written before the line that says so."""
    masks = predictor.postprocess(scores)
    found = defects(masks, scores, predictor.classes)
    bits = bits_of(masks)
    write_atomically(out / "masks" / image.picture, mask_png(bits))
    if draw:
        title = _title(image.name, found, grey.size)
        picture = overlay.draw(grey, None, bits, classes=predictor.classes, title=title)
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=3)  # 45 ms an image, not 110, and no larger
        write_atomically(out / "overlays" / image.picture, file.getvalue())
    present = sorted({defect.label for defect in found})
    places = {label: c for c, label in enumerate(predictor.classes)}
    runs = {label: rle.encode(masks[..., places[label]]) for label in present}
    size = (int(grey.shape[0]), int(grey.shape[1]))
    return Entry(image.name, str(image.path), state, size, runs, found)


def _title(name: str, found: Sequence[Defect], pixels: int) -> str:
    """Number and share of each class: "0002cc93b.jpg  1: 2 (0.3%)  3: 1 (4.2%)"."""
    parts = []
    for label in dict.fromkeys(defect.label for defect in found):
        areas = [defect.area for defect in found if defect.label == label]
        parts.append(f"{label}: {len(areas)} ({sum(areas) / pixels:.1%})")
    return "  ".join([name, *(parts or ["no defect"])])


def _draw_grid(images: Sequence[ImageFile], summary: Summary, out: Path) -> None:
    pictures = [out / "overlays" / image.picture for image in images]
    drawn = np.array([row for row, path in enumerate(pictures) if path.is_file()], np.int64)
    if not len(drawn):
        return
    file = io.BytesIO()
    shown = choose_images(np.array(summary.pixels), drawn)
    contact_sheet([pictures[row] for row in shown]).save(file, "PNG")
    write_atomically(out / GRID, file.getvalue())
