"""Floor of a training step: its multiplications at the speed of this machine's matrix products.

    python -m benchmarks.floor --backbone efficientnetb0 --batch 8

Counts the floating-point operations of convolutions and matrix products in the graph of a step,
forward and backward, in both forms of the convolutions. The peak is the fastest of 20 float32
products of 2,048 x 2,048 matrices with as many threads as a run has. A step cannot be faster than
operations / peak, and batch norm, activations, Adam and the loss come on top of it.
"""

import argparse
import functools
import math
import time

from benchmarks.peers import PEERS
from benchmarks.training_step import CLASSES, LEARNING_RATE, batch_of


def main(args):
    """Print a row of Markdown for each form of the convolutions, and the peak."""
    from steelexp.training import runtime
    from steelexp.training.execution import execution_here

    runtime.prepare(seed=0, precision="float32", execution=execution_here())
    peak = peak_speed()
    print(f"peak of a matrix product: {peak / 1e9:.0f} GFLOP/s")
    print("| convolutions | GFLOP a step | floor, seconds a step | floor, tiles a second |")
    print("|---|---|---|---|")
    for convolutions in ("direct", "winograd"):
        count = operations(args, convolutions)
        seconds = count / peak
        print(
            f"| {convolutions} | {count / 1e9:.0f} | {seconds:.2f} | {args.batch / seconds:.2f} |"
        )


def peak_speed(size=2048, times=20):
    """Floating-point operations a second of the fastest product of two square matrices."""
    from steelexp.lazy import tf

    square = tf.ones([size, size])
    multiply = tf.function(lambda one, other: tf.matmul(one, other)[0, 0])
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        multiply(square, square).numpy()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)


def operations(args, convolutions):
    """Floating-point operations of the convolutions and matrix products of a step."""
    from steelexp.lazy import tf
    from steelexp.model.losses import dice
    from steelexp.model.optimizers import adam
    from steelexp.model.unet import unet
    from steelexp.model.winograd import use_winograd
    from steelexp.training.execution import execution_here
    from steelexp.training.fit import compile_model

    model = unet(CLASSES, execution_here().decoder, backbone=args.backbone, weights="none")
    if convolutions == "winograd":
        use_winograd(model)
    loss = functools.partial(dice, reduce="batch")
    optimizer = adam(learning_rate=LEARNING_RATE)
    compile_model(model, loss=loss, optimizer=optimizer, classes=CLASSES)
    grey, bits = batch_of(args)
    step = tf.function(lambda: model.train_step((tf.constant(grey), tf.constant(bits))))
    return sum(_operations(each) for each in step.get_concrete_function().graph.get_operations())


def _operations(operation):
    """Floating-point operations of one node of the graph; 0 where it multiplies no matrices."""
    inputs = [tensor.shape for tensor in operation.inputs]
    output = operation.outputs[0].shape if operation.outputs else None
    match operation.type:
        case "Conv2D":
            return 2 * math.prod(output) * math.prod(inputs[1][:3])
        case "Conv2DBackpropInput":
            return 2 * math.prod(inputs[2]) * math.prod(inputs[1][:3])
        case "Conv2DBackpropFilter":
            return 2 * math.prod(inputs[2]) * math.prod(output[:3])
        case "DepthwiseConv2dNative":
            return 2 * math.prod(output) * math.prod(inputs[1][:2])
        case "DepthwiseConv2dNativeBackpropInput":
            return 2 * math.prod(inputs[2]) * math.prod(inputs[1][:2])
        case "DepthwiseConv2dNativeBackpropFilter":
            return 2 * math.prod(inputs[2]) * math.prod(output[:2])
        case "MatMul" | "BatchMatMulV2":
            turned = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
            return 2 * math.prod(output) * inputs[0][-2 if turned else -1]
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backbone", choices=tuple(PEERS), default="mobilenetv2")
    parser.add_argument("--batch", type=int, default=8, help="tiles of a step")
    parser.add_argument("--size", type=int, default=256, help="height and width of a tile")
    main(parser.parse_args())
