"""Whole epochs in training pixels a second, beside the published recipe and beside PyTorch.

    python -m steelexp data generate strips --strips 50
    python -m benchmarks.epochs strips --backbone mobilenetv2 --torch-python /path/to/python

An epoch is all that a side does in it: reading, training, its own validation and checkpoints.
All sides train on the same 256 x 256 tiles in batches of 12 and validate on the same strips. Dice
loss, Adam at 1e-4, random initial weights, float32.

- ours: `run`, with a validation on whole strips and one on tiles, six overlays and the checkpoints.
  ours_winograd is the same with `training.convolutions: winograd`.
- published: the recipe of the competition's notebooks. A Keras `Sequence` that reads each image for
  its six tiles (`input_pipeline.py`), segmentation-models' U-Net, `fit` with `validation_data` of
  tiles, Dice as a metric, `ModelCheckpoint`. TensorFlow's own settings.
- torch: segmentation_models_pytorch's U-Net, channels last, a DataLoader with worker processes that
  stay, masks decoded before, a validation on whole strips in inference mode, `torch.save` of the
  best weights.

Every side has a process of its own, and they take turns (`side_by_side.py`). The first epoch of
each, in which graphs are traced, is not counted.
"""

import argparse
import os
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peers import PEERS
from benchmarks.side_by_side import alternate, print_and_write, serve

SIZE = 256
COUNT = 6
CLASSES = 4
BATCH = 12
RATE = 1e-4
SPEC = """
name: epochs
data: {{source: severstal, root: {root}, images: all}}
split: {{kind: file, path: {split}}}
tiling: {{kind: columns, size: 256, count: 6}}
model: {{architecture: unet, backbone: {backbone}, weights: none}}
loss: {{name: dice, reduce: batch, smooth: 1.0}}
optimizer: {{name: adam, learning_rate: 1.0e-4}}
training:
  {{epochs: 1000, batch_size: 12, precision: {precision}, convolutions: {convolutions}}}
tracking: {{name: none}}
seed: 1
"""


def names_of(root, part):
    """Names of the strips of a part: each fifth is a validation strip."""
    names = sorted(path.name for path in (root / "train_images").glob("*.jpg"))
    return [name for number, name in enumerate(names) if (number % 5 == 4) == (part == "val")]


class EpochByEpoch:
    """A training in a thread that stops before each epoch until it is asked for."""

    def __init__(self, train):
        self._asked = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._train = train
        self._first = True
        self.error = None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            self._train(self.wait)
        except BaseException as error:
            self.error = error
            self._done.release()

    def wait(self):
        """Called by the training before each epoch."""
        if not self._first:
            self._done.release()
        self._first = False
        self._asked.acquire()

    def __call__(self):
        """Train one epoch."""
        self._asked.release()
        self._done.acquire()
        if self.error is not None:
            raise self.error


def ours(root, backbone, precision, folder, convolutions="direct"):
    """`run`, which is stopped before each epoch."""
    from steelexp import experiment
    from steelexp.plan import SpecModel, prepare
    from steelexp.progress import CONSOLE
    from steelexp.spec import load

    CONSOLE.file = sys.stderr
    split = folder / "split.csv"
    rows = [f"{name},{part}" for part in ("train", "val") for name in names_of(root, part)]
    split.write_text("\n".join(["image,part", *rows]) + "\n")
    spec = folder / "spec.yaml"
    spec.write_text(
        SPEC.format(
            root=root,
            split=split,
            backbone=backbone,
            precision=precision,
            convolutions=convolutions,
        )
    )
    plan = prepare(load(spec, model=SpecModel), folder / "runs")

    def train(wait):
        batches = experiment.training_batches

        def training_batches(*args, **settings):
            wait()
            return batches(*args, **settings)

        experiment.training_batches = training_batches
        experiment.run(plan, command="")

    return EpochByEpoch(train)


def published(root, backbone, precision, folder):
    """The published recipe as it is written."""
    from benchmarks import input_pipeline
    from steelexp.lazy import keras, segmentation_models, tf

    assert precision == "float32"
    input_pipeline.BATCH = BATCH
    train, val = (
        input_pipeline.published(root, names_of(root, part), by="images")
        for part in ("train", "val")
    )

    def dice_coef(y_true, y_pred):
        overlap = tf.reduce_sum(y_true * y_pred)
        return (2 * overlap + 1) / (tf.reduce_sum(y_true) + tf.reduce_sum(y_pred) + 1)

    def dice_loss(y_true, y_pred):
        return 1 - dice_coef(y_true, y_pred)

    model = segmentation_models.Unet(
        backbone,
        classes=CLASSES,
        activation="sigmoid",
        encoder_weights=None,
        input_shape=(SIZE, SIZE, 3),
    )
    model.compile(keras.optimizers.Adam(RATE), loss=dice_loss, metrics=[dice_coef])
    best = keras.callbacks.ModelCheckpoint(
        str(folder / "best.h5"), monitor="val_dice_coef", mode="max", save_best_only=True
    )
    return lambda: model.fit(train, validation_data=val, epochs=1, verbose=0, callbacks=[best])


