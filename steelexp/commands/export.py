"""The command `export`: a trained network for use elsewhere."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from steelexp import run_model
from steelexp.command_line import command_line
from steelexp.commands.outcome import DONE
from steelexp.commands.show import one_run
from steelexp.data.data_error import DataError
from steelexp.data.dataset import Dataset
from steelexp.data.decoding import read_grey
from steelexp.data.generator.steel import generate_sheet, photograph
from steelexp.errors import explain_write_errors
from steelexp.inference.export import Parity, export, replaced_weights
from steelexp.inference.image_files import image_files
from steelexp.inference.predictor import Grey
from steelexp.plan import SpecModel, load_dataset
from steelexp.progress import say
from steelexp.records.exports import EXPORTS, Format, export_path
from steelexp.records.model_card import ModelCard
from steelexp.records.store import RunFolder
from steelexp.spec import load
from steelexp.spec.roots import named_roots

COMPARED = 10
"""Images on which an export is compared with the trained network."""

NEXT: dict[Format, str] = {
    "onnx": "run it without TensorFlow: {command}",
    "savedmodel": "run it: tf.saved_model.load({path!r}).signatures['serving_default'](grey=...)",
    "tflite": "run it: tf.lite.Interpreter({path!r}); give resize_tensor_input the image's size",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.set_defaults(act=run_export)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--format",
        choices=tuple(EXPORTS),
        default="onnx",
        help="format of the export (default: onnx)",
    )
    parser.add_argument(
        "--images",
        nargs="+",
        metavar="PATH",
        help="images on which the export is compared with the trained network (default: "
        f"{COMPARED} of the run's data set, or synthetic ones where that is not there)",
    )


def run_export(args: argparse.Namespace) -> int:
    """Export a run's network and compare its scores with the trained network's."""
    folder = one_run(args.run)
    path = export_path(folder.path, args.format)
    card = run_model.run_card(folder)
    images, names, origin = _images(folder, args.images, card)
    model = run_model.load_model(folder, precision="float32", decoder="plain")
    replaced = replaced_weights(args.format, path, card)
    with explain_write_errors(folder.path, "copy the run to a folder that can be written"):
        parity = export(
            model, card, args.format, path, images, names=names, source=folder.best_weights
        )
    if replaced is not None:
        now = "the run's weights" if card.weights is None else f"the weights {card.weights[:8]}"
        say(f"{path}: replaced the export of {replaced} by one of {now}")
    say(_parity_line(parity, len(images), origin))
    command = command_line("predict", path, "IMAGES")
    following = NEXT[args.format].format(path=str(path), command=command)
    size = sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file()) / 1e6
    say(f"{path} ({size:.1f} MB): {following}")
    return DONE


def _parity_line(parity: Parity, images: int, origin: str) -> str:
    return (
        f"Parity: on {images} {origin} ({parity.pixels:,} pixels) no score is further than "
        f"{parity.largest:.1e} from the trained network's"
    )


def _images(
    folder: RunFolder, words: Sequence[str] | None, card: ModelCard
) -> tuple[list[Grey], list[str], str]:
    """The images to compare on, their names, and where they are from."""
    if words:
        files = [image.path for image in image_files(words)]
        spread = [files[i] for i in _spread(len(files))]
        greys = [read_grey(path, white=card.white) for path in spread]
        return greys, [str(path) for path in spread], "of these images"
    dataset = _own_images(folder)
    if dataset is None:
        rng = np.random.default_rng(0)
        images = [photograph(rng, generate_sheet(rng)) for _ in range(COMPARED)]
        return images, [], "synthetic images (the run's data set is not there)"
    rows = _spread(len(dataset))
    names = [str(dataset.paths[row]) for row in rows]
    return [dataset.image(row) for row in rows], names, "images of the run's data set"


def _own_images(folder: RunFolder) -> Dataset | None:
    """The run's data set, if it is there."""
    spec = load(folder.file("spec.yaml"), model=SpecModel)
    roots = named_roots(spec.data.settings.get("root", "")).values()
    if not all(Path(root).is_dir() for root in roots):
        return None
    try:
        dataset = load_dataset(spec)
    except DataError:
        return None
    return dataset


def _spread(count: int) -> list[int]:
    """At most ten numbers below `count`, evenly spread."""
    compared = min(count, COMPARED)
    return [i * count // compared for i in range(compared)]
