"""The readers that are fuzzed: name -> valid contents, and a function that reads a content."""

import functools
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from steelexp.checksum import with_checksum
from steelexp.counts import Counts
from steelexp.data import cache, rle
from steelexp.data.decoding import decode_grey, decode_stored
from steelexp.data.doctor.diagnosis import diagnose
from steelexp.data.forms import coco_rle
from steelexp.data.forms.shapes import ShapeError
from steelexp.data.generator.manifest import FILE as MANIFEST_FILE
from steelexp.data.generator.manifest import Settings, is_generated
from steelexp.data.image_header import parse_header
from steelexp.data.image_table import read_image_table
from steelexp.data.kaggle.fetch import _unpack
from steelexp.data.mask_folder.reader import mask_folder
from steelexp.data.severstal import severstal
from steelexp.data.sources import LOADERS
from steelexp.data.splits.file import read_table
from steelexp.errors import UserError
from steelexp.inference.card_text import card_text, read_card
from steelexp.inference.defects import Defect
from steelexp.inference.journal import Entry, PredictionJournal
from steelexp.inference.onnx_file import onnx_content, read_onnx_card
from steelexp.plan import SpecModel
from steelexp.records.evaluation_report import FILE as EVALUATION
from steelexp.records.evaluation_report import read_evaluation_report
from steelexp.records.image_scores import ImageScores, read_image_scores, write_image_scores
from steelexp.records.jsonl import JsonLines
from steelexp.records.model_card import card_of
from steelexp.records.prediction_settings import PredictionSettings, read_prediction_settings
from steelexp.records.record import read_record
from steelexp.records.search_file import read_search_file
from steelexp.records.store import Epoch, RunFolder, read_epochs
from steelexp.search.executor import Outcome, Trial
from steelexp.search.trials import read_trials
from steelexp.spec import dump, load
from steelexp.spec.files import read_resolved
from steelexp.tracking.journal import Journal, read_events
from steelexp.tracking.receipt import read_progress
from steelexp.training import checkpoint
from tests.fakes import dataset_of
from tests.finished_runs import record
from tests.hostile.images import jpeg, pages, png, radiance, saved
from tests.simulated_searches import THREE_TRIALS
from tests.tracking_events import epoch, picture, run

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "data" / "forms" / "fixtures"
TABLE = b"ImageId,ClassId,EncodedPixels\na.png,1,1 5 40 9\na.png,2,\nb.png,3,600 1\n"


class Target(NamedTuple):
    """A reader.

    Attributes:
        contents: Valid contents.
        read: Function folder, content -> anything; it writes the content where it belongs.
        errors: Errors that are a refusal.
        values: JSON values of valid contents, which are changed and sealed; none by default.
        seal: Function changed value -> content, with the checksums that belong to it.
        seconds: Limit of the processor's time for one content.
        examples: Number of examples in the default tests.
    """

    contents: Callable[[], list[bytes]]
    read: Callable[[Path, bytes], object]
    errors: tuple[type[Exception], ...] = (UserError,)
    values: Callable[[], list[Any]] | None = None
    seal: Callable[[Any], bytes] = lambda value: json.dumps(value).encode()
    seconds: float = 5.0
    examples: int = 50


