"""Images per second of one U-Net with TensorFlow, ONNX Runtime and PyTorch.

    pip install -e '.[export,benchmarks]'
    python benchmarks/inference.py images/*.jpg --backbone mobilenetv2

Ours is segmentation-models' U-Net as `run` trains it and `export` writes it; the peer is the eager
U-Net of segmentation_models_pytorch, channels last, in inference mode, with the same encoder, the
same decoder filters and the same work around it: grey bytes in, scaled, sigmoid scores out, one
image at a time. Nothing is trained: time does not depend on the weights. Each engine has a process
of its own, and they take turns, so that all are measured on the machine as it is at that time.
`--torch-python` names the interpreter of another environment for PyTorch.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

PEERS = {
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet-b0",
    "efficientnetb4": "efficientnet-b4",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
}
"""segmentation-models' name -> that of segmentation_models_pytorch."""

ENGINES = ("tensorflow", "onnx", "torch")


def tensorflow(folder, backbone):
    """The network as `run` builds it; leaves its export for ONNX Runtime."""
    from steelexp.inference.export import export
    from steelexp.lazy import tf
    from steelexp.model.unet import unet
    from steelexp.records.model_card import ModelCard
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here

    runtime.prepare(seed=0, precision="float32", execution=execution_here())
    model = unet(4, backbone=backbone, weights="none")
    card = ModelCard(name="", digest="", classes={}, postprocessing_metric=None, training_tiles={})
    images = list(np.load(folder / "images.npy"))
    parity = export(model, card, "onnx", folder / "model.onnx", images[:2])
    print(f"parity {parity.largest:.1e}, {model.count_params():,} parameters", file=sys.stderr)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None, 1), tf.uint8)])
    def score(grey):
        return tf.sigmoid(model(grey, training=False))

    return lambda grey: score(grey).numpy()


def onnx(folder, backbone):
    """The export."""
    from steelexp.inference.predictor import onnx_predictor

    return onnx_predictor(folder / "model.onnx").score


def torch(folder, backbone):
    """The peer."""
    import segmentation_models_pytorch
    import torch

    settings = {"encoder_weights": None, "classes": 4}
    network = segmentation_models_pytorch.Unet(PEERS[backbone], **settings).eval()
    network = network.to(memory_format=torch.channels_last)
    parameters = sum(each.numel() for each in network.parameters())
    print(f"{parameters:,} parameters", file=sys.stderr)

    @torch.inference_mode()
    def score(grey):
        image = torch.from_numpy(grey).permute(0, 3, 1, 2).float().div(255).expand(-1, 3, -1, -1)
        image = image.contiguous(memory_format=torch.channels_last)
        return network(image).sigmoid().permute(0, 2, 3, 1).numpy()

    return score


def serve(engine, folder, backbone):
    """Print the seconds of a round over the images at every line that comes."""
    score = globals()[engine](folder, backbone)
    images = np.load(folder / "images.npy")[..., None]
    for _ in range(2):
        score(images[:1])
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        for image in images:
            score(image[None])
        print(time.perf_counter() - started, flush=True)


def main(args):
    """Print a row for each engine."""
    import cv2

    read = (cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in args.images)
    images = np.stack([image for image in read if image.shape == (256, 1600)])
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "images.npy"), images)
        workers = {}
        for engine in ENGINES:
            python = args.torch_python if engine == "torch" else sys.executable
            words = [python, __file__, "--serve", engine, folder, "--backbone", args.backbone]
            workers[engine] = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert workers[engine].stdout.readline() == "ready\n", engine
        seconds = {engine: [] for engine in ENGINES}
        for _ in range(args.rounds):
            for engine, worker in workers.items():
                worker.stdin.write("\n")
                worker.stdin.flush()
                seconds[engine].append(float(worker.stdout.readline()))
        for worker in workers.values():
            worker.communicate()
    ratios = {
        engine: statistics.median(
            peer / own for own, peer in zip(seconds[engine], seconds["torch"], strict=True)
        )
        for engine in ENGINES
    }
    print(f"{args.backbone}, {len(images)} images of 256 x 1600, {args.rounds} rounds")
    print("| | images a second | beside PyTorch |\n|---|---|---|")
    for engine in ENGINES:
        rate = len(images) / statistics.median(seconds[engine])
        print(f"| {engine} | {rate:.2f} | {ratios[engine]:.2f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path)
    parser.add_argument("--backbone", choices=tuple(PEERS), default="mobilenetv2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], Path(arguments.serve[1]), arguments.backbone)
    else:
        main(arguments)
