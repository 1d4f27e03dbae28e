"""Names of the networks at the peers."""

PEERS = {
    "mobilenetv2": "mobilenet_v2",
    "efficientnetb0": "efficientnet-b0",
    "efficientnetb4": "efficientnet-b4",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
}
"""segmentation-models' name -> that of segmentation_models_pytorch."""