def file_in(folder: Path, name: str, content: bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def reading(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    """The function that writes one file and reads it by its path."""
    return lambda folder, content: read(file_in(folder, name, content))


def reading_beside(name: str, read: Callable[[Path], object]) -> Callable[[Path, bytes], object]:
    """The function that writes one file and reads its folder."""
    return lambda folder, content: read(file_in(folder, name, content).parent)


def text_of(content: bytes) -> str:
    """A content as text, whatever its bytes."""
    return content.decode("utf-8", "surrogateescape")


def sealed(value: Any) -> bytes:
    """A document with its checksum."""
    try:
        return json.dumps(with_checksum(value)).encode()
    except (TypeError, ValueError, AttributeError):
        return json.dumps(value).encode()


def sealed_lines(identity: str, lines: Any) -> bytes:
    """A journal of these entries with their checks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.jsonl")
        journal: JsonLines[Any] = JsonLines(path, parse=dict, noun="", fix="", identity=identity)
        for line in lines if isinstance(lines, list) else []:
            if isinstance(line, dict):
                try:
                    journal.append(line)
                except (ValueError, UnicodeEncodeError):
                    return json.dumps(lines).encode()
        return path.read_bytes() if path.is_file() else b""


@functools.cache
def shipped_specs() -> list[bytes]:
    """Some shipped specs that inherit from none, and a search."""
    paths = ["quickstart.yaml", "search/quick_search.yaml", "b4_dice.yaml"]
    return [(ROOT / "experiments" / path).read_bytes() for path in paths]


@functools.cache
def resolved_spec() -> list[bytes]:
    """spec.yaml of a run."""
    return [dump(load(ROOT / "experiments" / "quickstart.yaml", model=SpecModel)).encode()]


def read_spec(folder: Path, content: bytes) -> object:
    """Check a spec; what it inherits from is not there."""
    return load(file_in(folder, "spec.yaml", content), model=SpecModel)


def read_override(folder: Path, content: bytes) -> object:
    """Check an override of the quickstart."""
    return load(ROOT / "experiments" / "quickstart.yaml", [text_of(content)], model=SpecModel)


def read_severstal(folder: Path, content: bytes) -> object:
    """Read Severstal's layout with another table, and every mask."""
    file_in(folder, "train.csv", content)
    for name in "ab":
        file_in(folder, f"train_images/{name}.png", saved("PNG"))
    data = severstal(root=str(folder))
    return [data.mask(row) for row in range(len(data))]


def read_csv(start: int, order: str, folder: Path, content: bytes) -> object:
    """Read a table in a loose form, and every mask."""
    file_in(folder, "train.csv", content)
    for name in "ab":
        file_in(folder, f"train_images/{name}.png", saved("PNG"))
    data = LOADERS["csv"](root=str(folder), start=start, order=order)
    return [data.mask(row) for row in range(len(data))]


def read_form(source: str, file: str, folder: Path, content: bytes) -> object:
    """Read a set of a label form with another content of one file, and every mask."""
    name = Path(file).parts[0]
    root = shutil.copytree(FIXTURES / name, folder / name)
    (folder / file).write_bytes(content)
    data = LOADERS[source](root=str(root))
    return [data.mask(row) for row in range(len(data))]


def read_mask(folder: Path, content: bytes) -> object:
    """Read a mask beside its image in each way."""
    file_in(folder, "images/a.png", saved("PNG"))
    file_in(folder, "masks/a.png", content)
    errors = []
    for settings in ({"classes": ("x",)}, {"values": {"x": [255, 0, 0]}}):
        try:
            mask_folder(root=str(folder), **settings).mask(0)
        except UserError as error:
            errors.append(error)
    return errors


def read_image(folder: Path, content: bytes) -> object:
    """Read an image and its stored values."""
    path = folder / "a.png"
    header = parse_header(content, path)
    decode_stored(content, path, header)
    return decode_grey(content, path, white=65_535)


def examine(folder: Path, content: bytes) -> object:
    """Let the doctor see a table, an image and a mask of any content."""
    file_in(folder, "train.csv", content)
    file_in(folder, "train_images/a.png", saved("PNG"))
    file_in(folder, "train_images/b.png", content)
    return diagnose(folder)


def examine_masks(folder: Path, content: bytes) -> object:
    """Let the doctor see a folder of masks."""
    for name in "ab":
        file_in(folder, f"images/{name}.png", saved("PNG"))
    file_in(folder, "masks/a.png", content)
    file_in(folder, "masks/b.png", png(30, 20))
    return diagnose(folder, classes=("x",))


@functools.cache
def images() -> list[bytes]:
    """Small images of every type."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    kinds = ["PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG2000", "TGA", "PCX", "SGI"]
    contents = [png(30, 20, bits=16, colour=6), png(30, 20, bits=2, colour=3), pages(1)]
    contents += [jpeg(30, 20), saved("JPEG", progressive=True), radiance(8, 8), saved("TIFF")]
    for kind in [*kinds, "QOI", "AVIF"]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        contents.append(buffer.getvalue())
    for compression in ("tiff_lzw", "packbits", "tiff_deflate", "jpeg"):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "TIFF", compression=compression)
        contents.append(buffer.getvalue())
    return contents


def small_masks() -> list[bytes]:
    """Masks as PNG, TIFF and BMP."""
    pixels = Image.fromarray(np.eye(20, 30, dtype=np.uint8))
    buffers = []
    for kind in ("PNG", "TIFF", "BMP"):
        buffer = io.BytesIO()
        pixels.save(buffer, kind)
        buffers.append(buffer.getvalue())
    return [*buffers, png(30, 20, bits=2, colour=3), png(30, 20, colour=6)]


EPOCHS = [
    {"epoch": n, "step": 3 * n, "seconds": 1.5, "metrics": {"loss": 0.5, "val_dice_positive": 0.1}}
    for n in (1, 2, 3)
]


@functools.cache
def epoch_lines() -> list[bytes]:
    """epochs.jsonl of a run."""
    with tempfile.TemporaryDirectory() as folder:
        for values in EPOCHS:
            RunFolder(Path(folder)).append(Epoch(**values))
        return [Path(folder, "epochs.jsonl").read_bytes()]


@functools.cache
def tracking_lines() -> list[bytes]:
    """journal.jsonl of a run."""
    with tempfile.TemporaryDirectory() as folder:
        Journal(Path(folder)).append(run(), epoch(1), picture(1, "a"), epoch(2))
        return [Path(folder, "journal.jsonl").read_bytes()]


def trial_lines() -> list[bytes]:
    """trials.jsonl of a search."""
    with tempfile.TemporaryDirectory() as folder:
        trials = read_trials(Path(folder, "trials.jsonl"))
        trials.open({"search.seed": 0})
        trials.propose(Trial("0000", {"loss.name": "focal", "loss.gamma": 2.0}), 1.0)
        trials.end(Outcome("0000", 0.5, None, 2, 3, 3, 9.5, "trials/0000/ab"), 10.5)
        trials.propose(Trial("0001", {"loss.name": "dice"}, epochs=3, continues="0000"), 11.0)
        return [trials.path.read_bytes()]


def prediction_lines() -> list[bytes]:
    """journal.jsonl of a prediction."""
    defect = Defect("1", 1, 4, 2, 1, 4, 1, 4.0, 1.5, 4.0, 1.0, 0.0, 0.625, 1.0)
    with tempfile.TemporaryDirectory() as folder:
        journal = PredictionJournal(Path(folder, "journal.jsonl"), "id")
        journal.append(Entry("a.png", "/x/a.png", "ab", (3, 6), {"1": "3 4"}, [defect]))
        journal.append(Entry("b.png", "/x/b.png", None, None, {}, [], "no such file"))
        return [journal.file.read_bytes()]


def unchecked(contents: Callable[[], list[bytes]]) -> list[Any]:
    """The entries of journals without their checks."""
    return [
        [
            {k: v for k, v in json.loads(line).items() if k != "check"}
            for line in content.splitlines()
        ]
        for content in contents()
    ]


def read_predictions(folder: Path, content: bytes) -> object:
    """Read the journal of a prediction, every entry."""
    journal = PredictionJournal(file_in(folder, "journal.jsonl", content), "id")
    return [journal.entry(name) for name in journal.names()]


@functools.cache
def scores_files() -> list[bytes]:
    """image_scores.parquet of a run."""
    counts = Counts(*(np.array([[3, 0], [0, 2]]) for _ in range(3)))
    scores = ImageScores(("b.jpg", "a.jpg"), np.array([7, 9]), ("pit", "1"), counts)
    with tempfile.TemporaryDirectory() as folder:
        path = write_image_scores(Path(folder, "a.parquet"), {"val": scores, "test": scores})
        return [path.read_bytes()]


def values_of(model: Any) -> Any:
    """A pydantic model as JSON."""
    return json.loads(model.model_dump_json())


@functools.cache
def checkpoints() -> list[bytes]:
    """A checkpoint, as `training.checkpoint.save` writes it."""
    from tests.fakes import compiled

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "last.h5")
        checkpoint.save(path, compiled(), [Epoch(1, 12, 1.5, {"loss": 0.1})], "3f9c1a7e")
        return [path.read_bytes()]


@functools.cache
def onnx_files() -> list[bytes]:
    """An .onnx file without a network."""
    import onnx

    return [onnx_content(onnx.ModelProto(ir_version=8, producer_name="x"), CARD)]


CACHED = [np.arange(200, dtype=np.uint8).reshape(10, 20) + i for i in range(3)]


def cached_set(folder: Path) -> Any:
    """Three images with masks."""
    (folder / "set").mkdir()
    return dataset_of(folder / "set", CACHED, [image % 4 for image in CACHED], ["1", "2"])


@functools.cache
def cache_files() -> dict[str, bytes]:
    """The files of a cache by name."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cache.cache_images(cached_set(root), "disk", root / "cache")
        files = [path for path in (root / "cache").rglob("*") if path.is_file()]
        return {path.name: path.read_bytes() for path in files if path.stat().st_size}


def read_cache(name: str, folder: Path, content: bytes) -> object:
    """Open a cache with one changed file; its pixels are those of the images all the same."""
    dataset = cached_set(folder)
    place = folder / "cache" / cache.cache_key(dataset)
    for other, original in cache_files().items():
        file_in(place, other, content if other == name else original)
    opened = cache.cache_images(dataset, "disk", folder / "cache")
    for row, image in enumerate(CACHED):
        assert np.array_equal(opened.image(row), image)
        assert np.array_equal(opened.mask(row), image % 4)
    return opened


def archives() -> list[bytes]:
    """Small archives."""
    contents = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as file:
            file.writestr("train.csv", TABLE)
            file.writestr("train_images/a.png", saved("PNG"))
        contents.append(buffer.getvalue())
    return contents


def unpack(folder: Path, content: bytes) -> object:
    """Unpack an archive; nothing is written outside of its folder."""
    path = file_in(folder, "in/a.zip", content)
    try:
        return _unpack(path, folder / "in" / "unpacked")
    finally:
        assert [each.name for each in folder.iterdir()] == ["in"]
        assert {each.name for each in (folder / "in").iterdir()} <= {"a.zip", "unpacked"}


def as_csv(rows: Sequence[str]) -> list[bytes]:
    """One table."""
    return ["\n".join(rows).encode() + b"\n"]


CARD = card_of(record())
DETECTED = {"precision": 0.5, "recall": None, "labelled": 2, "predicted": 1}
EVALUATED = {
    "schema_version": 1,
    "part": "val",
    "classes": ["1"],
    "masks": "threshold",
    "intervals": {"dice_positive": [0.1, 0.9]},
    "no_interval": {"dice_batch": "of tiles"},
    "post_intervals": {},
    "post_no_interval": {},
    "pr": {"1": {"threshold": [0.5], "precision": [1.0], "recall": [None], "average_precision": 1}},
    "calibration": {"1": {"score": [0.5], "share": [0.4], "pixels": [9]}},
    "confusion": {"labels": ["none", "1"], "pixels": [[1, 2], [3, 4]]},
    "images": {"1": DETECTED | {"average_precision": 0.5}},
    "components": {"1": {"small": DETECTED}},
}
PREDICTED = PredictionSettings(
    runtime="keras",
    precision="float32",
    network="ab",
    overlays=True,
    model=values_of(CARD),
    input=["/x"],
)
MANIFEST = Settings(4, 0, 1.0, 0.5)
COCO = "pycocotools/instances.json"
LABELME = "labelme/a.json"
OBJECTS = "supervisely/train/ann/a.png.json"
META = "supervisely/meta.json"
LINES = "ultralytics/labels/a.txt"
NAMES = "ultralytics/data.yaml"


def form(source: str, file: str) -> Target:
    """The target of a label file; JSON is changed by its values, too."""
    content = (FIXTURES / file).read_bytes()
    values = (lambda: [json.loads(content)]) if file.endswith(".json") else None
    return Target(lambda: [content], functools.partial(read_form, source, file), values=values)


def document(
    values: Any, name: str, read: Callable[[Path], object], *, beside: bool = False
) -> Target:
    """The target of a JSON file, with its checksum where it has one."""
    place = reading_beside if beside else reading
    return Target(
        lambda: [json.dumps(values).encode(), sealed(values)],
        place(name, read),
        values=lambda: [values],
        seal=sealed,
    )


def journal(
    contents: Callable[[], list[bytes]], read: Callable[[Path, bytes], object], identity: str = ""
) -> Target:
    """The target of a journal of JSON lines."""
    seal = functools.partial(sealed_lines, identity)
    return Target(contents, read, values=lambda: unchecked(contents), seal=seal)


TARGETS: Mapping[str, Target] = {
    "spec": Target(shipped_specs, read_spec),
    "override": Target(
        lambda: [
            b"loss={name: focal, gamma: 2}",
            b"training.epochs=3",
            b"search.space.loss.gamma={float: [0, 1]}",
        ],
        read_override,
    ),
    "resolved-spec": Target(resolved_spec, reading("spec.yaml", read_resolved)),
    "rle": Target(
        lambda: [b"1 5 40 9 600 1", b"", b"3 1"],
        lambda folder, content: rle.decode(text_of(content), (20, 30)),
        errors=(rle.RleError,),
    ),
    "coco-rle": Target(
        lambda: [coco_rle.encode(np.eye(20, 30) > 0).encode()],
        lambda folder, content: coco_rle.decode(text_of(content), (20, 30)),
        errors=(ShapeError,),
    ),
    "severstal": Target(lambda: [TABLE], read_severstal),
    "csv": Target(
        lambda: [TABLE, TABLE.replace(b",", b";"), b"id,x,y\na,1 1,2 2\nb,,nan\n"],
        functools.partial(read_csv, 1, "columns"),
    ),
    "csv from 0": Target(
        lambda: [TABLE.replace(b"600 1", b"599 1")], functools.partial(read_csv, 0, "rows")
    ),
    "split": Target(
        lambda: as_csv(["image,part,version,added", "a.png,train", "b.png,val,2,2026-11-28"]),
        reading("split.csv", read_table),
    ),
    "image-table": Target(
        lambda: as_csv(["image,image_hash,label_hash", "a.png,ab,cd", "b.png,ef,"]),
        reading("images.csv", read_image_table),
    ),
    "coco": form("coco", COCO),
    "labelme": form("labelme", LABELME),
    "supervisely": form("supervisely", OBJECTS),
    "supervisely-classes": form("supervisely", META),
    "yolo": form("yolo_seg", LINES),
    "yolo-names": form("yolo_seg", NAMES),
    "mask": Target(small_masks, read_mask),
    "image": Target(images, read_image),
    "doctor": Target(lambda: [TABLE, *images()[:6]], examine, examples=8),
    "doctor-of-masks": Target(small_masks, examine_masks, examples=8),
    "epochs": journal(epoch_lines, reading_beside("epochs.jsonl", read_epochs)),
    "tracking": journal(tracking_lines, reading_beside("journal.jsonl", read_events)),
    "trials": journal(trial_lines, reading("trials.jsonl", read_trials)),
    "prediction": journal(prediction_lines, read_predictions, "id"),
    "receipt": document(
        {"schema_version": 2, "key": None, "acknowledged": 0, "refused": {}},
        "sent.json",
        read_progress,
        beside=True,
    ),
    "prediction-settings": document(
        values_of(PREDICTED), "prediction.json", read_prediction_settings
    ),
    "record": document(values_of(record()), "record.json", read_record),
    "evaluation": document(
        EVALUATED, EVALUATION, lambda folder: read_evaluation_report(folder, {}), beside=True
    ),
    "search": document(THREE_TRIALS, "search.json", read_search_file, beside=True),
    "card": Target(
        lambda: [card_text(CARD).encode()],
        lambda folder, content: read_card(content, folder / "a.onnx"),
        values=lambda: [values_of(CARD)],
        seal=sealed,
    ),
    "onnx-card": Target(
        onnx_files,
        lambda folder, content: read_onnx_card(content, folder / "a.onnx"),
    ),
    "manifest": Target(
        lambda: [json.dumps(asdict(MANIFEST)).encode()],
        reading_beside(MANIFEST_FILE, lambda folder: is_generated(folder, MANIFEST)),
        values=lambda: [asdict(MANIFEST)],
    ),
    "image-scores": Target(
        scores_files, reading("image_scores.parquet", lambda path: read_image_scores(path, "val"))
    ),
    "checkpoint": Target(
        checkpoints, reading("last.h5", lambda path: checkpoint.epochs_of(path, "3f9c1a7e"))
    ),
    **{
        f"cache-{name}": Target(
            functools.partial(lambda name: [cache_files()[name]], name),
            functools.partial(read_cache, name),
            examples=15,
        )
        for name in ("cache.json", "checks.u4", "grey.u8", "bits.u8")
    },
    "archive": Target(archives, unpack),
}