def strip_masks(root):
    """Name -> mask [256, 1600] of bits, from train.csv, without any library."""
    masks = {}
    for line in (root / "train.csv").read_text().splitlines()[1:]:
        name, label, runs = line.split(",")
        mask = masks.setdefault(name, np.zeros(256 * 1600, np.uint8))
        numbers = [int(number) for number in runs.split()]
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            mask[start - 1 : start - 1 + length] |= 1 << (int(label) - 1)
    return {name: mask.reshape(1600, 256).T for name, mask in masks.items()}


def torch(root, backbone, precision, folder, workers):
    """The peer in PyTorch."""
    import segmentation_models_pytorch as smp
    import torch
    from torch.utils.data import DataLoader

    classes = torch.arange(CLASSES, dtype=torch.uint8)[:, None, None]
    masks = strip_masks(root)
    clean = np.zeros((256, 1600), np.uint8)
    amp = precision != "float32"

    class Tiles(torch.utils.data.Dataset):
        def __init__(self, part, count):
            self.names = names_of(root, part)
            self.count = count

        def __len__(self):
            return len(self.names) * self.count

        def __getitem__(self, item):
            name = self.names[item // self.count]
            grey = cv2.imread(str(root / "train_images" / name), cv2.IMREAD_GRAYSCALE)
            width = SIZE if self.count > 1 else grey.shape[1]
            columns = slice(item % self.count * width, (item % self.count + 1) * width)
            bits = masks.get(name, clean)[:, columns]
            image = torch.from_numpy(grey[:, columns].copy())[None].expand(3, -1, -1)
            return image, torch.from_numpy(bits.copy())

    settings = {"num_workers": workers, "persistent_workers": workers > 0}
    train = DataLoader(Tiles("train", COUNT), BATCH, shuffle=True, **settings)
    val = DataLoader(Tiles("val", 1), BATCH // COUNT, **settings)
    network = smp.Unet(PEERS[backbone], encoder_weights=None, classes=CLASSES)
    network = network.to(memory_format=torch.channels_last)
    loss_of = smp.losses.DiceLoss(mode="multilabel", from_logits=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    best = [-1.0]

    def tensors(image, bits):
        image = image.to(torch.float32, memory_format=torch.channels_last).div_(255)
        return image, (bits[:, None] >> classes & 1).float()

    def logits_of(image):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=amp):
            return network(image).float()

    def epoch():
        network.train()
        for batch in train:
            image, truth = tensors(*batch)
            optimizer.zero_grad(set_to_none=True)
            loss_of(logits_of(image), truth).backward()
            optimizer.step()
        network.eval()
        counts = []
        with torch.inference_mode():
            for batch in val:
                image, truth = tensors(*batch)
                logits = logits_of(image)
                loss_of(logits, truth).item()
                predicted = logits.sigmoid()
                stats = smp.metrics.get_stats(
                    predicted, truth.long(), mode="multilabel", threshold=0.5
                )
                counts.append(torch.stack(stats))
        dice = smp.metrics.f1_score(*torch.cat(counts, 1), reduction="macro").item()
        if dice > best[0]:
            best[0] = dice
            torch.save(network.state_dict(), folder / "best.pt")

    return epoch


def serve_side(args, folder):
    """In the process of a side."""
    common = (args.root, args.backbone, args.precision, folder)
    if args.side == "torch":
        epoch = torch(*common, args.torch_workers)
        serve(epoch, packages=("torch", "segmentation_models_pytorch", "timm"))
    else:
        sides = {
            "ours": ours,
            "ours_winograd": partial(ours, convolutions="winograd"),
            "published": published,
        }
        epoch = sides[args.side](*common)
        serve(epoch, packages=("tensorflow", "tf_keras", "segmentation-models"))
    sys.stdout.flush()
    os._exit(0)  # the thread of a training does not end by itself


def main(args):
    """Print the table of the sides."""
    command = [__file__, str(args.root), "--backbone", args.backbone, "--precision", args.precision]
    command += ["--torch-workers", str(args.torch_workers), "--side"]
    pythons = {"torch": args.torch_python}
    comparison = alternate(
        {side: [pythons.get(side, sys.executable), *command, side] for side in args.sides},
        rounds=args.rounds,
        reference=args.sides[-1],
    )
    tiles = COUNT * len(names_of(args.root, "train"))
    print_and_write(
        comparison,
        title=f"Epochs of {tiles} tiles and {len(names_of(args.root, 'val'))} validation strips, "
        f"{args.backbone}, {args.precision}",
        unit="million training pixels a second",
        amount=tiles * SIZE * SIZE / 1e6,
        file=args.json,
        backbone=args.backbone,
        precision=args.precision,
        torch_workers=args.torch_workers,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", type=Path, help="strips in Kaggle's layout")
    parser.add_argument("--backbone", choices=tuple(PEERS), default="mobilenetv2")
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16"), default="float32")
    parser.add_argument("--sides", nargs="+", default=["ours", "published", "torch"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--torch-workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        with tempfile.TemporaryDirectory() as scratch:
            serve_side(arguments, Path(scratch))
    else:
        main(arguments)
