"""The command `export`: a trained network for use elsewhere."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from steelexp import run_model
from steelexp.commands.outcome import DONE
from steelexp.commands.show import one_run
from steelexp.data.dataset import DataError, Dataset, decode_image
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.data.sources import SOURCES
from steelexp.errors import explain_write_errors
from steelexp.inference.export import Parity, export
from steelexp.inference.image_files import image_files
from steelexp.inference.predictor import Grey
from steelexp.plan import SpecModel
from steelexp.progress import say
from steelexp.records.exports import EXPORTS, Format, export_path
from steelexp.records.store import RunFolder
from steelexp.spec import load

if TYPE_CHECKING:
    from steelexp.commands.arguments import Subparsers

COMPARED = 10  # images

NEXT: dict[Format, str] = {
    "onnx": "python -m steelexp predict {path} PATH... runs it without TensorFlow",
    "savedmodel": "tf.saved_model.load({path!r}).signatures['serving_default'](grey=...) runs it",
    "tflite": "tf.lite.Interpreter({path!r}) runs it; give resize_tensor_input the image's size",
}


def add(commands: "Subparsers") -> None:
    """Add the command."""
    parser = commands.add_parser("export", help="a trained network for use elsewhere")
    parser.set_defaults(act=run_export)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument(
        "--format", choices=tuple(EXPORTS), default="onnx", help="of the export (default: onnx)"
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="PATH",
        help="images on which the export is held against the trained network (default: "
        f"{COMPARED} of the run's data set; drawn ones where that is not there)",
    )


def run_export(args: argparse.Namespace) -> int:
    """Export a run's network, and say how near it is to the trained one."""
    folder = one_run(args.run)
    path = export_path(folder.path, args.format)
    card, (dataset, origin) = run_model.run_card(folder), _dataset(folder, args.images)
    model = run_model.load_model(folder, precision="float32")
    with explain_write_errors(folder.path, "copy the run to a folder that can be written"):
        parity = export(model, card, args.format, path, dataset)
    say(_parity_line(parity, len(dataset), origin))
    size = sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file()) / 1e6
    say(f"{path} ({size:.1f} MB): {NEXT[args.format].format(path=str(path))}")
    return DONE


def _parity_line(parity: Parity, dataset: int, origin: str) -> str:
    return (
        f"Parity: on {dataset} {origin} ({parity.pixels:,} pixels) no score is further than "
        f"{parity.largest:.1e} from the trained network's"
    )


def _dataset(folder: RunFolder, words: Sequence[str] | None) -> tuple[list[Grey], str]:
    """What to compare on, and what it is."""
    if words:
        files = [image.path for image in image_files(words)]
        chosen = [files[i] for i in _spread(len(files))]
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION
        return [decode_image(path, flags).astype(np.uint8) for path in chosen], "of these images"
    found = _own_images(folder)
    if found is None:
        draw = np.random.default_rng(0)
        drawn = [photograph(draw, generate_sheet(draw)) for _ in range(COMPARED)]
        return drawn, "drawn images (the run's data set is not there)"
    return [found.image(row) for row in _spread(len(found))], "images of the run's data set"


def _own_images(folder: RunFolder) -> Dataset | None:
    """The run's data set, if it is there."""
    spec = load(folder.path / "spec.yaml", model=SpecModel)
    if not Path(str(spec.data.settings.get("root", ""))).is_dir():
        return None
    try:
        dataset: Dataset = spec.data.bind(SOURCES)()
    except DataError:
        return None
    return dataset


def _spread(count: int) -> list[int]:
    """At most ten numbers below `count`, evenly spread."""
    kept = min(count, COMPARED)
    return [i * count // kept for i in range(kept)]
