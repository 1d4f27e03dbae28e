"""The graph of an .onnx file, in an order and with names that depend on the network alone.

tf2onnx orders nodes and weights by the hashes of names and numbers names as it goes, so two exports
of one network differ in their bytes. After `normalize` they are equal.
"""

from collections.abc import Iterable
from typing import Any


def normalize(proto: Any) -> None:
    """Bring an onnx.ModelProto of tf2onnx into its normal form, and name its unknown sizes.

    Nodes are in the order in which a depth-first search from the outputs leaves them, weights in
    that of their first use. Both are named by their place.
    """
    _name_sizes(proto)
    _repeat_pixels(proto)
    graph = proto.graph
    nodes = _ordered(graph)
    names = _names(graph, nodes)
    weights = {each.name: each for each in graph.initializer}
    used = [name for node in nodes for name in node.input if name in weights]
    initializers = [weights[name] for name in dict.fromkeys(used)]
    for each in initializers:
        each.name = names[each.name]
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    _replace(graph.node, nodes)
    _replace(graph.initializer, initializers)
    _replace(proto.opset_import, sorted(proto.opset_import, key=lambda each: str(each.domain)))
    graph.doc_string = ""
    del graph.value_info[:]


def _ordered(graph: Any) -> list[Any]:
    """The nodes that the outputs need, each behind those it needs."""
    makers = {name: node for node in graph.node for name in node.output}
    nodes: dict[int, Any] = {}
    stack = [(each.name, False) for each in reversed(graph.output)]
    while stack:
        name, has_inputs = stack.pop()
        if (node := makers.get(name)) is None or id(node) in nodes:
            continue
        if has_inputs:
            nodes[id(node)] = node
            continue
        stack.append((name, True))
        stack += [(each, False) for each in reversed(node.input)]
    return list(nodes.values())


def _names(graph: Any, nodes: Iterable[Any]) -> dict[str, str]:
    """Old name -> new name of every tensor; those of inputs and outputs stay.

    A weight is named after the first node that uses it: of equal constants tf2onnx keeps any one.
    """
    names = {each.name: each.name for each in (*graph.input, *graph.output)} | {"": ""}
    for number, node in enumerate(nodes):
        for kind, tensors in (("input", node.input), ("output", node.output)):
            for place, old in enumerate(tensors):
                names.setdefault(old, f"{node.op_type}_{number}_{kind}_{place}")
    return names


def _replace(field: Any, values: Iterable[Any]) -> None:
    """Set a repeated field of a message."""
    copies = []
    for value in values:
        copy = type(value)()
        copy.CopyFrom(value)
        copies.append(copy)
    del field[:]
    field.extend(copies)


def _name_sizes(proto: Any) -> None:
    """Name the unknown sizes N, H and W instead of tf2onnx's numbers."""
    for value in (*proto.graph.input, *proto.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for dimension, name in zip(sizes[:-1], "NHW", strict=False):  # the last are the channels
            dimension.dim_param = name


def _repeat_pixels(proto: Any) -> None:
    """Set the attributes of nearest-neighbour upsampling to those of current ONNX.

    tf2onnx writes the deprecated mode of TensorFlow; for integer factors both are equal.
    """
    current = {"coordinate_transformation_mode": b"asymmetric", "nearest_mode": b"floor"}
    for node in proto.graph.node:
        if any(attribute.s == b"tf_half_pixel_for_nn" for attribute in node.attribute):
            for attribute in node.attribute:
                if attribute.name in current:
                    attribute.s = current[attribute.name]
