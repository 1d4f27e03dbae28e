"""Rates of an exported network's convolutions in OpenVINO, beside that of a product of matrices.

    python -m benchmarks.network_rates exports/model.onnx
    python -m benchmarks.network_rates exports/model.onnx --precision float32

A convolution's time is the shortest of some runs, by OpenVINO's own counters. The rate of the
product of matrices is what the cores reach at best, in the same process. Beside other work both
are lower.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np

from steelexp.cores import available_cores
from steelexp.inference.onnx_file import read_network
from steelexp.inference.openvino_decoder import fold_decoder
from steelexp.inference.openvino_runtime import import_openvino

KINDS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")
SIDE = 1024  # of the matrices


def operations(node):
    """Multiplications and additions of a convolution."""
    port = node.input(0) if node.get_type_name() == "ConvolutionBackpropData" else node.output(0)
    height, width = list(port.get_shape())[2:]
    return 2 * height * width * math.prod(node.input(1).get_shape())


def operation_seconds(request, grey, runs):
    """Shortest seconds of each operation by its name."""
    best = {}
    for _ in range(runs):
        request.infer({"grey": grey})
        for each in request.profiling_info:
            seconds = each.real_time.total_seconds()
            best[each.node_name] = min(best.get(each.node_name, math.inf), seconds)
    return best


def product_rate(openvino, core, settings, runs=30):
    """Operations a second of two products of matrices."""
    ops = openvino.opset13
    values = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    left = ops.parameter([SIDE, SIDE], np.float32)
    right = ops.constant(values)
    product = ops.matmul(ops.matmul(left, right, False, False), right, False, False)
    model = openvino.Model([product], [left], "product")
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        request.infer({0: values})
        seconds.append(time.perf_counter() - started)
    return 2 * 2 * SIDE**3 / min(seconds)


def main(args):
    """Print the rates."""
    openvino = import_openvino()
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[args.precision],
        "INFERENCE_NUM_THREADS": available_cores(),
        "NUM_STREAMS": 1,
        "PERF_COUNT": True,
    }
    model = core.read_model(read_network(args.file)[0])
    fold_decoder(model)
    grey = np.random.default_rng(0).integers(0, 256, (1, 256, 1600, 1), np.uint8)
    model.reshape(list(grey.shape))
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() in KINDS]
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    seconds = operation_seconds(request, grey, args.runs)
    rows = [(seconds[node.get_friendly_name()], operations(node), node) for node in nodes]
    for spent, count, node in sorted(rows, key=lambda row: -row[0])[: args.rows]:
        weights = "x".join(map(str, node.input(1).get_shape()))
        kind = f"{node.get_type_name()} {weights}"
        print(f"{1e3 * spent:6.2f} ms {count / spent / 1e9:6.0f} GFLOP/s  {kind}")
    total = sum(spent for spent, _, _ in rows)
    count = sum(count for _, count, _ in rows)
    print(
        f"{count / 1e9:.1f} GFLOP of convolutions in {1e3 * total:.1f} ms: "
        f"{count / total / 1e9:.0f} GFLOP/s, {total / sum(seconds.values()):.1%} of all operations"
    )
    print(f"product of matrices: {product_rate(openvino, core, settings) / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=12)
    main(parser.parse_args())
