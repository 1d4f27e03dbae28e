"""Whole strips a second of one U-Net with TensorFlow, ONNX Runtime, OpenVINO and PyTorch.

    pip install -e '.[export,openvino,benchmarks]'
    python -m benchmarks.inference STRIP... --backbone mobilenetv2
    python -m benchmarks.inference STRIP... --torch-python OTHER/bin/python --json inference.json

Ours is segmentation-models' U-Net as `run` trains it and `export` writes it. The peer is the U-Net
of segmentation_models_pytorch in inference mode, with the same encoder, the same decoder filters
and the same work around it: grey bytes in, scaled, sigmoid scores out. It runs eagerly with
channels last, traced and frozen with oneDNN's fusions, and compiled; the fastest of these is the
reference. Nothing is trained: time does not depend on the weights.

`-pair` scores two images at a time, each with half of the cores, instead of one after the other:
OpenVINO with its hint for throughput, PyTorch with a thread for each image.
`--torch-python` names the interpreter of another environment for PyTorch.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.peers import PEERS
from benchmarks.side_by_side import alternate, print_and_write, serve

OURS = {
    "tensorflow": ("tensorflow",),
    "onnx": ("onnxruntime",),
    "openvino": ("openvino",),
    "openvino-pair": ("openvino",),
    "openvino-bf16": ("openvino",),
    "openvino-bf16-pair": ("openvino",),
}
THEIRS = (
    "torch-eager",
    "torch-frozen",
    "torch-compiled",
    "torch-pair",
    "torch-bf16",
    "torch-bf16-compiled",
)
PACKAGES = OURS | dict.fromkeys(THEIRS, ("torch", "segmentation_models_pytorch"))
"""Side -> packages whose versions belong to its figures."""

SIDES = (
    "tensorflow", "onnx", "openvino", "openvino-pair", "openvino-bf16",
    "torch-eager", "torch-frozen", "torch-compiled", "torch-pair",
)  # fmt: skip


def write_export(folder, backbone):
    """Write the network as `run` builds it to model.onnx, and print how close its scores are."""
    from steelexp.inference.export import export
    from steelexp.model.unet import unet
    from steelexp.records.model_card import ModelCard
    from steelexp.records.postprocessing import ClassRules
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here

    runtime.prepare(seed=0, precision="float32", execution=execution_here())
    model = unet(4, backbone=backbone, weights="none")
    model.save_weights(folder / "weights.h5")
    classes = {label: ClassRules(threshold=0.5) for label in "1234"}
    card = ModelCard(
        name="", digest="", classes=classes, postprocessing_metric=None, training_tiles={}
    )
    images = list(np.load(folder / "images.npy"))
    parity = export(model, card, "onnx", folder / "model.onnx", images[:2])
    print(f"{backbone}: {model.count_params():,} parameters, ONNX within {parity.largest:.1e}")


def tensorflow(folder, backbone):
    """The network as `run` builds it."""
    from steelexp.lazy import tf
    from steelexp.model.unet import unet
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here

    runtime.prepare(seed=0, precision="float32", execution=execution_here())
    model = unet(4, backbone=backbone, weights="none")
    model.load_weights(folder / "weights.h5")

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8)])
    def score(grey):
        return tf.sigmoid(model(grey, training=False))

    return lambda grey: score(grey).numpy()


def onnx(folder, backbone):
    """The export."""
    from steelexp.inference.predictor import onnx_predictor

    return onnx_predictor(folder / "model.onnx").score


def openvino(folder, side):
    """The export, with its decoder folded."""
    from steelexp.inference.openvino_runtime import openvino_predictor

    precision = "bfloat16" if "bf16" in side else "float32"
    images = 2 if "pair" in side else 1
    return openvino_predictor(folder / "model.onnx", precision=precision, images=images).score


def torch(form, backbone):
    """The peer."""
    import segmentation_models_pytorch
    import torch

    settings = {"encoder_weights": None, "classes": 4}
    network = segmentation_models_pytorch.Unet(PEERS[backbone], **settings).eval()
    network = network.to(memory_format=torch.channels_last)
    narrow = "bf16" in form
    if narrow:
        network = network.bfloat16()
    if form == "torch-frozen":
        with torch.inference_mode():
            example = torch.zeros(1, 3, 256, 1600).contiguous(memory_format=torch.channels_last)
            network = torch.jit.optimize_for_inference(torch.jit.trace(network, example))
    if "compiled" in form:
        torch._inductor.config.freezing = True
        network = torch.compile(network)

    @torch.inference_mode()
    def score(grey):
        image = torch.from_numpy(grey).permute(0, 3, 1, 2).float().div(255).expand(-1, 3, -1, -1)
        image = image.contiguous(memory_format=torch.channels_last)
        image = image.bfloat16() if narrow else image
        return network(image).float().sigmoid().permute(0, 2, 3, 1).numpy()

    return score


def work_of(side, folder, backbone):
    """A function that scores all images once."""
    images = np.load(folder / "images.npy")[..., None]
    batches = [image[None] for image in images]
    if side.startswith("torch"):
        score = torch(side, backbone)
    elif side.startswith("openvino"):
        score = openvino(folder, side)
    else:
        score = globals()[side](folder, backbone)
    if "pair" not in side:
        return lambda: [score(batch) for batch in batches]
    if side == "torch-pair":
        import torch as library

        library.set_num_threads(1)
    pool = ThreadPoolExecutor(2)
    return lambda: list(pool.map(score, batches))


def main(args):
    """Print the table of all sides."""
    import cv2

    read = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in args.images)
    images = np.stack([image for image in read if image.shape == (256, 1600)])
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "images.npy"), images)
        words = [
            "-m",
            "benchmarks.inference",
            "--backbone",
            args.backbone,
            "--folder",
            folder,
            "--side",
        ]
        subprocess.run([sys.executable, *words, "export"], check=True)
        pythons = {side: sys.executable if side in OURS else args.torch_python for side in PACKAGES}
        comparison = alternate(
            {side: [pythons[side], *words, side] for side in args.sides},
            rounds=args.rounds,
            reference=next(side for side in args.sides if side.startswith("torch")),
        )
    medians = {side: statistics.median(times) for side, times in comparison.seconds.items()}
    exact = [side for side in medians if side.startswith("torch") and "bf16" not in side]
    print_and_write(
        comparison._replace(reference=min(exact, key=medians.__getitem__)),
        title=f"{args.backbone}, {len(images)} images of 256 x 1600",
        unit="images a second",
        amount=len(images),
        file=args.json,
        backbone=args.backbone,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--backbone", choices=tuple(PEERS), default="mobilenetv2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sides", nargs="+", choices=tuple(PACKAGES), default=SIDES)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--json", type=Path, help="JSON file to write")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side == "export":
        write_export(arguments.folder, arguments.backbone)
    elif arguments.side:
        work = work_of(arguments.side, arguments.folder, arguments.backbone)
        serve(work, packages=PACKAGES[arguments.side], backbone=arguments.backbone)
    else:
        main(arguments)
