"""Training step of one U-Net: TensorFlow as `run` sets it up, beside PyTorch.

    pip install -e '.[benchmarks]'
    python -m benchmarks.training_step --backbone mobilenetv2 --batch 8
    ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 python -m benchmarks.training_step

The peer is the U-Net of segmentation_models_pytorch with the same encoder and decoder filters, in
float32 and channels last, with fused Adam, flushed denormal numbers and as many threads as cores;
once as it is and once compiled by `torch.compile`. Its encoder hands over smaller skip
connections, so it has less to compute. Both sides get grey bytes and a mask of bits, scale and
expand them, and train on the Dice loss of the whole batch. Weights and images are random: the time
does not depend on them. "kept memory" tells glibc to keep freed memory, as `run` does. The sides in
bfloat16 keep memory, too: `training.precision: mixed_bfloat16`, and PyTorch's autocast.
`--torch-python` names the interpreter of another environment for PyTorch.
"""

import argparse
import ctypes
import functools
import sys
from pathlib import Path

import numpy as np

from benchmarks.peers import PEERS
from benchmarks.side_by_side import alternate, print_and_write, serve
from steelexp.cores import available_cores

CLASSES = 4
LEARNING_RATE = 1e-4


def batch_of(args):
    """Grey and bits of one batch."""
    draw = np.random.default_rng(0)
    shape = (args.batch, args.size, args.size, 1)
    return draw.integers(0, 256, shape, np.uint8), draw.integers(0, 16, shape, np.uint8)


def compiled_step(args, *, precision="float32", **choices):
    """The step of `run`, in the loop that Keras compiles for `fit`.

    Choices differ from those of this machine as they are named.

    Returns:
        Function of no arguments that takes a step and returns the loss; the network; the choices.
    """
    from steelexp.lazy import tf
    from steelexp.model.fused_adam import fused
    from steelexp.model.fused_gradients import fuse_gradients
    from steelexp.model.losses import dice
    from steelexp.model.optimizers import adam
    from steelexp.model.unet import unet
    from steelexp.model.winograd import use_winograd
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here
    from steelexp.training.fit import compile_model

    execution = execution_here()._replace(**choices)
    runtime.prepare(seed=0, precision=precision, execution=execution)
    model = unet(CLASSES, execution.decoder, backbone=args.backbone, weights="none")
    if execution.gradients == "fused":
        fuse_gradients(model)
    if execution.convolutions == "winograd":
        use_winograd(model)
    loss = functools.partial(dice, reduce="batch")
    optimizer = adam(learning_rate=LEARNING_RATE)
    optimizer = fused(optimizer) if execution.adam == "fused" else optimizer
    compile_model(model, loss=loss, optimizer=optimizer, classes=CLASSES)
    # As in a run, the size of a batch is not part of the graph: the last one may be smaller.
    batches = iter(tf.data.Dataset.from_tensor_slices(batch_of(args)).repeat().batch(args.batch))
    step = model.make_train_function()
    return lambda: step(batches)["loss"], model, execution


def tensorflow_steps(args, **choices):
    """Serve the step of `run`."""
    step, model, execution = compiled_step(args, **choices)

    def work():
        for _ in range(args.steps):
            loss = step()
        assert np.isfinite(float(loss))

    serve(
        work,
        packages=("tensorflow", "tf-keras"),
        parameters=int(model.count_params()),
        execution=execution._asdict(),
    )


def torch_steps(args, *, compiled=False, kept_memory=False, bfloat16=False):
    """The peer, eager or compiled."""
    if kept_memory:  # numbers of glibc's <malloc.h>, as in training/runtime.py
        for setting, value in ((-4, 0), (-1, 2**31 - 1), (-2, 256 * 2**20)):
            ctypes.CDLL(None).mallopt(setting, value)
    import segmentation_models_pytorch
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(available_cores())
    torch.set_flush_denormal(True)
    network = segmentation_models_pytorch.Unet(
        PEERS[args.backbone], encoder_weights=None, classes=CLASSES
    )
    network = network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, eps=1e-7, fused=True)
    grey, bits = (torch.from_numpy(each) for each in batch_of(args))
    places = torch.arange(CLASSES, dtype=torch.uint8)

    def loss_of():
        image = grey.permute(0, 3, 1, 2).float().div(255).expand(-1, 3, -1, -1)
        image = image.contiguous(memory_format=torch.channels_last)
        truth = ((bits >> places) & 1).float().permute(0, 3, 1, 2)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            logits = network(image)
        scores = logits.float().sigmoid()
        return 1 - (2 * (scores * truth).sum() + 1) / (scores.sum() + truth.sum() + 1)

    if compiled:
        loss_of = torch.compile(loss_of)

    def work():
        for _ in range(args.steps):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of()
            loss.backward()
            optimizer.step()
        assert np.isfinite(loss.item())

    parameters = sum(each.numel() for each in network.parameters())
    serve(work, packages=("torch", "segmentation-models-pytorch"), parameters=parameters)


SIDES = {
    "PyTorch": torch_steps,
    "PyTorch, kept memory": functools.partial(torch_steps, kept_memory=True),
    "PyTorch, compiled": functools.partial(torch_steps, compiled=True),
    "PyTorch, compiled, kept memory": functools.partial(
        torch_steps, compiled=True, kept_memory=True
    ),
    "PyTorch, bfloat16": functools.partial(torch_steps, kept_memory=True, bfloat16=True),
    "PyTorch, compiled, bfloat16": functools.partial(
        torch_steps, compiled=True, kept_memory=True, bfloat16=True
    ),
    "as run": tensorflow_steps,
    "as run, bfloat16": functools.partial(tensorflow_steps, precision="mixed_bfloat16"),
    "as run, plain Adam": functools.partial(tensorflow_steps, adam="plain"),
    "as run, plain gradients": functools.partial(tensorflow_steps, gradients="plain"),
    "as run, Winograd": functools.partial(tensorflow_steps, convolutions="winograd"),
    "plain decoder": functools.partial(tensorflow_steps, decoder="plain", remapper=False),
    "folded decoder": functools.partial(tensorflow_steps, decoder="folded", remapper=False),
    "folded decoder, remapper": functools.partial(
        tensorflow_steps, decoder="folded", remapper=True
    ),
}

USUAL = ("PyTorch, kept memory", "PyTorch", "plain decoder", "as run", "as run, Winograd")
"""Sides without `--sides`; the reference was the fastest form of PyTorch on a Zen 4."""


def main(args):
    """Print the table of one backbone and batch size."""
    settings = [f"--{key}={getattr(args, key)}" for key in ("backbone", "batch", "size", "steps")]
    commands = {}
    for name in args.sides:
        python = args.torch_python if "PyTorch" in name else sys.executable
        commands[name] = [python, __file__, *settings, "--serve", name]
    comparison = alternate(commands, rounds=args.rounds, reference=args.sides[0])
    print_and_write(
        comparison,
        title=f"{args.backbone}, batches of {args.batch} tiles of {args.size} x {args.size}",
        unit="tiles a second",
        amount=args.batch * args.steps,
        file=args.json,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", choices=tuple(PEERS), default="mobilenetv2")
    parser.add_argument("--batch", type=int, default=8, help="tiles of a step")
    parser.add_argument("--size", type=int, default=256, help="height and width of a tile")
    parser.add_argument("--steps", type=int, default=2, help="steps of a round")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--sides",
        nargs="+",
        choices=tuple(SIDES),
        metavar="SIDE",
        default=USUAL,
        help=f"the first is the reference; choose from: {', '.join(SIDES)}",
    )
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--serve", choices=tuple(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        SIDES[arguments.serve](arguments)
    else:
        main(arguments)
